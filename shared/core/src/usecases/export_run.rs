//! A run as a package for an auditor (evidence-format section 12.1).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use counterfoil_evidence::code::Fault;
use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::hash::{Hash, digest_string};
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::package::{PackageError, RunPackage};
use counterfoil_evidence::stream::Draft;
use counterfoil_evidence::tree;
use counterfoil_evidence::verify::{Package, Trust, verify};
use thiserror::Error;

use super::facts::{Closing, Decided, Opening, actor, segment_entry};
use super::reconcile::flow_version;
use crate::ids::{ActionId, DecisionId, ExportId, RunId};
use crate::json::JsonError;
use crate::policy::{Effect, ExportFacts, Judgement, Question, Who, evaluate};
use crate::ports::{
    AppendError, Batch, Clock, EvidenceAppend, EvidenceRead, Objects, PortError, PortErrorKind,
    Random, SealRequests, SealSigner, SealStore, SealedState, State, StoredEntry, StoredPart,
};
use crate::records::{Directory, Export, Project, RecordError, Records};
use crate::tenancy::{Principal, Role, TenantCtx};

/// How long a link to a package is valid.
pub const LINK_VALID: Duration = Duration::from_mins(5);

/// Why a package was not made.
#[derive(Debug, Error)]
pub enum ExportRunError {
    /// No such run or export, or not yours: 404.
    #[error("there is no such record")]
    NotFound,
    /// The run is not closed: 409.
    #[error("the run is still open")]
    RunOpen,
    /// Policy said no, and this is recorded: 403.
    #[error("policy denies this: {}", .0.reason)]
    Denied(Judgement),
    /// Evidence could not be written, so nothing was handed out: 503.
    #[error("evidence could not be written: nothing was handed out")]
    Evidence(#[from] AppendError),
    /// A service did not answer: 503.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read: 503.
    #[error("a record could not be read")]
    Record(#[from] RecordError),
    /// The stored evidence does not make a package that verifies: an alarm.
    #[error("the stored evidence does not verify")]
    Unverifiable(#[source] Fault),
    /// The stored bytes do not make a package at all: an alarm.
    #[error("the stored evidence does not make a package")]
    Unpackable(#[from] PackageError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

/// A package that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The export.
    pub export: Export,
    /// A link that ends after [`LINK_VALID`].
    pub url: String,
}

/// Makes packages.
#[derive(Clone)]
pub struct ExportRun {
    /// Evidence to write.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Evidence to read.
    pub reader: Arc<dyn EvidenceRead>,
    /// Seals.
    pub seals: Arc<dyn SealStore>,
    /// Public key of the seals.
    pub signer: Arc<dyn SealSigner>,
    /// Asks for a seal.
    pub sealer: Arc<dyn SealRequests>,
    /// State.
    pub state: Arc<dyn State>,
    /// Packages.
    pub objects: Arc<dyn Objects>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
    /// What the origin line of seals starts with.
    pub origin_prefix: String,
}

impl std::fmt::Debug for ExportRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExportRun")
    }
}

impl ExportRun {
    /// Makes the package of a closed run and hands out a link.
    pub async fn export(&self, ctx: &TenantCtx, run: &str) -> Result<Exported, ExportRunError> {
        let run: RunId = run.parse().map_err(|_| ExportRunError::NotFound)?;
        let project = self.project(ctx).await?;
        let stream = project.stream_id()?;
        let entries = self.reader.run(stream, &run.to_string()).await?;
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Err(ExportRunError::NotFound);
        };
        if header_kind(last)? != Some(Kind::RunClose) {
            return Err(ExportRunError::RunOpen);
        }
        self.judge(ctx, &project, stream).await?;
        self.sealer.seal(stream).await?;
        let seal = self
            .seals
            .last(stream)
            .await?
            .filter(|seal| seal.size > last.seq);
        let seal = seal.ok_or_else(|| PortError::new(PortErrorKind::Unavailable, "sealing"))?;
        let package = self.package(stream, run, &entries, &seal).await?;

        let id = ExportId::new(self.clock.now(), self.random.bits128());
        let export = Export {
            id,
            run: run.to_string(),
            object: format!("exports/{}/{id}.json", project.id),
            digest: digest_string(&package),
            bytes: u64::try_from(package.len()).unwrap_or(u64::MAX),
            stream: project.stream.clone(),
            made_at: self.clock.now(),
        };
        self.objects
            .put(&export.object, package, "application/json")
            .await?;
        let facts = object([
            ("actor", actor(ctx.principal())),
            ("export", id.to_string().into()),
            ("from", Json::uint(first.seq)),
            ("package", export.digest.as_str().into()),
            ("run_id", export.run.as_str().into()),
            ("to", Json::uint(last.seq.saturating_add(1))),
        ]);
        let records = Records::of(self.state.as_ref(), ctx);
        let batch = Batch::of([Draft::new(Kind::ExportIssued, facts)])
            .with(records.create(&export)?.explained_by(0));
        self.evidence.append(stream, batch).await?;
        self.link(export).await
    }

    /// A fresh link to a package that was made before.
    pub async fn download(&self, ctx: &TenantCtx, id: &str) -> Result<Exported, ExportRunError> {
        let export = self.find(ctx, id).await?;
        let project = self.project(ctx).await?;
        let stream = project.stream_id()?;
        self.judge(ctx, &project, stream).await?;
        let facts = object([
            ("actor", actor(ctx.principal())),
            ("package", export.digest.as_str().into()),
            ("result", "ok".into()),
            ("target", super::facts::target("export", export.id)),
            ("topic", "export.downloaded".into()),
        ]);
        let draft = Draft::new(Kind::ObservationRecorded, facts);
        self.evidence.append(stream, Batch::of([draft])).await?;
        self.link(export).await
    }

    /// What is known about an export.
    pub async fn find(&self, ctx: &TenantCtx, id: &str) -> Result<Export, ExportRunError> {
        // A text that is not an id names nothing, and the table is not asked for it.
        let id: ExportId = id.parse().map_err(|_| ExportRunError::NotFound)?;
        let records = Records::of(self.state.as_ref(), ctx);
        Ok(records
            .get::<Export>(&id.to_string())
            .await?
            .ok_or(ExportRunError::NotFound)?
            .value)
    }

    async fn link(&self, export: Export) -> Result<Exported, ExportRunError> {
        let filename = format!("{}.json", export.run);
        let url = self
            .objects
            .link(&export.object, &filename, LINK_VALID)
            .await?;
        Ok(Exported { export, url })
    }

    async fn project(&self, ctx: &TenantCtx) -> Result<Project, ExportRunError> {
        let found = Directory::of(self.state.as_ref())
            .project(ctx.project())
            .await?;
        let project = found.map(|project| project.value);
        project
            .filter(|project| project.workspace == ctx.workspace())
            .ok_or(ExportRunError::NotFound)
    }

    /// Judges `evidence.export` and records the decision in a run of its own.
    async fn judge(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        stream: Hash,
    ) -> Result<(), ExportRunError> {
        let question = Question::Export(export_facts(ctx.principal()));
        let judgement = evaluate(&question);
        let now = self.clock.now();
        let run = RunId::new(now, self.random.bits128());
        let id = DecisionId::new(now, self.random.bits128());
        let hash = digest_string(format!("evidence.export\n{run}\n{id}").as_bytes());
        let decided = Decided {
            id,
            run,
            act: ActionId::new(now, self.random.bits128()),
            action_hash: &hash,
            phase: "propose",
            question: &question,
            judgement: &judgement,
            principal: ctx.principal(),
            at: now,
        };
        let opening = Opening {
            flow: flow_version(&project.mapping)?,
            artifact: project.mapping.clone(),
            inputs: &[],
            cause: None,
            principal: ctx.principal(),
            purpose: "export",
            as_of: None,
        };
        let allowed = judgement.effect == Effect::Allow;
        let closing = Closing {
            decisions: (u64::from(allowed), 0, u64::from(!allowed)),
            status: "completed",
            ..Closing::default()
        };
        let batch = Batch::of([
            Draft::new(Kind::RunOpen, opening.facts()).in_run(run),
            Draft::new(Kind::RunDecision, decided.facts()?).in_run(run),
            Draft::new(Kind::RunClose, closing.facts()).in_run(run),
        ]);
        self.evidence.append(stream, batch).await?;
        if allowed {
            Ok(())
        } else {
            Err(ExportRunError::Denied(judgement))
        }
    }

    /// Builds the package, and accepts it only if an auditor's verifier does.
    async fn package(
        &self,
        stream: Hash,
        run: RunId,
        entries: &[StoredEntry],
        seal: &SealedState,
    ) -> Result<Vec<u8>, ExportRunError> {
        let descriptor = self.descriptor(stream).await?;
        let mut package = RunPackage::new(run.to_string(), &descriptor, seal.note.clone());
        for entry in entries {
            let proof = self.proof(stream, entry.seq, seal.size).await?;
            package.add(&segment_entry(entry), &proof)?;
        }
        let document = package.document();
        let key = self.signer.key().await?;
        let mut trust = Trust::new(key, stream);
        trust.prefix.clone_from(&self.origin_prefix);
        match verify(Package::Document(&document), &trust).result {
            Ok(_) => Ok(document),
            Err(fault) => Err(ExportRunError::Unverifiable(fault)),
        }
    }

    async fn descriptor(&self, stream: Hash) -> Result<Descriptor, ExportRunError> {
        let genesis = self.reader.entries(stream, 0, 1).await?;
        let facts = genesis.first().and_then(|entry| entry.facts.as_ref());
        let corrupt = || PortError::new(PortErrorKind::Corrupt, "reading the stream's genesis");
        let Some(StoredPart::Present { bytes, .. }) = facts else {
            return Err(corrupt().into());
        };
        let facts = Json::parse(bytes).map_err(ExportRunError::Unverifiable)?;
        let descriptor = facts.get("descriptor").ok_or_else(corrupt)?;
        Descriptor::from_json(descriptor).map_err(ExportRunError::Unverifiable)
    }

    /// The inclusion proof of entry `seq`, from nodes that the entries keep.
    async fn proof(&self, stream: Hash, seq: u64, size: u64) -> Result<Vec<Hash>, ExportRunError> {
        let wanted = tree::inclusion_nodes(seq, size);
        let holders: BTreeSet<u64> = wanted.iter().map(|node| node.entry()).collect();
        let holders: Vec<u64> = holders.into_iter().collect();
        let stored = self.reader.nodes(stream, &holders).await?;
        let lookup = |level: u32, index: u64| {
            let node = tree::NodeId { level, index };
            let entry = stored.iter().find(|entry| entry.seq == node.entry())?;
            entry.nodes.get(usize::try_from(level).ok()?).copied()
        };
        let missing =
            |error| PortError::caused(PortErrorKind::Corrupt, "reading tree nodes", error);
        Ok(tree::inclusion_proof(seq, size, lookup).map_err(missing)?)
    }
}

fn header_kind(entry: &StoredEntry) -> Result<Option<Kind>, ExportRunError> {
    let header = Json::parse(&entry.header).map_err(ExportRunError::Unverifiable)?;
    Ok(header
        .get("kind")
        .and_then(Json::as_str)
        .and_then(Kind::from_name))
}

/// A key counts as its owner does now: when the owner leaves, it can no longer export.
const fn export_facts(principal: &Principal) -> ExportFacts {
    let (who, role) = match principal {
        Principal::User { role, .. } if role.may_approve() => (Who::Approver, Some(*role)),
        Principal::User {
            role: Role::Auditor,
            ..
        } => (Who::Auditor, Some(Role::Auditor)),
        Principal::User { role, .. } => (Who::Viewer, Some(*role)),
        Principal::ApiKey { owner_role, .. } => (Who::ReadKey, *owner_role),
        Principal::Scheduler { .. } => (Who::Scheduler, None),
        Principal::System { .. } => (Who::System, None),
    };
    let role_may_export = match role {
        Some(role) => role.may_export(),
        None => false,
    };
    ExportFacts {
        who,
        role_may_export,
    }
}
