//! Handing a stream over from the retiring key to the sealer's key (evidence-format section 17).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use thiserror::Error;

use super::keys::{InForce, Keys};
use super::recompute::Base;
use super::{SealError, SealStream};
use crate::ports::{AppendError, Batch, EvidenceAppend, PortError, State, StateWrite};
use crate::records::{Directory, RecordError, workspace_row};
use crate::tenancy::Principal;
use crate::usecases::facts::actor;

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// The handover seal is committed.
    HandedOver,
    /// The sealer's key was in force already.
    Already,
    /// The stream is closed, or has no entry: it needs no key any more.
    NotNeeded,
}

/// Why a stream was not handed over; trying again is safe.
#[derive(Debug, Error)]
pub enum RotateError {
    /// The sealer has one key only.
    #[error(
        "no key is being retired: set RetiringSealKeyArn first (docs/runbooks/key-rotation.md)"
    )]
    NothingToRetire,
    /// The stream is in no directory.
    #[error("no workspace owns the stream")]
    NoOwner,
    /// The stream could not be sealed before or after the rotation.
    #[error("the stream could not be sealed")]
    Seal(#[from] SealError),
    /// The directory did not answer.
    #[error("the owner of the stream could not be looked up")]
    Directory(#[from] RecordError),
    /// A port did not answer.
    #[error("a store did not answer")]
    Port(#[from] PortError),
    /// The rotation could not be appended.
    #[error("the rotation could not be recorded")]
    Evidence(#[from] AppendError),
}

/// Appends `key.rotate` and makes the handover seal.
#[derive(Clone)]
pub struct RotateKey {
    /// The sealer, with both keys.
    pub sealer: SealStream,
    /// Evidence.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Directory, and one row per rotation.
    pub state: Arc<dyn State>,
}

impl std::fmt::Debug for RotateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RotateKey")
    }
}

impl RotateKey {
    /// Hands one stream over. Doing it again, or twice at once, changes nothing: the row that comes
    /// with the entry lets one rotation to this key happen.
    ///
    /// # Errors
    /// When the handover seal is not known to be committed.
    pub async fn rotate(&self, stream: Hash) -> Result<Rotated, RotateError> {
        let keys = self.sealer.keys().await?;
        let (retire, add) = keys
            .rotation(InForce::Retiring)
            .ok_or(RotateError::NothingToRetire)?;
        // At most one rotation lies between two seals, so what came before is sealed first.
        self.sealer.seal(stream).await?;
        match self.left_to_do(stream, &keys).await? {
            Some(done) => return Ok(done),
            None => self.append(stream, &keys, (retire, add)).await?,
        }
        self.sealer.seal(stream).await?;
        match self.left_to_do(stream, &keys).await? {
            Some(Rotated::Already) => Ok(Rotated::HandedOver),
            Some(other) => Ok(other),
            None => Err(SealError::Busy.into()),
        }
    }

    /// `None` when the retiring key is in force.
    async fn left_to_do(&self, stream: Hash, keys: &Keys) -> Result<Option<Rotated>, RotateError> {
        let start = self.sealer.seals.start(stream).await?;
        let Some(last) = start.last else {
            return Ok(Some(Rotated::NotNeeded));
        };
        let mut base = Base::of(stream, Some(&last), None);
        if self.sealer.closed(stream, &mut base).await? {
            return Ok(Some(Rotated::NotNeeded));
        }
        Ok(
            match self.sealer.in_force(stream, keys, Some(&last)).await? {
                InForce::Current => Some(Rotated::Already),
                InForce::Retiring => None,
            },
        )
    }

    async fn append(
        &self,
        stream: Hash,
        keys: &Keys,
        (retire, add): (Hash, Hash),
    ) -> Result<(), RotateError> {
        let directory = Directory::of(self.state.as_ref());
        let owner = directory.owner_of(stream).await?;
        let owner = owner.ok_or(RotateError::NoOwner)?;
        let key = workspace_row(owner.id, "rotation", format_args!("{stream}#{add}"));
        let row = serde_json::json!({ "retire": retire.to_string() });
        let operator = Principal::System {
            duty: "operator".to_owned(),
        };
        let mut facts = vec![
            ("actor", actor(&operator)),
            ("add", add.into()),
            ("retire", retire.into()),
            ("spki", Json::from(STANDARD.encode(keys.current.spki()))),
        ];
        // Packages with older seals need the old key, and nothing else keeps it.
        if let Some(retiring) = &keys.retiring {
            facts.push(("retired_spki", STANDARD.encode(retiring.spki()).into()));
        }
        let facts = object(facts);
        let batch = Batch::of([Draft::new(Kind::KeyRotate, facts)])
            .with(StateWrite::create(key, row).explained_by(0));
        match self.evidence.append(stream, batch).await {
            // Another call of this kind has appended it.
            Ok(_) | Err(AppendError::StateChanged { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
