//! The seal key: ECDSA P-256 with SHA-256 over the raw body, at most 4,096 bytes.

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use counterfoil_core::evidence::seal::SealKey;
use counterfoil_core::ports::{PortError, SealSigner};
use tokio::sync::OnceCell;

use crate::error;

/// Signs with one KMS key, whose public half is read once.
#[derive(Debug)]
pub struct KmsSigner {
    client: Client,
    key_id: String,
    key: OnceCell<SealKey>,
}

impl KmsSigner {
    /// Signs with `key_id`.
    pub const fn new(client: Client, key_id: String) -> Self {
        Self {
            client,
            key_id,
            key: OnceCell::const_new(),
        }
    }
}

#[async_trait]
impl SealSigner for KmsSigner {
    async fn key(&self) -> Result<SealKey, PortError> {
        let read = async || {
            let found = self
                .client
                .get_public_key()
                .key_id(&self.key_id)
                .send()
                .await;
            let found = found.map_err(|e| error::read("reading the seal key", e))?;
            let spki = found
                .public_key
                .ok_or_else(|| error::corrupt("reading the seal key"))?;
            SealKey::from_der(spki.as_ref()).map_err(|_| error::corrupt("reading the seal key"))
        };
        self.key.get_or_try_init(read).await.cloned()
    }

    async fn sign(&self, body: &[u8]) -> Result<Vec<u8>, PortError> {
        let signed = self
            .client
            .sign()
            .key_id(&self.key_id)
            .message(Blob::new(body))
            .message_type(MessageType::Raw)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .send()
            .await
            .map_err(|e| error::read("signing a seal", e))?;
        let signature = signed
            .signature
            .ok_or_else(|| error::corrupt("signing a seal"))?;
        let signature = signature.into_inner();
        // A signature that our own key does not accept must not reach anybody.
        if self.key().await?.verifies(body, &signature) {
            Ok(signature)
        } else {
            Err(error::corrupt("signing a seal"))
        }
    }
}
