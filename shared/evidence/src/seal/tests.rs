use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;

use super::*;

fn signer() -> (SigningKey, SealKey) {
    let secret = SigningKey::from_slice(&[9; 32]).unwrap();
    let der = secret.verifying_key().to_public_key_der().unwrap();
    let key = SealKey::from_der(der.as_bytes()).unwrap();
    (secret, key)
}

fn body() -> SealBody {
    SealBody {
        origin: origin(DEFAULT_PREFIX, Hash::ZERO),
        size: 4,
        root: Hash::new([1; 32]),
        at: 1_795_392_001_111,
        head: Hash::new([2; 32]),
        prev: Hash::ZERO,
    }
}

fn sealed() -> (String, SealKey) {
    let (secret, key) = signer();
    let signature: DerSignature = secret.sign(&body().bytes());
    (
        note(&body(), &[(key.clone(), signature.to_bytes().to_vec())]),
        key,
    )
}

fn refusal(note: &str) -> Code {
    let (_, key) = signer();
    verify_note(note, &body().origin, &[key]).unwrap_err().code
}

#[test]
fn a_note_that_was_assembled_verifies_and_reads_back() {
    let (note, key) = sealed();
    let seal = verify_note(&note, &body().origin, &[key]).unwrap();
    assert_eq!(seal.body, body());
    assert_eq!(seal.reduced(), note);
}

#[test]
fn every_deviation_has_its_code() {
    let (note, _) = sealed();
    assert_eq!(refusal(&note.replace('\n', "\r\n")), Code::Note);
    assert_eq!(refusal(note.trim_end()), Code::Note);
    assert_eq!(refusal(&note.replace("\n4\n", "\n04\n")), Code::NoteSyntax);
    assert_eq!(refusal(&note.replace("\n4\n", "\n5\n")), Code::Sig);
    assert_eq!(refusal(&note.replace("\n4\n", "\n4\nx\n")), Code::NoteLines);
    assert_eq!(refusal(&note.replace("at 17", "at 0")), Code::NoteSyntax);
    assert_eq!(
        refusal(&note.replace("evidence.", "evidences.")),
        Code::Origin
    );
    let (body, line) = note.split_once("\n\n").unwrap();
    assert_eq!(refusal(&format!("{body}\n\n")), Code::NoTrustedSig);
    assert_eq!(
        refusal(&format!("{body}\n\n{}", line.replace("/s/", "/t/"))),
        Code::NoTrustedSig
    );
    assert_eq!(
        refusal(&format!("{body}\n\n{}", line.replace("/s/", "/\u{1}/"))),
        Code::SigSyntax
    );
    assert_eq!(
        refusal(&format!("{body}\n\n{}", line.repeat(17))),
        Code::Limit
    );
    assert_eq!(
        refusal(&format!("{body}\n\n\u{2014} AAAA\n")),
        Code::SigSyntax
    );
    assert_eq!(refusal(&"x".repeat(MAX_NOTE + 1)), Code::Limit);
}

#[test]
fn both_forms_of_a_signature_verify_but_only_in_strict_der() {
    let (secret, key) = signer();
    let signature: p256::ecdsa::Signature = secret.sign(b"message");
    let (r, s) = signature.split_scalars();
    let other = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    for signature in [signature, other] {
        let der = signature.to_der().to_bytes().to_vec();
        assert!(key.verifies(b"message", &der));
        assert!(!key.verifies(b"other", &der));
        let longer = [der.clone(), vec![0]].concat();
        assert!(!key.verifies(b"message", &longer));
        let long_form = [&[0x30, 0x81, der[1]], &der[2..]].concat();
        assert!(!key.verifies(b"message", &long_form));
        let padded_length = der[1] + 1;
        let padded = [&[0x30, padded_length, 2, der[3] + 1, 0], &der[4..]].concat();
        assert!(!key.verifies(b"message", &padded));
        assert!(!key.verifies(b"message", &signature.to_bytes()));
    }
}

#[test]
fn keys_read_from_pem_and_der_are_the_same() {
    use p256::pkcs8::LineEnding;
    let (secret, key) = signer();
    let pem = secret
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .unwrap();
    assert_eq!(SealKey::from_pem(&pem).unwrap(), key);
    assert!(SealKey::from_pem("-----BEGIN PUBLIC KEY-----").is_err());
    assert!(SealKey::from_der(&key.spki()[1..]).is_err());
}
