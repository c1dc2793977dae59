//! The archive of a folder export: strict ustar over bytes (evidence-format section 12.4).
//!
//! Only regular files with plain names, each once. Everything else an archive can hold is refused,
//! because two readers could understand it differently.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Read as _};

use crate::code::{Code, Fault};
use crate::verify::Unreadable;

/// Members and headers are padded to this many bytes.
pub const BLOCK: usize = 512;

/// Limits of an archive, checked before a member is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TarLimits {
    /// Most bytes of all members together.
    pub max_bytes: u64,
    /// Most members.
    pub max_files: usize,
}

/// Reads an archive.
///
/// # Errors
/// `E_LIMIT` for everything that is not a regular file with a plain name, for duplicates, and for
/// anything but zero bytes after the last member.
pub fn read(bytes: &[u8], limits: TarLimits) -> Result<BTreeMap<String, Vec<u8>>, Fault> {
    let mut files = BTreeMap::new();
    let mut rest = bytes;
    let mut total = 0_u64;
    while let Some((block, after)) = rest.split_first_chunk::<BLOCK>() {
        if block.iter().all(|byte| *byte == 0) {
            break;
        }
        let member = Member::read(block)?;
        total = total.saturating_add(member.size);
        if total > limits.max_bytes || files.len() >= limits.max_files {
            return Err(limit("the archive is too large"));
        }
        let (content, after) = split(after, member.size)?;
        rest = after;
        if member.directory {
            continue;
        }
        if files.insert(member.name, content.to_vec()).is_some() {
            return Err(limit("a name is there twice"));
        }
    }
    if rest.iter().any(|byte| *byte != 0) {
        return Err(limit("something follows the last member"));
    }
    Ok(files)
}

/// Where a member lies in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Where its content begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub size: u64,
}

/// Finds the members of an archive that is read as a stream, under the same rules as [`read`].
///
/// # Errors
/// As [`read`], or when it cannot be read.
pub fn index(mut archive: impl BufRead, limits: TarLimits) -> Result<Vec<Place>, Unreadable> {
    let mut places: Vec<Place> = Vec::new();
    let mut names = BTreeSet::new();
    let mut offset = 0_u64;
    let mut total = 0_u64;
    let mut block = [0; BLOCK];
    while full_block(&mut archive, &mut block)? {
        if block.iter().all(|byte| *byte == 0) {
            return zero_to_the_end(archive).map(|()| places);
        }
        let member = Member::read(&block)?;
        total = total.saturating_add(member.size);
        if total > limits.max_bytes || names.len() >= limits.max_files {
            return Err(limit("the archive is too large").into());
        }
        offset = offset.saturating_add(BLOCK_BYTES);
        skip(&mut archive, member.size)?;
        let padding = member
            .size
            .next_multiple_of(BLOCK_BYTES)
            .abs_diff(member.size);
        if !only_zeros(&mut archive, padding)? {
            return Err(limit("the padding of a member is not zero").into());
        }
        if !member.directory {
            if !names.insert(member.name.clone()) {
                return Err(limit("a name is there twice").into());
            }
            places.push(Place {
                name: member.name,
                offset,
                size: member.size,
            });
        }
        offset = offset.saturating_add(member.size).saturating_add(padding);
    }
    Ok(places)
}

const BLOCK_BYTES: u64 = 512;

/// Bytes of a header for a name.
const NAME: usize = 100;

/// Bytes of a header for folders that a name begins with.
const PREFIX: usize = 155;

/// Reads a block; `false` at the end. Fewer bytes than a block must be zero.
fn full_block(archive: &mut impl BufRead, block: &mut [u8; BLOCK]) -> Result<bool, Unreadable> {
    let mut read = 0_usize;
    while let Some(rest) = block.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match archive.read(rest)? {
            0 if block.iter().take(read).all(|byte| *byte == 0) => return Ok(false),
            0 => return Err(limit("something follows the last member").into()),
            count => read = read.saturating_add(count),
        }
    }
    Ok(true)
}

fn skip(archive: &mut impl BufRead, mut bytes: u64) -> Result<(), Unreadable> {
    while bytes > 0 {
        let length = archive.fill_buf()?.len();
        if length == 0 {
            return Err(limit("the archive is cut").into());
        }
        let step = length.min(usize::try_from(bytes).unwrap_or(usize::MAX));
        archive.consume(step);
        bytes = bytes.saturating_sub(u64::try_from(step).unwrap_or(u64::MAX));
    }
    Ok(())
}

fn only_zeros(archive: &mut impl BufRead, bytes: u64) -> Result<bool, Unreadable> {
    let mut padding = Vec::new();
    archive.take(bytes).read_to_end(&mut padding)?;
    if u64::try_from(padding.len()) != Ok(bytes) {
        return Err(limit("the archive is cut").into());
    }
    Ok(padding.iter().all(|byte| *byte == 0))
}

fn zero_to_the_end(mut archive: impl BufRead) -> Result<(), Unreadable> {
    loop {
        let buffer = archive.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        if buffer.iter().any(|byte| *byte != 0) {
            return Err(limit("something follows the last member").into());
        }
        let length = buffer.len();
        archive.consume(length);
    }
}

/// Writes an archive: files in the order of their names, no times, no owners.
pub fn write(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in files {
        out.extend_from_slice(&header(
            name,
            u64::try_from(content.len()).unwrap_or(u64::MAX),
        ));
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len().saturating_add(2 * BLOCK), 0);
    out
}

fn limit(what: &str) -> Fault {
    Fault::new(Code::Limit, what)
}

struct Member {
    name: String,
    size: u64,
    directory: bool,
}

impl Member {
    fn read(block: &[u8; BLOCK]) -> Result<Self, Fault> {
        let field = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
        if field(257, 263) != b"ustar\0" || field(263, 265) != b"00" {
            return Err(limit("not a ustar archive"));
        }
        if octal(field(148, 156)) != Some(checksum(block)) {
            return Err(limit("the checksum of a member is wrong"));
        }
        let size = octal(field(124, 136)).ok_or_else(|| limit("a size is not octal"))?;
        let name = std::str::from_utf8(terminated(field(0, 100)))
            .map_err(|_| limit("a name is not text"))?;
        if field(345, 500).iter().any(|byte| *byte != 0) {
            return Err(limit("a name has a prefix"));
        }
        match field(156, 157) {
            [b'0' | 0] if is_plain(name) => Ok(Self {
                name: name.to_owned(),
                size,
                directory: false,
            }),
            b"5" if size == 0 && matches!(name, "timestamps" | "timestamps/") => Ok(Self {
                name: name.to_owned(),
                size,
                directory: true,
            }),
            _ => Err(limit("a member is not a regular file with a plain name")),
        }
    }
}

/// No directory but `timestamps/`, no absolute path, no step upwards.
fn is_plain(name: &str) -> bool {
    let name = name.strip_prefix("timestamps/").unwrap_or(name);
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && name != "."
        && name != ".."
}

fn split(bytes: &[u8], size: u64) -> Result<(&[u8], &[u8]), Fault> {
    let cut = || limit("the archive is cut");
    let size = usize::try_from(size).map_err(|_| cut())?;
    let padded = size.checked_next_multiple_of(BLOCK).ok_or_else(cut)?;
    let (block, rest) = bytes.split_at_checked(padded).ok_or_else(cut)?;
    let (content, padding) = block.split_at_checked(size).ok_or_else(cut)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(limit("the padding of a member is not zero"));
    }
    Ok((content, rest))
}

fn terminated(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits, blanks before and blanks or zero bytes after them, and nothing else.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_start_matches(' ').trim_end_matches(['\0', ' ']);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    u64::from_str_radix(digits, 8).ok()
}

/// Sum of the header bytes, the checksum field taken as blanks.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let blanked = block.iter().enumerate().map(|(at, byte)| match at {
        148..156 => u64::from(b' '),
        _ => u64::from(*byte),
    });
    blanked.sum()
}

/// A name as a header holds it: folders that do not fit beside the last part of it, and the rest. `None`
/// where it cannot be cut so that both fit.
fn cut(name: &str) -> Option<(&str, &str)> {
    if name.len() <= NAME {
        return Some(("", name));
    }
    let slashes = name.match_indices('/').map(|(at, _)| at);
    let mut cuts = slashes.filter_map(|at| name.get(..at).zip(name.get(at.saturating_add(1)..)));
    cuts.find(|(folders, rest)| folders.len() <= PREFIX && (1..=NAME).contains(&rest.len()))
}

/// Whether a header has room for a name: 100 bytes, or up to 155 more of folders before them.
pub fn fits(name: &str) -> bool {
    cut(name).is_some()
}

/// The header of a regular file of `size` bytes, less than 8 GiB: no time, no owner. What does not fit
/// of a name ([`fits`]) is not in it.
pub fn header(name: &str, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &str| {
        for (target, byte) in block.iter_mut().skip(at).zip(text.bytes()) {
            *target = byte;
        }
    };
    let (folders, rest) = cut(name).unwrap_or(("", name));
    put(0, rest.get(..NAME).unwrap_or(rest));
    put(345, folders);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(156, "0");
    put(257, "ustar\0");
    put(263, "00");
    let sum = checksum(&block);
    for (target, byte) in block
        .iter_mut()
        .skip(148)
        .zip(format!("{sum:06o}\0 ").bytes())
    {
        *target = byte;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TarLimits = TarLimits {
        max_bytes: 10_000,
        max_files: 4,
    };

    fn files() -> BTreeMap<String, Vec<u8>> {
        BTreeMap::from([
            ("a.json".to_owned(), b"{}".to_vec()),
            ("timestamps/x.tsr".to_owned(), vec![7; 600]),
        ])
    }

    #[test]
    fn what_was_written_is_read_back() {
        assert_eq!(read(&write(&files()), LIMITS).unwrap(), files());
    }

    #[test]
    fn a_long_name_is_cut_at_a_folder_and_what_fits_nowhere_is_said() {
        let folder = format!("policy/{}/policies", "0".repeat(64));
        let name = format!("{folder}/{}.cedar", "a".repeat(64));
        assert!(fits(&name) && name.len() > NAME);
        let block = header(&name, 3);
        let field =
            |from: usize, to: usize| std::str::from_utf8(terminated(&block[from..to])).unwrap();
        assert_eq!(format!("{}/{}", field(345, 500), field(0, 100)), name);
        assert_eq!(field(100, 107), "0000644");
        assert_eq!(octal(&block[148..156]), Some(checksum(&block)));
        for long in ["a".repeat(101), format!("{}/b", "a".repeat(156))] {
            assert!(!fits(&long), "{long}");
            assert_eq!(&header(&long, 3)[100..107], b"0000644");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let refuse = |bytes: &[u8]| assert_eq!(read(bytes, LIMITS).unwrap_err().code, Code::Limit);
        let good = write(&files());
        refuse(&[good.clone(), good.clone()].concat());
        refuse(&[good.clone(), b"x".to_vec()].concat());
        refuse(&good[..700]);
        for name in ["../a", "/a", "dir/a", ".."] {
            refuse(&write(&BTreeMap::from([(name.to_owned(), vec![])])));
        }
        let twice = [&good[..1024], &good[..]].concat();
        refuse(&twice);
        let large = BTreeMap::from([("a".to_owned(), vec![0; 10_001])]);
        refuse(&write(&large));
        let many = (0..5).map(|n| (n.to_string(), vec![])).collect();
        refuse(&write(&many));
    }

    #[test]
    fn a_stream_is_indexed_as_it_is_read() {
        let good = write(&files());
        for length in 0..=good.len() {
            let bytes = &good[..length];
            match (read(bytes, LIMITS), index(bytes, LIMITS)) {
                (Ok(files), Ok(places)) => {
                    assert_eq!(files.len(), places.len());
                    for place in places {
                        let from = usize::try_from(place.offset).unwrap();
                        let to = from + usize::try_from(place.size).unwrap();
                        assert_eq!(files[&place.name], &bytes[from..to]);
                    }
                }
                (Err(_), Err(Unreadable::Refused(fault))) => assert_eq!(fault.code, Code::Limit),
                (read, indexed) => panic!("{length}: {read:?}, {indexed:?}"),
            }
        }
    }

    #[test]
    fn every_changed_header_byte_is_noticed() {
        let good = write(&files());
        for at in 0..BLOCK {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(read(&bad, LIMITS).is_err(), "byte {at}");
        }
    }
}
