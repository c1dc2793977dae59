//! Exports: what an outsider receives (evidence-format section 12).
//!
//! A request is judged and recorded, and its record waits for a worker ([`Exports::create`]). The
//! worker asks for a seal, collects, verifies as an auditor would, stores, and records that the
//! export was issued ([`Exports::work`]); whoever may export fetches it through links of five minutes
//! ([`Exports::download`]).
//!
//! Every attempt of a worker writes under names of its own, and the record says which attempt counts:
//! a message that comes twice, or a worker that dies, costs time and leaves one export.

mod activations;
mod build;
mod collect;
mod delivery;
mod error;
mod failure;
mod index;
mod inputs;
mod judge;
mod ledger;
mod lines;
mod proofs;
mod read;
mod request;
mod run;
mod seals;
mod span;
mod tar;
mod verify;
mod work;

use std::sync::Arc;
use std::time::Duration;

pub use error::ExportError;
pub use read::Fetched;
pub use request::Accepted;
pub use work::{WorkError, Worked};

use super::vault::Vault;
use crate::ports::{
    Clock, EvidenceAppend, EvidenceRead, ExportRequests, Objects, Random, Reports, Scratch,
    SealRequests, SealSigner, SealStore, State,
};

/// How long a link to a package is valid.
pub const LINK_VALID: Duration = Duration::from_mins(5);

/// Makes and hands out packages.
#[derive(Clone)]
pub struct Exports {
    /// Evidence to write.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Evidence to read.
    pub reader: Arc<dyn EvidenceRead>,
    /// Seals.
    pub seals: Arc<dyn SealStore>,
    /// Public key of the seals.
    pub signer: Arc<dyn SealSigner>,
    /// Public key of the seals of streams that are not handed over to the new key yet.
    pub retiring: Option<Arc<dyn SealSigner>>,
    /// Asks for a seal.
    pub sealer: Arc<dyn SealRequests>,
    /// State.
    pub state: Arc<dyn State>,
    /// Opens snapshots, the inputs of a replay.
    pub vault: Vault,
    /// Packages.
    pub objects: Arc<dyn Objects>,
    /// Working space.
    pub scratch: Arc<dyn Scratch>,
    /// Reports.
    pub reports: Arc<dyn Reports>,
    /// Asks for a worker.
    pub queue: Arc<dyn ExportRequests>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
    /// What the origin line of seals starts with.
    pub origin_prefix: String,
}

impl std::fmt::Debug for Exports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exports")
    }
}
