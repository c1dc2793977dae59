//! Keys: data keys that are bound to their context, and a P-256 seal key.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Mutex;

use async_trait::async_trait;
use counterfoil_core::evidence::seal::SealKey;
use counterfoil_core::ports::{
    DataKey, KeyWrapper, PortError, PortErrorKind, Random, SealSigner, WrappedKey, WrappedKeys,
};
use counterfoil_core::redacted::Redacted;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePublicKey;

use super::signals::SeededRandom;

type Context = BTreeMap<String, String>;

/// Keys in one answer of a list.
const PAGE: usize = 3;

/// A key service and its table in memory.
#[derive(Debug)]
pub struct MemKeys {
    issued: Mutex<Vec<(Context, [u8; 32])>>,
    wrapped: Mutex<BTreeMap<(String, String), Vec<u8>>>,
    random: SeededRandom,
}

impl Default for MemKeys {
    fn default() -> Self {
        Self {
            issued: Mutex::default(),
            wrapped: Mutex::default(),
            random: SeededRandom::new(11),
        }
    }
}

impl MemKeys {
    fn issue(&self, context: &Context, plain: [u8; 32]) -> Vec<u8> {
        let mut issued = self
            .issued
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let index = u32::try_from(issued.len()).unwrap_or(u32::MAX);
        issued.push((context.clone(), plain));
        index.to_be_bytes().to_vec()
    }
}

#[async_trait]
impl KeyWrapper for MemKeys {
    async fn generate(&self, context: &Context) -> Result<DataKey, PortError> {
        let plain = self.random.bytes32();
        Ok(DataKey {
            plain: Redacted::new(plain),
            wrapped: self.issue(context, plain),
        })
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &Context,
    ) -> Result<Redacted<[u8; 32]>, PortError> {
        let refused = || PortError::new(PortErrorKind::Refused, "unwrapping a data key");
        let index: [u8; 4] = wrapped.try_into().map_err(|_| refused())?;
        let index = usize::try_from(u32::from_be_bytes(index)).map_err(|_| refused())?;
        let issued = self
            .issued
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        match issued.get(index) {
            Some((bound, plain)) if bound == context => Ok(Redacted::new(*plain)),
            _ => Err(refused()),
        }
    }

    async fn wrap(
        &self,
        plain: &Redacted<[u8; 32]>,
        context: &Context,
    ) -> Result<Vec<u8>, PortError> {
        Ok(self.issue(context, *plain.reveal()))
    }
}

#[async_trait]
impl WrappedKeys for MemKeys {
    async fn put(&self, owner: &str, name: &str, wrapped: &[u8]) -> Result<bool, PortError> {
        let mut table = self
            .wrapped
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = (owner.to_owned(), name.to_owned());
        Ok(match table.get(&key) {
            Some(stored) => stored == wrapped,
            None => table.insert(key, wrapped.to_vec()).is_none(),
        })
    }

    async fn get(&self, owner: &str, name: &str) -> Result<Option<Vec<u8>>, PortError> {
        let table = self
            .wrapped
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(table.get(&(owner.to_owned(), name.to_owned())).cloned())
    }

    async fn replace(
        &self,
        owner: &str,
        name: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, PortError> {
        let mut table = self
            .wrapped
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let found = table.get_mut(&(owner.to_owned(), name.to_owned()));
        Ok(match found {
            Some(stored) if stored == old => {
                new.clone_into(stored);
                true
            }
            _ => false,
        })
    }

    async fn list(&self, owner: &str, after: &str) -> Result<Vec<WrappedKey>, PortError> {
        let table = self
            .wrapped
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let from = (
            Bound::Excluded((owner.to_owned(), after.to_owned())),
            Bound::Unbounded,
        );
        let own = table.range(from).take_while(|((of, _), _)| of == owner);
        // Short pages, so that whoever lists goes on until nothing is left.
        let page = own.take(PAGE).map(|((_, name), wrapped)| WrappedKey {
            name: name.clone(),
            wrapped: wrapped.clone(),
        });
        Ok(page.collect())
    }

    async fn shred(&self, owner: &str, name: &str) -> Result<(), PortError> {
        let mut table = self
            .wrapped
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        table.remove(&(owner.to_owned(), name.to_owned()));
        Ok(())
    }
}

/// A seal key in memory.
pub struct MemSigner {
    key: SigningKey,
}

impl std::fmt::Debug for MemSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MemSigner")
    }
}

impl MemSigner {
    /// A key made from a seed.
    ///
    /// # Panics
    /// Never for the seeds that tests use: almost every 32 bytes are a key.
    #[expect(clippy::expect_used, reason = "a test kit may end the test")]
    pub fn from_seed(seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).expect("almost every 32 bytes are a key");
        Self { key }
    }
}

#[async_trait]
impl SealSigner for MemSigner {
    async fn key(&self) -> Result<SealKey, PortError> {
        let corrupt = || PortError::new(PortErrorKind::Corrupt, "encoding the seal key");
        let der = self
            .key
            .verifying_key()
            .to_public_key_der()
            .map_err(|_| corrupt())?;
        SealKey::from_der(der.as_bytes()).map_err(|_| corrupt())
    }

    async fn sign(&self, body: &[u8]) -> Result<Vec<u8>, PortError> {
        let signature: DerSignature = self.key.sign(body);
        Ok(signature.as_bytes().to_vec())
    }
}
