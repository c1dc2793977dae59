//! Time, randomness, and messages to other functions.

use std::time::Duration;

use async_trait::async_trait;
use counterfoil_evidence::hash::Hash;
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::ids::{ExportId, IncidentId, ProjectId, RunId, WorkspaceId};
use crate::time::Timestamp;

/// The current time.
pub trait Clock: Send + Sync {
    /// Now, UTC.
    fn now(&self) -> Timestamp;
}

/// Cryptographic randomness. A system that has none cannot run this product, so there is no error:
/// the adapter ends the process.
pub trait Random: Send + Sync {
    /// 32 random bytes.
    fn bytes32(&self) -> [u8; 32];

    /// 128 random bits, for ids.
    fn bits128(&self) -> u128 {
        let bytes = self.bytes32();
        bytes
            .iter()
            .take(16)
            .fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
    }
}

/// "Look at this customer", "take the second look of this run", or "ask for the key".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case", deny_unknown_fields)]
pub enum CheckRequest {
    /// Check one customer.
    Customer {
        /// Tenant.
        workspace: WorkspaceId,
        /// Project.
        project: ProjectId,
        /// Stripe customer id.
        customer: String,
        /// Why: `webhook`, `missed-webhook`, `second-look`, `repair`.
        reason: String,
        /// The event that caused it.
        event: Option<String>,
        /// When it was asked for: a check that began later answers it too. Without it the check is
        /// made in any case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        asked_at: Option<Timestamp>,
    },
    /// Check the customer of a subscription, once Stripe has said who that is.
    Subscription {
        /// Tenant.
        workspace: WorkspaceId,
        /// Project.
        project: ProjectId,
        /// Stripe subscription id.
        subscription: String,
        /// The event that named it.
        event: Option<String>,
        /// When it was asked for.
        asked_at: Timestamp,
    },
    /// Check one customer because somebody asked for it, in a run whose id they were given.
    Asked {
        /// Tenant.
        workspace: WorkspaceId,
        /// Project.
        project: ProjectId,
        /// Stripe customer id.
        customer: String,
        /// The run: a message that comes twice makes one.
        run: RunId,
    },
    /// The second look of a run whose first look found differences (race grace).
    Confirm {
        /// Tenant.
        workspace: WorkspaceId,
        /// Project.
        project: ProjectId,
        /// The open run.
        run: RunId,
    },
    /// Stripe said that the connection ended: ask whether it still accepts the key.
    Connection {
        /// Tenant.
        workspace: WorkspaceId,
        /// Project.
        project: ProjectId,
    },
}

/// The checks queue. Delivery is at least once and unordered; consumers are idempotent.
#[async_trait]
pub trait Checks: Send + Sync {
    /// Sends a request that becomes visible after `delay` (at most 15 minutes).
    async fn send(&self, request: &CheckRequest, delay: Duration) -> Result<(), PortError>;
}

/// One piece of a scan's work. Ids only: what is to be done is in the scan's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", deny_unknown_fields)]
pub enum ScanRequest {
    /// Open the scan that somebody asked for, under the id that they were given, and read.
    #[serde(rename = "scan_start")]
    Start {
        /// Project.
        project: ProjectId,
        /// The scan: a message that comes twice makes one.
        run: RunId,
    },
    /// Read on in one shard.
    #[serde(rename = "scan_read")]
    Read {
        /// Project.
        project: ProjectId,
        /// The scan.
        run: RunId,
        /// The shard's number.
        shard: u32,
    },
    /// Go on reading what has changed since an earlier scan.
    #[serde(rename = "scan_refresh")]
    Refresh {
        /// Project.
        project: ProjectId,
        /// The scan.
        run: RunId,
    },
    /// Compare: everything of Stripe's side is read.
    #[serde(rename = "scan_join")]
    Join {
        /// Project.
        project: ProjectId,
        /// The scan.
        run: RunId,
    },
    /// Look again at some of what differs.
    #[serde(rename = "scan_confirm")]
    Confirm {
        /// Project.
        project: ProjectId,
        /// The scan.
        run: RunId,
    },
}

impl ScanRequest {
    /// Project and scan.
    pub const fn scan(&self) -> (ProjectId, RunId) {
        match self {
            Self::Start { project, run }
            | Self::Read { project, run, .. }
            | Self::Refresh { project, run }
            | Self::Join { project, run }
            | Self::Confirm { project, run } => (*project, *run),
        }
    }
}

/// The scans queue. Delivery is at least once and unordered; the scan's record says what is left.
#[async_trait]
pub trait ScanRequests: Send + Sync {
    /// Sends a request that becomes visible after `delay` (at most 15 minutes).
    async fn send(&self, request: &ScanRequest, delay: Duration) -> Result<(), PortError>;
}

/// Asks `repair-approve` to propose the repair of an incident on behalf of a scan.
#[async_trait]
pub trait Proposals: Send + Sync {
    /// Proposes; the run's id is the credential, resolved again on the other side.
    async fn propose(
        &self,
        project: ProjectId,
        run: RunId,
        incident: IncidentId,
    ) -> Result<(), PortError>;
}

/// Another function, asked for what an agent asked here. It looks the agent's credential up again.
#[async_trait]
pub trait Delegate: Send + Sync {
    /// Asks and waits for the answer. The request may be sent more than once: it reads, or comes with
    /// the idempotency key under which the other side does it once.
    async fn ask(&self, request: &serde_json::Value) -> Result<serde_json::Value, PortError>;
}

/// "Build this export."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    /// Project whose record it is.
    pub project: ProjectId,
    /// The export.
    pub export: ExportId,
}

/// The exports queue. Delivery is at least once; the export's record says what is left to do.
#[async_trait]
pub trait ExportRequests: Send + Sync {
    /// Sends a request.
    async fn send(&self, request: &ExportRequest) -> Result<(), PortError>;
}

/// Asks `archive` to seal a stream now.
#[async_trait]
pub trait SealRequests: Send + Sync {
    /// Returns when everything appended before the call is sealed.
    async fn seal(&self, stream: Hash) -> Result<(), PortError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_of_a_scan_is_read_as_it_is_sent() {
        let (project, run) = (ProjectId::from_bits(1), RunId::from_bits(2));
        for piece in [
            ScanRequest::Start { project, run },
            ScanRequest::Read {
                project,
                run,
                shard: 7,
            },
            ScanRequest::Join { project, run },
            ScanRequest::Confirm { project, run },
        ] {
            let text = serde_json::to_string(&piece).unwrap();
            assert!(text.starts_with("{\"job\":\"scan_"), "{text}");
            assert_eq!(serde_json::from_str::<ScanRequest>(&text).unwrap(), piece);
            assert!(serde_json::from_str::<CheckRequest>(&text).is_err());
        }
    }
}
