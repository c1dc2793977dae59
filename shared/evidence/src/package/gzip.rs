//! Compressed archives, unpacked under a limit.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::code::{Code, Fault};

/// What a gzip file begins with.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A reader of the unpacked bytes. It stops with `E_LIMIT`, inside the I/O error, as soon as there are
/// more than `max_bytes` of them, or something follows the first gzip member.
pub fn bounded<R: BufRead>(packed: R, max_bytes: u64) -> impl Read {
    Bounded {
        decoder: GzDecoder::new(packed),
        left: max_bytes,
    }
}

/// Unpacks bytes in memory.
///
/// # Errors
/// `E_LIMIT` when there are more than `max_bytes`, or they are no gzip file.
pub fn unpack(packed: &[u8], max_bytes: u64) -> Result<Vec<u8>, Fault> {
    let mut unpacked = Vec::new();
    match bounded(packed, max_bytes).read_to_end(&mut unpacked) {
        Ok(_) => Ok(unpacked),
        Err(error) => Err(error
            .downcast()
            .unwrap_or_else(|error| limit(&format!("the archive cannot be unpacked: {error}")))),
    }
}

fn limit(what: &str) -> Fault {
    Fault::new(Code::Limit, what)
}

struct Bounded<R> {
    decoder: GzDecoder<R>,
    left: u64,
}

impl<R: BufRead> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let refuse = |what: &str| io::Error::new(io::ErrorKind::InvalidData, limit(what));
        let count = self
            .decoder
            .read(buffer)
            .map_err(|error| match error.kind() {
                io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidData
                | io::ErrorKind::UnexpectedEof => refuse("the archive is no whole gzip file"),
                _ => error,
            })?;
        let read = u64::try_from(count).unwrap_or(u64::MAX);
        self.left = self
            .left
            .checked_sub(read)
            .ok_or_else(|| refuse("the archive unpacks to more than the limit"))?;
        let ended = count == 0 && !buffer.is_empty();
        if ended && !self.decoder.get_mut().fill_buf()?.is_empty() {
            return Err(refuse("something follows the compressed archive"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_packed_is_unpacked_up_to_the_limit() {
        let bytes = vec![7; 1000];
        assert_eq!(unpack(&pack(&bytes), 1000).unwrap(), bytes);
        assert_eq!(unpack(&pack(&bytes), 999).unwrap_err().code, Code::Limit);
    }

    #[test]
    fn a_bomb_a_cut_file_and_trailing_bytes_are_refused() {
        let bomb = pack(&vec![0; 20_000_000]);
        assert!(bomb.len() < 100_000);
        assert_eq!(unpack(&bomb, 1_000_000).unwrap_err().code, Code::Limit);
        let good = pack(b"abc");
        for cut in 0..good.len() {
            assert!(unpack(&good[..cut], 1000).is_err(), "{cut} bytes");
        }
        let trailing = [good.as_slice(), b"x"].concat();
        assert_eq!(unpack(&trailing, 1000).unwrap_err().code, Code::Limit);
        let twice = [good.as_slice(), &good].concat();
        assert_eq!(unpack(&twice, 1000).unwrap_err().code, Code::Limit);
    }
}
