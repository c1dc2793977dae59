//! Data keys, bound to their encryption context.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use counterfoil_core::ports::{DataKey, KeyWrapper, PortError};
use counterfoil_core::redacted::Redacted;

use crate::error;

/// Data keys under one KMS key.
#[derive(Debug, Clone)]
pub struct KmsWrapper {
    client: Client,
    key_id: String,
}

impl KmsWrapper {
    /// Data keys wrapped by `key_id`.
    pub const fn new(client: Client, key_id: String) -> Self {
        Self { client, key_id }
    }
}

#[async_trait]
impl KeyWrapper for KmsWrapper {
    async fn generate(&self, context: &BTreeMap<String, String>) -> Result<DataKey, PortError> {
        let made = self
            .client
            .generate_data_key()
            .key_id(&self.key_id)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(context.clone().into_iter().collect()))
            .send()
            .await
            .map_err(|e| error::read("making a data key", e))?;
        let corrupt = || error::corrupt("making a data key");
        Ok(DataKey {
            plain: plain(made.plaintext).ok_or_else(corrupt)?,
            wrapped: made.ciphertext_blob.ok_or_else(corrupt)?.into_inner(),
        })
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &BTreeMap<String, String>,
    ) -> Result<Redacted<[u8; 32]>, PortError> {
        let opened = self
            .client
            .decrypt()
            .key_id(&self.key_id)
            .ciphertext_blob(Blob::new(wrapped))
            .set_encryption_context(Some(context.clone().into_iter().collect()))
            .send()
            .await
            .map_err(|e| error::read("opening a data key", e))?;
        plain(opened.plaintext).ok_or_else(|| error::corrupt("opening a data key"))
    }

    async fn wrap(
        &self,
        plain: &Redacted<[u8; 32]>,
        context: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, PortError> {
        let doing = "wrapping a data key";
        let wrapped = self
            .client
            .encrypt()
            .key_id(&self.key_id)
            .plaintext(Blob::new(plain.reveal().as_slice()))
            .set_encryption_context(Some(context.clone().into_iter().collect()))
            .send()
            .await
            .map_err(|e| error::read(doing, e))?;
        let blob = wrapped.ciphertext_blob;
        Ok(blob.ok_or_else(|| error::corrupt(doing))?.into_inner())
    }
}

fn plain(blob: Option<Blob>) -> Option<Redacted<[u8; 32]>> {
    blob?.into_inner().try_into().ok().map(Redacted::new)
}
