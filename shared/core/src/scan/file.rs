//! What a scan keeps of what it has read and found: files of bounded size.

use serde::{Deserialize, Serialize};

use super::ScanList;
use crate::ids::{ProjectId, RunId, SecretId};
use crate::run::Snapshot;

/// What is in a file of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// Objects of one of Stripe's lists.
    List(ScanList),
    /// Customers that have changed since an earlier scan.
    Changed,
    /// Rows of the app.
    Rows,
    /// What the comparison of both sides found.
    First,
    /// A second look at some of it.
    Again,
}

/// A file of a scan, sealed in the data bucket under a data key of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanFile {
    /// What is in it.
    pub kind: FileKind,
    /// The last part of its name, new in its run.
    pub label: String,
    /// The secret whose data key opens it.
    pub secret: SecretId,
    /// SHA-256 of the file inside, `sha256:…`.
    pub digest: String,
    /// Size of the file inside.
    pub bytes: u64,
    /// Objects, rows or findings in it.
    pub count: u64,
}

impl ScanFile {
    /// What evidence calls the file with this label.
    pub fn name(run: RunId, label: &str) -> String {
        format!("snapshots/{run}/{label}.jsonl.gz")
    }

    /// The file as a snapshot of its run.
    pub fn snapshot(&self, project: ProjectId, run: RunId) -> Snapshot {
        let secret = self.secret;
        Snapshot {
            key: Snapshot::key_of(project, run, secret),
            secret,
            name: Self::name(run, &self.label),
            digest: self.digest.clone(),
            bytes: self.bytes,
        }
    }
}
