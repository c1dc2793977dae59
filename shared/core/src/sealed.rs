//! Sealed values: AES-256-GCM under a data key, bound to where they belong.
//!
//! The context is both the KMS encryption context of the data key and the additional authenticated
//! data of the cipher, so a sealed value that is moved to another workspace, project, purpose, id
//! or version does not open, even if the key service were wrong.

use std::collections::BTreeMap;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ids::{ProjectId, SecretId, WorkspaceId};
use crate::ports::Random;
use crate::redacted::Redacted;

/// What a secret is for. One purpose, one set of functions that may open it (template.yaml).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Stripe key and the reading role of Postgres.
    Read,
    /// The repair role of Postgres.
    Repair,
    /// Webhook signing secrets.
    Webhook,
    /// The key under which customers get pseudonyms.
    Pseudonym,
    /// What a run has read and found, between its steps; a data key per object.
    Snapshot,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Repair,
        Self::Webhook,
        Self::Pseudonym,
        Self::Snapshot,
    ];

    /// The name used in encryption contexts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Repair => "repair",
            Self::Webhook => "webhook",
            Self::Pseudonym => "pseudonym",
            Self::Snapshot => "snapshot",
        }
    }
}

/// Where a sealed value belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealContext {
    /// Tenant.
    pub workspace: WorkspaceId,
    /// Project.
    pub project: ProjectId,
    /// Purpose.
    pub purpose: Purpose,
    /// The secret.
    pub secret: SecretId,
    /// Version of the secret, from 1.
    pub version: u64,
}

impl SealContext {
    /// The KMS encryption context.
    pub fn encryption_context(&self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("workspace".to_owned(), self.workspace.to_string()),
            ("project".to_owned(), self.project.to_string()),
            ("purpose".to_owned(), self.purpose.name().to_owned()),
            ("secret".to_owned(), self.secret.to_string()),
            ("version".to_owned(), self.version.to_string()),
        ])
    }

    /// The additional authenticated data: format tag, then the context's lines in key order.
    fn authenticated(&self) -> Vec<u8> {
        let mut data = b"counterfoil/sealed/v1\n".to_vec();
        for (name, value) in self.encryption_context() {
            data.extend_from_slice(format!("{name}={value}\n").as_bytes());
        }
        data
    }
}

/// A sealed value as it is stored. The wrapped data key lies elsewhere, in the table of data keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sealed {
    /// Format version.
    pub v: u8,
    /// Cipher.
    pub alg: String,
    /// 12 random bytes, base64.
    pub nonce: String,
    /// Ciphertext and tag, base64.
    pub ciphertext: String,
}

/// Why a sealed value does not open. Says nothing about its content.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum SealedError {
    /// A format this build does not know: there is no fallback.
    #[error("sealed value has an unknown format or cipher")]
    UnknownFormat,
    /// Not base64, or of the wrong length.
    #[error("sealed value is damaged")]
    Damaged,
    /// Wrong key, or the value does not belong here.
    #[error("sealed value does not open here")]
    WrongKeyOrPlace,
    /// The cipher refused to seal.
    #[error("value cannot be sealed")]
    CannotSeal,
}

const ALG: &str = "AES-256-GCM";

impl Sealed {
    /// Seals `secret`. `nonce` must be fresh random bytes: a data key seals one value only, so a
    /// repeated nonce under one key cannot happen as long as both are drawn anew.
    ///
    /// # Errors
    /// Only when the cipher fails (a secret of gigabytes).
    pub fn seal(
        context: &SealContext,
        key: &Redacted<[u8; 32]>,
        nonce: [u8; 12],
        secret: &[u8],
    ) -> Result<Self, SealedError> {
        let payload = Payload {
            msg: secret,
            aad: &context.authenticated(),
        };
        let ciphertext = cipher(key)
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| SealedError::CannotSeal)?;
        Ok(Self {
            v: 1,
            alg: ALG.to_owned(),
            nonce: STANDARD.encode(nonce),
            ciphertext: STANDARD.encode(ciphertext),
        })
    }

    /// The same with a nonce of the random source.
    ///
    /// # Errors
    /// Only when the cipher fails (a secret of gigabytes).
    pub fn fresh(
        context: &SealContext,
        key: &Redacted<[u8; 32]>,
        random: &dyn Random,
        secret: &[u8],
    ) -> Result<Self, SealedError> {
        let mut nonce = [0_u8; 12];
        let bytes = random.bytes32();
        nonce
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = from);
        Self::seal(context, key, nonce, secret)
    }

    /// Opens the value.
    ///
    /// # Errors
    /// See [`SealedError`]; a value from another place is indistinguishable from a wrong key.
    pub fn open(
        &self,
        context: &SealContext,
        key: &Redacted<[u8; 32]>,
    ) -> Result<Redacted<Vec<u8>>, SealedError> {
        if self.v != 1 || self.alg != ALG {
            return Err(SealedError::UnknownFormat);
        }
        let nonce = STANDARD
            .decode(&self.nonce)
            .map_err(|_| SealedError::Damaged)?;
        let nonce: [u8; 12] = nonce.try_into().map_err(|_| SealedError::Damaged)?;
        let ciphertext = STANDARD
            .decode(&self.ciphertext)
            .map_err(|_| SealedError::Damaged)?;
        let payload = Payload {
            msg: &ciphertext,
            aad: &context.authenticated(),
        };
        cipher(key)
            .decrypt(&Nonce::from(nonce), payload)
            .map(Redacted::new)
            .map_err(|_| SealedError::WrongKeyOrPlace)
    }
}

fn cipher(key: &Redacted<[u8; 32]>) -> Aes256Gcm {
    Aes256Gcm::new(&Key::<Aes256Gcm>::from(*key.reveal()))
}

#[cfg(test)]
mod wycheproof;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn context() -> SealContext {
        let at = Timestamp::from_millis(1);
        SealContext {
            workspace: WorkspaceId::new(at, 1),
            project: ProjectId::new(at, 2),
            purpose: Purpose::Read,
            secret: SecretId::new(at, 3),
            version: 1,
        }
    }

    fn key(byte: u8) -> Redacted<[u8; 32]> {
        Redacted::new([byte; 32])
    }

    fn sealed() -> Sealed {
        Sealed::seal(&context(), &key(1), [9; 12], b"rk_live_secret").unwrap()
    }

    #[test]
    fn a_sealed_value_opens_where_it_belongs() {
        let opened = sealed().open(&context(), &key(1)).unwrap();
        assert_eq!(opened.reveal(), b"rk_live_secret");
        assert!(
            !serde_json::to_string(&sealed())
                .unwrap()
                .contains("rk_live")
        );
    }

    #[test]
    fn it_opens_nowhere_else() {
        let at = Timestamp::from_millis(1);
        let here = context();
        let elsewhere = [
            SealContext {
                workspace: WorkspaceId::new(at, 9),
                ..here.clone()
            },
            SealContext {
                project: ProjectId::new(at, 9),
                ..here.clone()
            },
            SealContext {
                purpose: Purpose::Repair,
                ..here.clone()
            },
            SealContext {
                secret: SecretId::new(at, 9),
                ..here.clone()
            },
            SealContext { version: 2, ..here },
        ];
        for place in elsewhere {
            assert_eq!(
                sealed().open(&place, &key(1)).unwrap_err(),
                SealedError::WrongKeyOrPlace
            );
        }
        assert_eq!(
            sealed().open(&context(), &key(2)).unwrap_err(),
            SealedError::WrongKeyOrPlace
        );
    }

    #[test]
    fn damage_and_unknown_formats_are_told_apart() {
        let open = |value: &Sealed| value.open(&context(), &key(1)).unwrap_err();
        assert_eq!(
            open(&Sealed { v: 2, ..sealed() }),
            SealedError::UnknownFormat
        );
        assert_eq!(
            open(&Sealed {
                alg: "none".into(),
                ..sealed()
            }),
            SealedError::UnknownFormat
        );
        assert_eq!(
            open(&Sealed {
                nonce: "AAAA".into(),
                ..sealed()
            }),
            SealedError::Damaged
        );
        let flipped = STANDARD.encode([0_u8; 30]);
        assert_eq!(
            open(&Sealed {
                ciphertext: flipped,
                ..sealed()
            }),
            SealedError::WrongKeyOrPlace
        );
    }

    #[test]
    fn it_opens_at_no_shorter_length() {
        let whole = sealed();
        let bytes = STANDARD.decode(&whole.ciphertext).unwrap();
        for length in 0..bytes.len() {
            let cut = Sealed {
                ciphertext: STANDARD.encode(&bytes[..length]),
                ..whole.clone()
            };
            let refused = cut.open(&context(), &key(1)).unwrap_err();
            assert_eq!(refused, SealedError::WrongKeyOrPlace);
        }
        let nonce = STANDARD.decode(&whole.nonce).unwrap();
        for length in 0..nonce.len() {
            let cut = Sealed {
                nonce: STANDARD.encode(&nonce[..length]),
                ..whole.clone()
            };
            assert_eq!(
                cut.open(&context(), &key(1)).unwrap_err(),
                SealedError::Damaged
            );
        }
    }
}
