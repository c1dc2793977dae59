//! What others signed: witnesses and time-stamp authorities.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::seal::{Seal, Witness};
use counterfoil_evidence::verify::{Package, TimestampAuthority, Token, Verdict, verify_with};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::forge::{Forge, with};
use crate::rules::base;
use crate::second::verify_witnessed;

pub fn witness_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub fn vkey(name: &str, seed: u8) -> String {
    use base64::Engine as _;
    let mut typed = vec![4];
    typed.extend_from_slice(witness_key(seed).verifying_key().as_bytes());
    let id = witness_id(name, &typed);
    let key = base64::engine::general_purpose::STANDARD.encode(&typed);
    format!("{name}+{}+{key}", hex::encode(id))
}

pub fn witness_id(name: &str, typed: &[u8]) -> Vec<u8> {
    let hash = counterfoil_evidence::hash::sha256(&[name.as_bytes(), b"\n", typed].concat());
    hash.as_bytes()[..4].to_vec()
}

/// A cosignature line of witness `w<seed>` over the seal at a place.
pub fn cosign(forge: &Forge, seed: u8, place: usize) -> String {
    cosign_as(&format!("w{seed}"), forge, seed, place)
}

pub fn cosign_as(name: &str, forge: &Forge, seed: u8, place: usize) -> String {
    use base64::Engine as _;
    let body = Seal::parse(&forge.seals[place]).unwrap().body.bytes();
    let seconds = 1_795_392_100_u64;
    let head = format!("cosignature/v1\ntime {seconds}\n");
    let signature = witness_key(seed).sign(&[head.as_bytes(), &body].concat());
    let mut typed = vec![4];
    typed.extend_from_slice(witness_key(seed).verifying_key().as_bytes());
    let mut payload = witness_id(name, &typed);
    payload.extend_from_slice(&seconds.to_be_bytes());
    payload.extend_from_slice(&signature.to_bytes());
    let payload = base64::engine::general_purpose::STANDARD.encode(payload);
    format!("\u{2014} {name} {payload}\n")
}

/// The base stream; its last seal gets the lines that `sign` makes for it.
pub fn witnessed(pinned: &[u8], quorum: u64, sign: fn(&Forge, usize) -> String) -> Verdict {
    let mut forge = base();
    let last = forge.seals.len() - 1;
    let lines = sign(&forge, last);
    forge.seals[last] += &lines;
    let mut trust = forge.trust();
    let keys: Vec<_> = pinned
        .iter()
        .map(|seed| vkey(&format!("w{seed}"), *seed))
        .collect();
    trust.witnesses = keys
        .iter()
        .map(|key| Witness::parse(key).unwrap())
        .collect();
    trust.quorum = quorum;
    verify_witnessed(
        Package::Document(&forge.export().canonical()),
        &trust,
        &keys,
    )
}

pub fn one_key_twice() -> Verdict {
    let mut forge = base();
    let last = forge.seals.len() - 1;
    let lines = ["w1", "w2"].map(|name| cosign_as(name, &forge, 1, last));
    forge.seals[last] += &lines.concat();
    let mut trust = forge.trust();
    let keys = ["w1", "w2"].map(|name| vkey(name, 1));
    trust.witnesses = keys
        .iter()
        .map(|key| Witness::parse(key).unwrap())
        .collect();
    trust.quorum = 2;
    verify_witnessed(
        Package::Document(&forge.export().canonical()),
        &trust,
        &keys,
    )
}

#[test]
fn a_witness_key_whose_id_name_or_type_is_not_its_own_is_refused() {
    let good = vkey("w1", 1);
    assert!(Witness::parse(&good).is_ok());
    let (name, rest) = good.split_once('+').unwrap();
    for bad in [
        format!("{name}x+{rest}"),
        format!("+{rest}"),
        good.replace("+0", "+1").replace("+a", "+b"),
        good.strip_suffix(|_| true).unwrap().to_owned(),
        name.to_owned(),
    ] {
        assert!(bad == good || Witness::parse(&bad).is_err(), "{bad}");
    }
}

/// An authority that takes every token that names the hash of the bytes.
#[derive(Debug)]
pub struct Genuine;

impl TimestampAuthority for Genuine {
    fn check(&self, data: &[u8], response: &[u8]) -> Token {
        let hash = counterfoil_evidence::hash::sha256(data);
        if response.strip_prefix(b"token ") == Some(hash.as_bytes()) {
            Token::Valid
        } else {
            Token::Invalid
        }
    }
}

pub fn stamped(
    anchored: bool,
    place: fn(&Forge) -> usize,
    authority: Option<&dyn TimestampAuthority>,
) -> Verdict {
    use base64::Engine as _;
    let forge = base();
    let hash = Seal::parse(&forge.seals[place(&forge)])
        .unwrap()
        .seal_hash();
    let token = [b"token ".as_slice(), hash.as_bytes()].concat();
    let token = base64::engine::general_purpose::STANDARD.encode(token);
    let item = object([("seal", Json::from(hash)), ("tsr", token.into())]);
    let package = with(forge.export(), "timestamps", Json::Array(vec![item]));
    let mut trust = forge.trust();
    if anchored {
        trust.anchors = vec![forge.seals.last().unwrap().clone()];
    }
    verify_with(Package::Document(&package.canonical()), &trust, authority)
}

#[test]
fn a_token_that_the_authority_refuses_is_refused() {
    #[derive(Debug)]
    struct Never;
    impl TimestampAuthority for Never {
        fn check(&self, _: &[u8], _: &[u8]) -> Token {
            Token::Invalid
        }
    }
    let verdict = stamped(true, |_| 1, Some(&Never));
    assert_eq!(crate::forge::outcome(&verdict), "E_TIMESTAMP");
}
