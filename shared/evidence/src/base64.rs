//! Canonical base64, RFC 4648 section 4 with padding: decoding and encoding again gives the text.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};

use crate::code::{Code, Fault};
use crate::hash::Hash;

/// Reads what any decoder would read, so that a wrong writing is told from no base64 at all.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

pub(crate) fn encode(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// Decodes canonical base64.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, Fault> {
    let bytes = LENIENT
        .decode(text)
        .map_err(|_| Fault::new(Code::B64, "not base64 with padding"))?;
    if encode(&bytes) == text {
        Ok(bytes)
    } else {
        Err(Fault::new(
            Code::B64Noncanonical,
            "base64 that would be written otherwise",
        ))
    }
}

/// Decodes a hash.
pub(crate) fn decode_hash(text: &str) -> Result<Hash, Fault> {
    let bytes = decode(text)?;
    Hash::from_slice(&bytes)
        .map_err(|_| Fault::new(Code::HashLen, format!("a hash of {} bytes", bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_writing_is_accepted() {
        assert_eq!(decode("AAE=").unwrap(), [0, 1]);
        assert_eq!(decode("AAF=").unwrap_err().code, Code::B64Noncanonical);
        assert_eq!(decode("AAE").unwrap_err().code, Code::B64);
        assert_eq!(decode("A-E=").unwrap_err().code, Code::B64);
        assert_eq!(decode("AAE=\n").unwrap_err().code, Code::B64);
        assert_eq!(decode_hash("AAE=").unwrap_err().code, Code::HashLen);
    }
}
