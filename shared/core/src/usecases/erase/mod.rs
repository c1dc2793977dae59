//! Erasing the contents of a run or of a customer (evidence-format section 8). What happened stays
//! provable; the rows, names and words in it go.
//!
//! The order: judged and recorded; parts, salts and their place in the index removed together with
//! their `redact` entries; then data keys destroyed, objects deleted, records emptied. Each step is
//! durable before the next, so the same request, or the hourly duty, goes on after a crash, and no
//! part is redacted twice. An active legal hold stops all of it.

mod clean;
mod find;
mod redact;

use std::sync::Arc;

use counterfoil_evidence::hash::Hash;
use thiserror::Error;

use super::governed::{Governed, Judging, Terms};
use super::prune::PruneError;
use super::vault::{Vault, VaultError};
use crate::erasure::{Erasure, ErasureScope, ErasureState};
use crate::ids::{HoldId, RunId};
use crate::json::JsonError;
use crate::policy::{EvidenceFacts, Judgement, Question};
use crate::ports::{
    AppendError, Batch, Clock, EvidenceAppend, EvidenceRead, Holds, Objects, PortError,
    PortErrorKind, Random, State,
};
use crate::records::{Directory, Project, RecordError, Records, Versioned};
use crate::tenancy::{Role, TenantCtx};

use find::Found;

/// Attempts when others change the same rows or entries at the same time.
const ATTEMPTS: u32 = 5;

/// Why contents were not erased.
#[derive(Debug, Error)]
pub enum EraseError {
    /// No such run or customer, or not yours: 404.
    #[error("there is no such record")]
    NotFound,
    /// The input breaks a rule: 400.
    #[error("{field} {rule}")]
    Invalid {
        /// JSON pointer to the field.
        field: &'static str,
        /// The rule and the fix.
        rule: &'static str,
    },
    /// The part is there or was erased, so it is not lost: 409.
    #[error("the part is there or was erased")]
    NotLost,
    /// The run is not closed: 409.
    #[error("the run is still open")]
    RunOpen,
    /// A repair of it is on its way: 409.
    #[error("a repair is not finished")]
    OpenActions,
    /// A legal hold keeps it: 409. The refusal is recorded.
    #[error("legal hold {hold} keeps this")]
    Held {
        /// The hold.
        hold: String,
        /// Why, in the words of whoever set it.
        reason: String,
    },
    /// Policy said no, and this is recorded: 403.
    #[error("policy denies this: {}", .0.reason)]
    Denied(Judgement),
    /// Others keep changing the same records: 503, the same request goes on.
    #[error("the records keep changing")]
    Changed,
    /// Evidence could not be written: 503. The same request goes on.
    #[error("evidence could not be written")]
    Evidence(#[from] AppendError),
    /// A service did not answer: 503. The same request goes on.
    #[error("a service did not answer")]
    Port(#[from] PortError),
    /// A record could not be read or written: 503.
    #[error("a record could not be read or written")]
    Record(#[from] RecordError),
    /// A key could not be opened or destroyed: 503.
    #[error("a key could not be opened or destroyed")]
    Vault(#[from] VaultError),
    /// Snapshots could not be given up: 503. The same request goes on.
    #[error("snapshots could not be given up")]
    Prune(#[from] PruneError),
    /// A value cannot be recorded: a defect.
    #[error("a value cannot be recorded")]
    Json(#[from] JsonError),
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EraseRequest {
    /// A code, `^[a-z][a-z0-9_]{0,63}$`, for example `gdpr_art_17`. It stays in evidence.
    pub reason: String,
    /// Words of the person; they can be erased themselves.
    pub comment: Option<String>,
}

impl EraseRequest {
    fn check(&self) -> Result<(), EraseError> {
        let mut letters = self.reason.bytes();
        let first = letters.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let word =
            letters.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if !first || !word || self.reason.len() > 64 {
            let rule = "must be a code of 1 to 64 characters: a lower-case letter, then lower-case \
                        letters, digits and underscores, for example gdpr_art_17";
            return Err(EraseError::Invalid {
                field: "/reason",
                rule,
            });
        }
        if self.reason == "lost" {
            return Err(EraseError::Invalid {
                field: "/reason",
                rule: "must not be `lost`: that is for parts that are gone already",
            });
        }
        let comment = self.comment.as_deref().unwrap_or_default();
        if comment.chars().count() > 1_000 {
            let rule = "must have at most 1,000 characters";
            return Err(EraseError::Invalid {
                field: "/comment",
                rule,
            });
        }
        Ok(())
    }
}

/// What an erasure has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// How far it is.
    pub erasure: Erasure,
    /// It was done before, and nothing new was found.
    pub already: bool,
    /// What is not gone yet, and why: a run or an export that still works on it, or simply too much
    /// for one request. The hourly duty goes on.
    pub left: u64,
}

/// Erases.
#[derive(Clone)]
pub struct Erase {
    /// Evidence to write.
    pub evidence: Arc<dyn EvidenceAppend>,
    /// Evidence to read.
    pub reader: Arc<dyn EvidenceRead>,
    /// State.
    pub state: Arc<dyn State>,
    /// Snapshots and packages.
    pub objects: Arc<dyn Objects>,
    /// Data keys, and the key of pseudonyms.
    pub vault: Vault,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for Erase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Erase")
    }
}

/// One erasure at work.
struct Work<'a> {
    ctx: &'a TenantCtx,
    project: &'a Project,
    stream: Hash,
    erasure: Versioned<Erasure>,
    /// Version of the register of holds that kept nothing of what was found.
    judged: Option<u64>,
}

impl Erase {
    /// Erases the contents of a closed run.
    pub async fn run(
        &self,
        ctx: &TenantCtx,
        run: &str,
        request: &EraseRequest,
    ) -> Result<Erased, EraseError> {
        let run: RunId = run.parse().map_err(|_| EraseError::NotFound)?;
        self.erase(ctx, ErasureScope::Run { run }, request).await
    }

    /// Erases what is known about a customer, named by Stripe id.
    pub async fn customer(
        &self,
        ctx: &TenantCtx,
        customer: &str,
        request: &EraseRequest,
    ) -> Result<Erased, EraseError> {
        let project = self.project(ctx).await?;
        let records = Records::of(self.state.as_ref(), ctx);
        let pseudonym = self.vault.pseudonym(&records, ctx, &project, customer);
        let pseudonym = pseudonym.await?;
        let scope = ErasureScope::Customer {
            pseudonym,
            customer: Some(customer.to_owned()),
        };
        self.erase(ctx, scope, request).await
    }

    /// Whether the caller may know a run, and may erase; for a request whose body is bad.
    pub async fn admit_run(&self, ctx: &TenantCtx, run: &str) -> Result<(), EraseError> {
        let run: RunId = run.parse().map_err(|_| EraseError::NotFound)?;
        self.admit(ctx, &ErasureScope::Run { run }).await
    }

    /// The same for a customer.
    pub async fn admit_customer(&self, ctx: &TenantCtx, customer: &str) -> Result<(), EraseError> {
        let project = self.project(ctx).await?;
        let records = Records::of(self.state.as_ref(), ctx);
        let pseudonym = self.vault.pseudonym(&records, ctx, &project, customer);
        let pseudonym = pseudonym.await?;
        let customer = Some(customer.to_owned());
        self.admit(
            ctx,
            &ErasureScope::Customer {
                pseudonym,
                customer,
            },
        )
        .await
    }

    async fn admit(&self, ctx: &TenantCtx, scope: &ErasureScope) -> Result<(), EraseError> {
        let project = self.project(ctx).await?;
        let found = self.find(ctx, &project, scope).await?;
        if found.is_nothing() && self.known(ctx, scope).await?.is_none() {
            return Err(EraseError::NotFound);
        }
        let judged = self.judge(ctx, found.facts(scope, false)).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(EraseError::Denied(judged.judgement))
        }
    }

    /// Goes on with every erasure of every project that is not done; returns how many it finished.
    /// One that cannot go on, because of a legal hold or an outage, does not stop the others: the
    /// first error is returned at the end.
    pub async fn finish(&self) -> Result<usize, EraseError> {
        let mut finished = 0_usize;
        let mut first_error = None;
        for project in Directory::of(self.state.as_ref()).projects().await? {
            // An emergency stop stops what was decided before it, too.
            if project.frozen {
                continue;
            }
            let ctx = Directory::system(&project, "erasure");
            let records = Records::of(self.state.as_ref(), &ctx);
            for erasure in records.list::<Erasure>().await? {
                if erasure.value.state == ErasureState::Done {
                    continue;
                }
                match self.go_on(&ctx, &project, settled(erasure)).await {
                    Ok(erased) if erased.erasure.state == ErasureState::Done => {
                        finished = finished.saturating_add(1);
                    }
                    // What a hold keeps waits for its release; that is no failure.
                    Ok(_) | Err(EraseError::Held { .. }) => {}
                    Err(error) => first_error = first_error.or(Some(error)),
                }
            }
        }
        first_error.map_or(Ok(finished), Err)
    }

    async fn erase(
        &self,
        ctx: &TenantCtx,
        scope: ErasureScope,
        request: &EraseRequest,
    ) -> Result<Erased, EraseError> {
        let project = self.project(ctx).await?;
        let found = self.find(ctx, &project, &scope).await?;
        let known = self.known(ctx, &scope).await?;
        if found.is_nothing() && known.is_none() {
            return Err(EraseError::NotFound);
        }
        request.check()?;
        if found.run_open {
            return Err(EraseError::RunOpen);
        }
        if found.open_actions {
            return Err(EraseError::OpenActions);
        }
        let known = match known {
            // Whoever may erase may also go on with what was decided; nobody else learns of it.
            Some(erasure) if self.judge(ctx, found.facts(&scope, false)).await?.allowed() => {
                if erasure.value.state != ErasureState::Done {
                    return self.go_on(ctx, &project, settled(erasure)).await;
                }
                if found.nothing_left() {
                    return Ok(Erased {
                        erasure: settled(erasure).value,
                        already: true,
                        left: 0,
                    });
                }
                Some(settled(erasure))
            }
            Some(erasure) => Some(settled(erasure)),
            None => None,
        };
        self.begin(ctx, &project, scope, request, known, found)
            .await
    }

    /// Judges and records, with as many redactions as fit into the transaction.
    async fn begin(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        scope: ErasureScope,
        request: &EraseRequest,
        known: Option<Versioned<Erasure>>,
        found: Found,
    ) -> Result<Erased, EraseError> {
        let stream = project.stream_id()?;
        let holds = self.reader.holds(stream).await?;
        let held = self.held(project, stream, &holds, &found).await?;
        let judged = self.judge(ctx, found.facts(&scope, held.is_some())).await?;
        if !judged.allowed() {
            let mut batch = Batch::of(judged.opened(ctx.principal(), None)?);
            batch.drafts.push(judged.closing());
            self.evidence.append(stream, batch).await?;
            let refused = EraseError::Denied(judged.judgement.clone());
            return Err(match held {
                Some(held) if judged.judgement.rule == HOLD_RULE => held,
                _ => refused,
            });
        }
        // What was erased before stays in the record.
        let version = known.as_ref().map(|known| known.version);
        let before = known.map(|known| known.value);
        let erasure = Erasure {
            scope,
            reason: request.reason.clone(),
            by: ctx.principal().clone(),
            at: self.clock.now(),
            decision: None,
            state: ErasureState::Redacting,
            entries: before
                .as_ref()
                .map_or_else(Vec::new, |before| before.entries.clone()),
            appended: 0,
            objects: before.map_or(0, |before| before.objects),
            runs: found.snapshots.iter().map(|run| run.value.id).collect(),
            exports: found.exports.iter().map(|it| it.value.id).collect(),
        };
        let comment = request.comment.as_deref().filter(|text| !text.is_empty());
        let erasure = self
            .decide(
                ctx, stream, &judged, comment, erasure, version, &found, &holds,
            )
            .await?;
        self.go_on(ctx, project, erasure).await
    }

    /// Everything that is left, until done or until something stands in the way.
    async fn go_on(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        erasure: Versioned<Erasure>,
    ) -> Result<Erased, EraseError> {
        let mut work = Work {
            ctx,
            project,
            stream: project.stream_id()?,
            erasure,
            judged: None,
        };
        if work.erasure.value.state == ErasureState::Redacting {
            self.redact(&mut work).await?;
        }
        let left = self.clean(&mut work).await?;
        Ok(Erased {
            erasure: work.erasure.value,
            already: false,
            left,
        })
    }

    async fn known(
        &self,
        ctx: &TenantCtx,
        scope: &ErasureScope,
    ) -> Result<Option<Versioned<Erasure>>, EraseError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let id = match scope {
            ErasureScope::Run { run } => run.to_string(),
            ErasureScope::Customer { pseudonym, .. } => pseudonym.clone(),
        };
        Ok(records.get::<Erasure>(&id).await?)
    }

    /// The first active hold that covers something of it.
    async fn held(
        &self,
        project: &Project,
        stream: Hash,
        holds: &Holds,
        found: &Found,
    ) -> Result<Option<EraseError>, EraseError> {
        if holds.active.is_empty() {
            return Ok(None);
        }
        let touched = self.touched(stream, found).await?;
        let kept = holds.active.iter().find(|active| {
            touched
                .iter()
                .any(|(seq, run)| active.target.keeps(*seq, run.as_deref()))
        });
        let Some(kept) = kept else {
            return Ok(None);
        };
        let id: Result<HoldId, _> = kept.hold.parse();
        let record = match id {
            Ok(id) => {
                Directory::of(self.state.as_ref())
                    .hold(project.workspace, id)
                    .await?
            }
            Err(_) => None,
        };
        Ok(Some(EraseError::Held {
            hold: kept.hold.clone(),
            reason: record.map_or_else(String::new, |record| record.value.reason),
        }))
    }

    /// Whoever may not erase anyhow is not told that there is a hold.
    async fn judge(&self, ctx: &TenantCtx, facts: EvidenceFacts) -> Result<Governed, EraseError> {
        let may = ctx.principal().role().is_some_and(Role::may_administer);
        let question = Question::Erase(EvidenceFacts {
            legal_hold: facts.legal_hold && may,
            ..facts
        });
        let judging = Judging {
            state: self.state.as_ref(),
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
        };
        Ok(judging.in_project(ctx, &question, Terms::default()).await?)
    }

    async fn project(&self, ctx: &TenantCtx) -> Result<Project, EraseError> {
        let found = Directory::of(self.state.as_ref())
            .project(ctx.project())
            .await?;
        let project = found.map(|project| project.value);
        project
            .filter(|project| project.workspace == ctx.workspace())
            .ok_or(EraseError::NotFound)
    }
}

/// The rule that a legal hold is judged by.
const HOLD_RULE: &str = "base.forbid.legal-hold-evidence";

fn settled(erasure: Versioned<Erasure>) -> Versioned<Erasure> {
    let behind = erasure.evidence.clone();
    Versioned {
        value: erasure.value.settled(behind.as_ref()),
        ..erasure
    }
}

fn corrupt() -> PortError {
    PortError::new(PortErrorKind::Corrupt, "reading an entry's header")
}
