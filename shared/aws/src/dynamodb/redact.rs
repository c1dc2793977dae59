//! Erasing parts and the register of legal holds (evidence-format section 18): the only updates of
//! the table of parts, and the item `holds` beside a stream's head.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem, Update};
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::ports::{
    AppendError, Holds, HoldsWrite, PortError, PortErrorKind, Redaction,
};

use super::DynamoEvidence;
use super::items::{item, n, number, s, text};
use super::transaction::unbuilt;
use crate::error;

/// Sort key of the register.
const REGISTER: &str = "holds";

/// Removes a `subject` with its salt and its place in the index; `by` is the `redact` entry.
pub(super) fn redact(
    table: &str,
    stream: Hash,
    redaction: Redaction,
    by: Option<u64>,
) -> Result<TransactWriteItem, AppendError> {
    let Some(by) = by else {
        let doing = "redacting without a redact entry";
        let refused = PortError::new(PortErrorKind::Refused, doing);
        return Err(AppendError::Unavailable(refused));
    };
    let condition = if redaction.lost {
        "attribute_exists(seq) AND attribute_not_exists(#p.d) AND attribute_not_exists(#p.x)"
    } else {
        "attribute_exists(#p.d)"
    };
    let update = Update::builder()
        .table_name(table)
        .set_key(Some(item([
            ("stream", s(stream.to_string())),
            ("seq", n(redaction.seq)),
        ])))
        .update_expression("SET #p = :erased REMOVE subject_key")
        .condition_expression(condition)
        .expression_attribute_names("#p", "subject")
        .expression_attribute_values(":erased", AttributeValue::M(item([("x", n(by))])));
    let update = update.build().map_err(unbuilt)?;
    Ok(TransactWriteItem::builder().update(update).build())
}

/// The register's condition, or its new content.
pub(super) fn register(
    table: &str,
    stream: Hash,
    write: &HoldsWrite,
) -> Result<TransactWriteItem, AppendError> {
    let key = item([("stream", s(stream.to_string())), ("item", s(REGISTER))]);
    let before = match write {
        HoldsWrite::Unchanged(version) => *version,
        HoldsWrite::Replace(holds) => holds.version.saturating_sub(1),
    };
    // Version 0 is a register that was never written.
    let (condition, values) = if before == 0 {
        ("attribute_not_exists(#v)", None)
    } else {
        ("#v = :v", Some(item([(":v", n(before))])))
    };
    match write {
        HoldsWrite::Unchanged(_) => {
            let check = ConditionCheck::builder()
                .table_name(table)
                .set_key(Some(key))
                .condition_expression(condition)
                .expression_attribute_names("#v", "version")
                .set_expression_attribute_values(values);
            let check = check.build().map_err(unbuilt)?;
            Ok(TransactWriteItem::builder().condition_check(check).build())
        }
        HoldsWrite::Replace(holds) => {
            let active = serde_json::to_string(&holds.active).map_err(|source| {
                let doing = "writing the legal holds";
                let refused = PortError::caused(PortErrorKind::Refused, doing, source);
                AppendError::Unavailable(refused)
            })?;
            let mut row = key;
            row.insert("version".to_owned(), n(holds.version));
            row.insert("active".to_owned(), s(active));
            let put = Put::builder()
                .table_name(table)
                .set_item(Some(row))
                .condition_expression(condition)
                .expression_attribute_names("#v", "version")
                .set_expression_attribute_values(values);
            let put = put.build().map_err(unbuilt)?;
            Ok(TransactWriteItem::builder().put(put).build())
        }
    }
}

impl DynamoEvidence {
    /// The register of legal holds, strongly consistent.
    pub(super) async fn read_holds(&self, stream: Hash) -> Result<Holds, PortError> {
        let Some(row) = self.head_item(stream, REGISTER).await? else {
            return Ok(Holds::default());
        };
        let corrupt = || error::corrupt("reading the legal holds");
        let active = text(&row, "active").ok_or_else(corrupt)?;
        Ok(Holds {
            version: number(&row, "version").ok_or_else(corrupt)?,
            active: serde_json::from_str(active).map_err(|_| corrupt())?,
        })
    }
}
