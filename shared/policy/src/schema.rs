//! The schema of questions: who can ask about doing what, and which facts a rule may read.
//!
//! It belongs to the product; bundles name its digest.

use std::sync::OnceLock;

use cedar_policy::Schema;
use counterfoil_evidence::hash::digest_string;

/// The schema's text.
pub const SCHEMA: &str = include_str!("../rules/schema.cedarschema");

/// `sha256:` over [`SCHEMA`].
pub fn schema_digest() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| digest_string(SCHEMA.as_bytes()))
}

/// The schema, parsed once per process. `None` only if the text built into this binary is broken;
/// then every question is denied.
pub(crate) fn schema() -> Option<&'static Schema> {
    static PARSED: OnceLock<Option<Schema>> = OnceLock::new();
    let parse = || {
        Schema::from_cedarschema_str(SCHEMA)
            .ok()
            .map(|(schema, _)| schema)
    };
    PARSED.get_or_init(parse).as_ref()
}
