//! Wrapped data keys: the one table without backups. Deleting a row shreds what it seals.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use counterfoil_core::ports::{PortError, WrappedKeys};

use super::items::{b, bytes, item, s};
use crate::error;

/// The table of wrapped keys.
#[derive(Debug, Clone)]
pub struct DynamoDataKeys {
    client: Client,
    table: String,
}

impl DynamoDataKeys {
    /// Wrapped keys in this table.
    pub const fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }
}

#[async_trait]
impl WrappedKeys for DynamoDataKeys {
    async fn put(&self, owner: &str, name: &str, wrapped: &[u8]) -> Result<bool, PortError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item([
                ("pk", s(owner)),
                ("sk", s(name)),
                ("k", b(wrapped)),
            ])))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match put {
            Ok(_) => Ok(true),
            // The SDK repeats a put whose answer was lost, and the repetition fails its own
            // condition: only what is stored tells.
            Err(failed) => match self.get(owner, name).await? {
                Some(stored) => Ok(stored == wrapped),
                None => Err(error::write("storing a data key", failed)),
            },
        }
    }

    async fn get(&self, owner: &str, name: &str) -> Result<Option<Vec<u8>>, PortError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item([("pk", s(owner)), ("sk", s(name))])))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| error::read("reading a data key", e))?;
        Ok(found
            .item
            .as_ref()
            .and_then(|row| bytes(row, "k"))
            .map(<[u8]>::to_vec))
    }

    async fn shred(&self, owner: &str, name: &str) -> Result<(), PortError> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(item([("pk", s(owner)), ("sk", s(name))])))
            .send()
            .await
            .map_err(|e| error::write("destroying a data key", e))?;
        Ok(())
    }
}
