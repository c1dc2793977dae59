//! The closed list of kinds (evidence-format section 6).

use std::fmt;

use crate::code::{Code, Fault};
use crate::facts;
use crate::json::{Json, View};

/// Whether entries of a kind belong to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunRule {
    /// The header has `run`.
    Always,
    /// The header has no `run`.
    Never,
    /// The header may have `run`.
    Either,
}

macro_rules! kinds {
    ($($variant:ident = $name:literal, $run:ident, $meaning:literal;)+) => {
        /// What an entry records.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $meaning] $variant,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in the header.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Whether entries of this kind belong to a run.
            pub const fn run_rule(self) -> RunRule {
                match self {
                    $(Self::$variant => RunRule::$run,)+
                }
            }

            /// The kind with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    Genesis = "genesis", Never, "First entry of every stream.";
    StreamClose = "stream.close", Never, "Last entry of a stream that ends.";
    KeyRotate = "key.rotate", Never, "One sealing key replaces another.";
    Redact = "redact", Never, "A subject was erased or lost.";
    HoldSet = "hold.set", Never, "A legal hold begins.";
    HoldRelease = "hold.release", Never, "A legal hold ends.";
    ExportIssued = "export.issued", Never, "A package was made.";
    PolicyActivated = "policy.activated", Never, "A policy bundle came into force.";
    PolicyRevoked = "policy.revoked", Never, "A policy bundle went out of force.";
    RunOpen = "run.open", Always, "A run begins.";
    RunDecision = "run.decision", Always, "Policy judged an action.";
    RunResolution = "run.resolution", Always, "An act of approval or refusal.";
    RunAction = "run.action", Always, "An action was done, by whoever asked for the decision.";
    RunClose = "run.close", Always, "A run ends, with counts and outputs.";
    RepairStarted = "repair.started", Always, "A repair begins; its effect may follow.";
    RepairExecuted = "repair.executed", Always, "A repair took effect.";
    RepairFailed = "repair.failed", Always, "A repair had no effect.";
    RepairVerified = "repair.verified", Always, "The row was read again after a repair.";
    IncidentOpened = "incident.opened", Either, "An incident was opened.";
    IncidentChanged = "incident.changed", Either, "An incident was changed or reopened.";
    IncidentIgnored = "incident.ignored", Either, "An incident was ignored.";
    IncidentResolved = "incident.resolved", Either, "An incident was resolved.";
    AccessGranted = "access.granted", Never, "A person or key got access.";
    AccessChanged = "access.changed", Never, "The access of a person or key was changed.";
    AccessRevoked = "access.revoked", Never, "A person or key lost access.";
    ConfigChanged = "config.changed", Never, "Configuration was created or changed.";
    SecretChanged = "secret.changed", Never, "A secret was stored or replaced.";
    SnapshotPruned = "snapshot.pruned", Never, "Snapshots past their window were deleted.";
    ProjectDeleted = "project.deleted", Never, "A project was deleted.";
    WorkspaceDeleted = "workspace.deleted", Never, "A workspace was deleted.";
    ObservationRecorded = "observation.recorded", Either, "Something was seen, served or acknowledged.";
}

impl Kind {
    /// Checks the facts of an entry of this kind: required fields, and the types of all known ones.
    ///
    /// # Errors
    /// `E_FACTS`, naming the field.
    pub fn check_facts(self, facts: &Json) -> Result<(), Fault> {
        self.check_facts_in(View::Tree(facts))
    }

    /// As [`Kind::check_facts`], in place.
    pub(crate) fn check_facts_in(self, facts: View<'_>) -> Result<(), Fault> {
        facts::check(self, facts)
            .map_err(|what| Fault::new(Code::Facts, format!("facts of {self}: {what}")))
    }

    /// Whether entries of this kind record the doing of an action (evidence-format section 9).
    pub const fn is_action(self) -> bool {
        matches!(
            self,
            Self::RunAction | Self::RepairStarted | Self::RepairExecuted | Self::RepairFailed
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(*kind));
        }
        assert_eq!(Kind::from_name("run.opened"), None);
    }
}
