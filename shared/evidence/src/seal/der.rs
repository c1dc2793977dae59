//! Strict DER of an ECDSA signature: SEQUENCE of two minimal positive INTEGERs below the group
//! order, and nothing after it. Looser readers accept several writings of one signature.

use p256::ecdsa::Signature;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;

/// Reads a signature, or nothing if one byte of it could be written otherwise.
pub(super) fn signature(der: &[u8]) -> Option<Signature> {
    let (body, rest) = element(der, SEQUENCE)?;
    let (r, body) = element(body, INTEGER)?;
    let (s, body) = element(body, INTEGER)?;
    if !rest.is_empty() || !body.is_empty() {
        return None;
    }
    // Refuses zero and everything from the group order up.
    Signature::from_scalars(scalar(r)?, scalar(s)?).ok()
}

/// Splits off one element with a one-byte length; longer ones cannot occur in a signature.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, bytes) = bytes.split_first()?;
    let (&length, bytes) = bytes.split_first()?;
    if found != tag || length >= 0x80 {
        return None;
    }
    bytes.split_at_checked(usize::from(length))
}

fn scalar(integer: &[u8]) -> Option<[u8; 32]> {
    let magnitude = match integer {
        [0, second, ..] if *second >= 0x80 => integer.get(1..)?,
        [first, ..] if (1..0x80).contains(first) => integer,
        _ => return None,
    };
    let mut scalar = [0; 32];
    let start = scalar.len().checked_sub(magnitude.len())?;
    scalar.get_mut(start..)?.copy_from_slice(magnitude);
    Some(scalar)
}
