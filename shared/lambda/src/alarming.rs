//! Alarms about rules: those that do not load, because somebody changed them past the product or took them
//! away, or they are written for another version of the engine; and those that somebody brings who may not.

use std::sync::Arc;

use async_trait::async_trait;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::evidence::stream::Draft;
use counterfoil_core::ids::WorkspaceId;
use counterfoil_core::policy::RULES_DO_NOT_LOAD;
use counterfoil_core::ports::{AppendError, Batch, EntryRef, EvidenceAppend};
use counterfoil_core::tenancy::Principal;

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

/// Rings for a bundle that was refused because nobody who may sign has signed it to come next.
pub fn upload_refused(workspace: WorkspaceId, by: &Principal) {
    tracing::error!(
        alarm = "policy.upload_refused",
        workspace.id = %workspace,
        by = by.id(),
        "a policy bundle was refused that no key of its workspace has signed to come next: nothing changed"
    );
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
    use counterfoil_core::ids::UserId;
    use counterfoil_core::tenancy::{Role, Via};
    use counterfoil_core::time::Timestamp;

    use super::*;
    use crate::telemetry::tests::logged;

    /// The line that rings (template.yaml: of api every error does), and nobody's name in it.
    #[test]
    fn a_bundle_that_was_refused_is_one_line_with_an_alarm() {
        let at = Timestamp::from_millis(1_795_776_000_000);
        let (workspace, person) = (WorkspaceId::new(at, 1), UserId::new(at, 2));
        let owner = Principal::User {
            id: person,
            role: Role::Owner,
            via: Via::Login {
                at,
                second_factor: true,
            },
        };
        let lines = logged(|| upload_refused(workspace, &owner));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["level"], "ERROR");
        assert_eq!(lines[0]["alarm"], "policy.upload_refused");
        assert_eq!(lines[0]["workspace.id"], workspace.to_string());
        assert_eq!(lines[0]["by"], person.to_string());
    }

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
