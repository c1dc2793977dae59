//! Which key of the issuer may have signed a token.

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, Header};

/// The key that a token's header asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) id: String,
    pub(super) algorithm: Algorithm,
}

/// Reads the header. A key or an address of keys in it (`jwk`, `jku`, `x5c`, `x5u`) is never used.
pub(super) fn wanted(header: &Header) -> Result<Wanted, &'static str> {
    use Algorithm::{ES256, EdDSA, PS256, RS256};
    if !matches!(header.alg, RS256 | PS256 | ES256 | EdDSA) {
        return Err("the algorithm is not accepted");
    }
    if header.crit.is_some() {
        return Err("the header has extensions that must be understood");
    }
    let id = header.kid.as_deref().filter(|id| !id.is_empty());
    Ok(Wanted {
        id: id.ok_or("the header names no key")?.to_owned(),
        algorithm: header.alg,
    })
}

/// The one key of that name that may sign with that algorithm. Two of them are none.
pub(super) fn find(keys: &[Jwk], wanted: &Wanted) -> Option<DecodingKey> {
    let mut fitting = keys.iter().filter(|key| fits(key, wanted));
    let key = fitting.next()?;
    if fitting.next().is_some() {
        return None;
    }
    DecodingKey::from_jwk(key).ok()
}

/// The issuer knows a key of that name.
pub(super) fn named(keys: &[Jwk], id: &str) -> bool {
    keys.iter()
        .any(|key| key.common.key_id.as_deref() == Some(id))
}

fn fits(key: &Jwk, wanted: &Wanted) -> bool {
    let common = &key.common;
    let signs = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let verifies = common
        .key_operations
        .as_ref()
        .is_none_or(|may| may.contains(&KeyOperations::Verify));
    let algorithm = common
        .key_algorithm
        .is_none_or(|algorithm| algorithm == named_like(wanted.algorithm));
    let shape = match (&key.algorithm, wanted.algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => {
            key.curve == EllipticCurve::P256
        }
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => {
            key.curve == EllipticCurve::Ed25519
        }
        _ => false,
    };
    let named = common.key_id.as_deref() == Some(wanted.id.as_str());
    named && signs && verifies && algorithm && shape
}

fn named_like(algorithm: Algorithm) -> KeyAlgorithm {
    match algorithm {
        Algorithm::RS256 => KeyAlgorithm::RS256,
        Algorithm::PS256 => KeyAlgorithm::PS256,
        Algorithm::ES256 => KeyAlgorithm::ES256,
        Algorithm::EdDSA => KeyAlgorithm::EdDSA,
        _ => KeyAlgorithm::UNKNOWN_ALGORITHM,
    }
}
