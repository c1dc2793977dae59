//! An alarm for rules that do not load: somebody changed them past the product or took them away, or they
//! are written for another version of the engine.

use std::sync::Arc;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::policy::RULES_DO_NOT_LOAD;
use counterfoil_core::ports::{AppendError, Batch, EntryRef, EvidenceAppend};

/// Rings for each decision that is denied because of it, before that is recorded.
pub struct Alarming {
    evidence: Arc<dyn EvidenceAppend>,
}

impl std::fmt::Debug for Alarming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alarming")
    }
}

impl Alarming {
    /// Rings in front of `evidence`.
    pub fn new(evidence: Arc<dyn EvidenceAppend>) -> Self {
        Self { evidence }
    }
}

#[async_trait]
impl EvidenceAppend for Alarming {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        for rule in batch.drafts.iter().filter_map(unloaded) {
            tracing::error!(
                alarm = "policy.not_loaded",
                %stream,
                rule,
                "the rules of a workspace do not load: everything is denied"
            );
        }
        self.evidence.append(stream, batch).await
    }
}

/// What is wrong with the rules of a decision that could not be made by them.
fn unloaded(draft: &Draft) -> Option<&'static str> {
    (draft.kind == Kind::RunDecision).then_some(())?;
    let rule = draft.facts.get("rule")?.as_str()?;
    RULES_DO_NOT_LOAD.into_iter().find(|name| *name == rule)
}

#[cfg(test)]
mod tests {
    use counterfoil_core::evidence::json::{Json, object};

    use super::*;

    #[test]
    fn only_rules_that_do_not_load_ring() {
        let decided =
            |kind, rule: &str| unloaded(&Draft::new(kind, object([("rule", Json::from(rule))])));
        for rule in ["bundle-unverified", "bundle-missing", "engine-range"] {
            assert_eq!(decided(Kind::RunDecision, rule), Some(rule));
        }
        // Whoever revokes rings themselves, and once.
        for rule in ["bundle-revoked", "default-deny", "ws.forbid.bundle-missing"] {
            assert_eq!(decided(Kind::RunDecision, rule), None);
        }
        assert_eq!(
            decided(Kind::ObservationRecorded, "bundle-unverified"),
            None
        );
    }
}
