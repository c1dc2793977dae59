//! Wrapped data keys: the one table without backups. Deleting a row shreds what it seals.

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use counterfoil_core::ports::{PortError, WrappedKey, WrappedKeys};

use super::items::{Item, b, bytes, item, s, text};
use super::once;
use crate::backoff::Backoff;
use crate::error::{self, Class};
use crate::resend::{ATTEMPTS, resend};

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

impl DynamoDataKeys {
    async fn put_if_absent(
        &self,
        owner: &str,
        name: &str,
        wrapped: &[u8],
    ) -> Result<PutItemOutput, SdkError<PutItemError, HttpResponse>> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item([
                ("pk", s(owner)),
                ("sk", s(name)),
                ("k", b(wrapped)),
            ])))
            .condition_expression("attribute_not_exists(pk)")
            .customize()
            .config_override(once())
            .send()
            .await
    }

    async fn put_if_same(
        &self,
        owner: &str,
        name: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<PutItemOutput, SdkError<PutItemError, HttpResponse>> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item([
                ("pk", s(owner)),
                ("sk", s(name)),
                ("k", b(new)),
            ])))
            .condition_expression("k = :old")
            .expression_attribute_values(":old", b(old))
            .customize()
            .config_override(once())
            .send()
            .await
    }
}

#[async_trait]
impl WrappedKeys for DynamoDataKeys {
    async fn put(&self, owner: &str, name: &str, wrapped: &[u8]) -> Result<bool, PortError> {
        let doing = "storing a data key";
        let mut backoff = Backoff::default();
        let mut doubt = false;
        let mut left = ATTEMPTS;
        loop {
            let Err(failed) = self.put_if_absent(owner, name, wrapped).await else {
                return Ok(true);
            };
            let class = error::classify(&failed);
            doubt |= class == Class::Unknown;
            // A repetition fails the condition of the attempt whose answer was lost: only what is
            // stored tells.
            match self.get(owner, name).await {
                Ok(Some(stored)) => return Ok(stored == wrapped),
                Ok(None) => {}
                Err(unread) if doubt => return Err(error::unsettled(doing, unread)),
                Err(unread) => return Err(unread),
            }
            left = left.saturating_sub(1);
            if class == Class::Refused || left == 0 {
                return Err(error::write(doing, failed, doubt));
            }
            backoff.wait().await;
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

    async fn replace(
        &self,
        owner: &str,
        name: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<bool, PortError> {
        let doing = "replacing a wrapped data key";
        let mut backoff = Backoff::default();
        let mut doubt = false;
        let mut left = ATTEMPTS;
        loop {
            let Err(failed) = self.put_if_same(owner, name, old, new).await else {
                return Ok(true);
            };
            let class = error::classify(&failed);
            doubt |= class == Class::Unknown;
            // Only what is stored tells whose condition failed.
            match self.get(owner, name).await {
                Ok(Some(stored)) if stored == new => return Ok(true),
                Ok(Some(stored)) if stored == old => {}
                Ok(_) => return Ok(false),
                Err(unread) if doubt => return Err(error::unsettled(doing, unread)),
                Err(unread) => return Err(unread),
            }
            left = left.saturating_sub(1);
            if class == Class::Refused || left == 0 {
                return Err(error::write(doing, failed, doubt));
            }
            backoff.wait().await;
        }
    }

    async fn list(&self, owner: &str, after: &str) -> Result<Vec<WrappedKey>, PortError> {
        let doing = "listing data keys";
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .expression_attribute_values(":pk", s(owner))
            .consistent_read(true);
        // An empty text is no value of a key.
        let query = if after.is_empty() {
            query.key_condition_expression("pk = :pk")
        } else {
            query
                .key_condition_expression("pk = :pk AND sk > :after")
                .expression_attribute_values(":after", s(after))
        };
        // Without a filter, a page that is empty is the last one.
        let page = query.send().await.map_err(|e| error::read(doing, e))?;
        let key = |row: &Item| {
            let name = text(row, "sk")?.to_owned();
            let wrapped = bytes(row, "k")?.to_vec();
            Some(WrappedKey { name, wrapped })
        };
        let keys = page.items().iter().map(key).collect::<Option<Vec<_>>>();
        keys.ok_or_else(|| error::corrupt(doing))
    }

    async fn shred(&self, owner: &str, name: &str) -> Result<(), PortError> {
        let send = || {
            self.client
                .delete_item()
                .table_name(&self.table)
                .set_key(Some(item([("pk", s(owner)), ("sk", s(name))])))
                .customize()
                .config_override(once())
                .send()
        };
        resend("destroying a data key", send).await?;
        Ok(())
    }
}
