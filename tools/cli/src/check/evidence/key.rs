//! The sealing key of a laptop.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use counterfoil_core::evidence::seal::SealKey;
use counterfoil_core::redacted::Redacted;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use sha2::{Digest as _, Sha256};

use super::beside;

/// A P-256 key in two files.
pub(super) struct LocalKey {
    signing: SigningKey,
    public: SealKey,
    pseudonyms: Redacted<[u8; 32]>,
    public_path: PathBuf,
}

impl std::fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LocalKey").field(&self.public).finish()
    }
}

impl LocalKey {
    /// Reads the key beside the folder, or makes one if there is neither a key nor a folder.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let (private, public) = (beside(folder, "private.pem"), beside(folder, "key.pem"));
        let signing = if private.exists() {
            let pem = Redacted::new(std::fs::read_to_string(&private)?);
            SigningKey::from_pkcs8_pem(pem.reveal())
                .map_err(|_| anyhow!("{} is not a P-256 private key", private.display()))?
        } else if folder.exists() {
            return Err(anyhow!(
                "the folder is there, its key {} is not: name a new folder",
                private.display()
            ));
        } else {
            let signing = generate()?;
            let pem = signing
                .to_pkcs8_pem(LineEnding::LF)
                .map_err(|_| anyhow!("no key"))?;
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&private)?;
            file.write_all(pem.as_bytes())?;
            signing
        };
        let pem = signing
            .verifying_key()
            .to_public_key_pem(LineEnding::LF)
            .context("the public key has no PEM form")?;
        std::fs::write(&public, &pem)?;
        Ok(Self {
            public: SealKey::from_pem(&pem)?,
            pseudonyms: Redacted::new(derive(&signing)),
            public_path: public,
            signing,
        })
    }

    pub(super) const fn public(&self) -> &SealKey {
        &self.public
    }

    pub(super) fn public_path(&self) -> PathBuf {
        self.public_path.clone()
    }

    /// ECDSA with SHA-256, DER.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.signing.sign(message);
        signature.to_der().as_bytes().to_vec()
    }

    /// The key of the pseudonyms in findings: one secret to keep is enough.
    pub(super) const fn pseudonym_key(&self) -> [u8; 32] {
        *self.pseudonyms.reveal()
    }
}

fn derive(signing: &SigningKey) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"counterfoil/v1/local-pseudonyms\n");
    hash.update(signing.to_bytes());
    hash.finalize().into()
}

/// A random scalar; nearly every 32 bytes are one.
fn generate() -> Result<SigningKey> {
    for _ in 0..8 {
        if let Ok(key) = SigningKey::from_slice(&random()?) {
            return Ok(key);
        }
    }
    Err(anyhow!("the system's random source does not work"))
}

/// 32 random bytes.
pub(super) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| anyhow!("the system has no random source"))?;
    Ok(bytes)
}

/// 128 random bits, for ids.
pub(super) fn random_bits() -> Result<u128> {
    Ok(random()?
        .iter()
        .take(16)
        .fold(0, |bits, byte| (bits << 8) | u128::from(*byte)))
}
