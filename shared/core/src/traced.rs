//! The evidence of one request: which decision it made, and that it was done.
//!
//! Use cases record decisions in many places, refusals among them. What an answer must name is seen
//! here, where all of them pass, so that no branch can forget it. It decides nothing and changes no
//! entry; it only adds the write of [`Once::done`] to the first transaction.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use crate::idempotency::Once;
use crate::policy::fresh_within;
use crate::ports::{AppendError, Batch, EntryRef, EvidenceAppend, Expect};

/// A decision that is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionMade {
    /// Its id, `dec_...`.
    pub id: String,
    /// Digest of the policy bundle that made it.
    pub policy: String,
}

/// What a request that is done once leads to, for a repeat whose answer was not kept.
#[derive(Debug, Clone)]
pub enum Makes {
    /// A record whose id the request names.
    Known(String),
    /// A new record of this family, in the request's first transaction.
    New(&'static str),
}

impl Makes {
    fn id(&self, batch: &Batch) -> String {
        match self {
            Self::Known(id) => id.clone(),
            Self::New(family) => {
                let suffix = format!("#{family}");
                let mut writes = batch.state.iter();
                let made = writes.find(|write| {
                    write.expect == Expect::Absent && write.key.pk.ends_with(&suffix)
                });
                made.map(|write| write.key.sk.clone()).unwrap_or_default()
            }
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    begun: bool,
    overtaken: bool,
    decision: Option<DecisionMade>,
}

/// Evidence on behalf of one request.
pub struct Traced {
    evidence: Arc<dyn EvidenceAppend>,
    done: Option<(Once, Makes)>,
    seen: Mutex<Seen>,
}

impl std::fmt::Debug for Traced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Traced")
    }
}

impl Traced {
    /// Notes decisions. With `done`, the first transaction also says that the request was done, and
    /// fails with [`AppendError::Overtaken`] when another worker has taken the request over. A refusal that only asks for a fresher
    /// sign-in does not: the same request comes again after it.
    pub fn new(evidence: Arc<dyn EvidenceAppend>, done: Option<(Once, Makes)>) -> Self {
        Self {
            evidence,
            done,
            seen: Mutex::default(),
        }
    }

    /// The latest decision that the request has recorded.
    pub fn decision(&self) -> Option<DecisionMade> {
        self.seen().decision.clone()
    }

    /// Whether another worker has taken the request over, so that nothing was done here.
    pub fn is_overtaken(&self) -> bool {
        self.seen().overtaken
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What failed, in the caller's own rows: the one that was added is none of them.
    fn failed(&self, error: AppendError, added: Option<usize>) -> AppendError {
        match (error, added) {
            (AppendError::StateChanged { index }, Some(place)) if index == place => {
                self.seen().overtaken = true;
                AppendError::Overtaken
            }
            (AppendError::StateChanged { index }, Some(place)) if index > place => {
                let index = index.saturating_sub(1);
                AppendError::StateChanged { index }
            }
            (error, _) => error,
        }
    }

    fn note(&self, decision: Option<DecisionMade>) {
        let mut seen = self.seen();
        seen.begun = true;
        if decision.is_some() {
            seen.decision = decision;
        }
    }
}

#[async_trait]
impl EvidenceAppend for Traced {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        let decision = batch.drafts.iter().rev().find_map(decision);
        let stale = batch.drafts.iter().any(asks_for_a_sign_in);
        let begun = self.seen().begun;
        let (batch, added) = match &self.done {
            Some((once, makes)) if !begun && !stale => {
                let done = once.done(&makes.id(&batch));
                let place = batch.state.len();
                (batch.with(done), Some(place))
            }
            _ => (batch, None),
        };
        let appended = self.evidence.append(stream, batch).await;
        let entries = appended.map_err(|error| self.failed(error, added))?;
        self.note(decision);
        Ok(entries)
    }
}

fn asks_for_a_sign_in(draft: &Draft) -> bool {
    let rule = draft.facts.get("rule").and_then(|rule| rule.as_str());
    draft.kind == Kind::RunDecision && rule.and_then(fresh_within).is_some()
}

fn decision(draft: &Draft) -> Option<DecisionMade> {
    let text = |name| Some(draft.facts.get(name)?.as_str()?.to_owned());
    (draft.kind == Kind::RunDecision).then_some(())?;
    Some(DecisionMade {
        id: text("decision")?,
        policy: text("policy")?,
    })
}
