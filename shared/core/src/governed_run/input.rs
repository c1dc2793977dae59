//! What a caller may say: names, digests and references, each with its bound.

use thiserror::Error;

use super::{Reference, RunState};
use crate::money::is_known_currency;
use crate::repair::RunWork;

/// Characters of a reference at most (evidence-format section 6).
pub const MAX_REF: usize = 512;

/// Characters of a target at most.
const MAX_TARGET: usize = 128;

/// Characters of a name of a flow or of a kind of action at most.
const MAX_NAME: usize = 64;

/// Open actions that a run names at most.
pub const MAX_ACTIONS_LISTED: usize = 20;

/// The largest amount that rules can compare.
const MAX_MINOR: i64 = (1 << 53) - 1;

/// A rule that the input breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field} {rule}")]
pub struct InvalidRun {
    /// JSON pointer to the field.
    pub field: String,
    /// The rule and the fix.
    pub rule: &'static str,
}

impl InvalidRun {
    pub(crate) fn new(field: impl Into<String>, rule: &'static str) -> Self {
        Self {
            field: field.into(),
            rule,
        }
    }
}

/// Whether a name of a flow or of a kind of action keeps its rules: 1 to 64 of `a-z 0-9 . _ -`,
/// beginning with a letter or digit. Such a name is in facts of the evidence, which are for ever.
pub fn check_kind(field: &str, name: &str) -> Result<(), InvalidRun> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = name.starts_with(plain)
        && name.len() <= MAX_NAME
        && name
            .chars()
            .all(|c| plain(c) || matches!(c, '.' | '_' | '-'));
    if fits {
        return Ok(());
    }
    let rule = "must be 1 to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit, for example `refund.create`";
    Err(InvalidRun::new(field, rule))
}

/// Whether a text is a digest as evidence writes it.
pub fn digest(field: &str, text: &str) -> Result<(), InvalidRun> {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let hex = text.strip_prefix("sha256:").map(str::as_bytes);
    if hex.is_some_and(|hex| hex.len() == 64 && hex.iter().all(is_hex)) {
        return Ok(());
    }
    let rule = "must be `sha256:` and 64 lower-case hexadecimal digits";
    Err(InvalidRun::new(field, rule))
}

/// Whether an action of a run keeps its rules. `field` is the pointer to its parameters.
pub fn check_work(field: &str, work: &RunWork) -> Result<(), InvalidRun> {
    check_kind(&format!("{field}/kind"), &work.kind)?;
    if let Some(amount) = &work.amount {
        if !(0..=MAX_MINOR).contains(&amount.minor) {
            let rule = "must be a whole number of minor units from 0 to 2^53 - 1";
            return Err(InvalidRun::new(format!("{field}/amount/minor"), rule));
        }
        if !is_known_currency(&amount.currency) {
            let rule = "must be a lower-case ISO 4217 code, for example `usd`";
            return Err(InvalidRun::new(format!("{field}/amount/currency"), rule));
        }
    }
    if let Some(target) = &work.target {
        let rule = "must be 1 to 128 visible ASCII characters that are no personal data, for example an id of your own";
        return visible(&format!("{field}/target"), target, MAX_TARGET, rule);
    }
    Ok(())
}

impl Reference {
    /// Whether it keeps its rules. `field` is the pointer to it.
    pub fn check(&self, field: &str) -> Result<(), InvalidRun> {
        let rule = "must be 1 to 512 visible ASCII characters that are no personal data";
        visible(&format!("{field}/ref"), &self.name, MAX_REF, rule)?;
        digest(&format!("{field}/sha256"), &self.digest)?;
        if let Some(media_type) = &self.media_type {
            let rule = "must be 1 to 64 visible ASCII characters, for example `application/json`";
            visible(&format!("{field}/media_type"), media_type, MAX_NAME, rule)?;
        }
        if self.bytes > MAX_MINOR.unsigned_abs() {
            let rule = "must be at most 2^53 - 1";
            return Err(InvalidRun::new(format!("{field}/bytes"), rule));
        }
        Ok(())
    }
}

/// Visible ASCII without spaces: an opaque reference, not a sentence.
pub(crate) fn visible(
    field: &str,
    text: &str,
    most: usize,
    rule: &'static str,
) -> Result<(), InvalidRun> {
    let fits = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(())
    } else {
        Err(InvalidRun::new(field, rule))
    }
}

impl std::fmt::Display for RunState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
