//! The `facts` of every entry that the product writes (evidence-format section 6).
//!
//! Facts are for ever: opaque ids, digests, counts, the policy's sentences. Row values, Stripe ids
//! and words of people go to `subject`.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::seal::SegmentEntry;

use crate::ids::{ActionId, DecisionId, RunId};
use crate::json::JsonError;
use crate::policy::{Effect, Judgement, baseline_digest};
use crate::ports::{EntryRef, StoredEntry, StoredPart};
use crate::run::{Basis, HeldBack, LeftOut, RunCounts, Snapshot, Unread};
use crate::tenancy::{Principal, Via};
use crate::time::Timestamp;

/// A file outside the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    /// Where it lies.
    pub name: String,
    /// `sha256:…`.
    pub digest: String,
    /// Size.
    pub bytes: u64,
}

impl FileRef {
    /// A reference to `bytes` under `name`.
    pub fn of(name: impl Into<String>, bytes: &[u8]) -> Self {
        Self {
            name: name.into(),
            digest: counterfoil_evidence::hash::digest_string(bytes),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        }
    }

    /// A reference to the file inside a snapshot.
    pub fn of_snapshot(snapshot: &Snapshot) -> Self {
        Self {
            name: snapshot.name.clone(),
            digest: snapshot.digest.clone(),
            bytes: snapshot.bytes,
        }
    }

    pub(super) fn json(&self) -> Json {
        object([
            ("bytes", Json::uint(self.bytes)),
            ("hash", self.digest.as_str().into()),
            ("ref", self.name.as_str().into()),
        ])
    }
}

/// Who did something.
pub fn actor(principal: &Principal) -> Json {
    let mut fields = vec![
        ("id", Json::from(principal.id())),
        ("type", principal.kind().into()),
    ];
    if let Principal::User {
        via: Via::Key { id },
        ..
    } = principal
    {
        fields.push(("via", id.to_string().into()));
    }
    if let Some(person) = principal.on_behalf_of() {
        fields.push(("on_behalf_of", person.to_string().into()));
    }
    object(fields)
}

/// Something that was changed or acted on, with an opaque id.
pub fn target(kind: &str, id: impl std::fmt::Display + Copy) -> Json {
    object([("id", id.to_string().into()), ("type", kind.into())])
}

/// Something that is named by a word.
pub fn target_named(kind: &str, name: &str) -> Json {
    object([("id", name.into()), ("type", kind.into())])
}

/// `run.open`: what runs, under which policy, on which inputs, and why.
#[derive(Debug, Clone)]
pub struct Opening<'a> {
    /// Digest of what runs.
    pub flow: String,
    /// Digest of the compiled mapping.
    pub artifact: String,
    /// Digests of the policy bundles in force.
    pub policies: Vec<String>,
    /// Inputs by reference.
    pub inputs: &'a [FileRef],
    /// The entry that caused the run.
    pub cause: Option<&'a EntryRef>,
    /// Who acts.
    pub principal: &'a Principal,
    /// `check`, `scan`, `repair`, `export`, `vote`.
    pub purpose: &'a str,
    /// The time at which promises are evaluated, for a run of the reconciler.
    pub as_of: Option<Timestamp>,
    /// Who asked for it, where the product acts because somebody did.
    pub asked_by: Option<&'a Principal>,
}

impl<'a> Opening<'a> {
    /// Of a run in which nothing runs but the product's rules: there is no artifact beside them.
    pub fn of_rules(
        policies: Vec<String>,
        cause: Option<&'a EntryRef>,
        principal: &'a Principal,
        purpose: &'a str,
    ) -> Self {
        Self {
            flow: baseline_digest().to_owned(),
            artifact: baseline_digest().to_owned(),
            policies,
            inputs: &[],
            cause,
            principal,
            purpose,
            as_of: None,
            asked_by: None,
        }
    }

    /// The facts.
    pub fn facts(&self) -> Json {
        let mut fields = vec![
            ("actor", actor(self.principal)),
            ("artifact", self.artifact.as_str().into()),
            ("flow", self.flow.as_str().into()),
            (
                "inputs",
                Json::Array(self.inputs.iter().map(FileRef::json).collect()),
            ),
            (
                "policy_bundles",
                Json::Array(self.policies.iter().map(|it| it.as_str().into()).collect()),
            ),
            ("purpose", self.purpose.into()),
        ];
        if let Some(cause) = self.cause {
            let entry = object([
                ("entry", cause.leaf.as_str().into()),
                ("seq", Json::uint(cause.seq)),
            ]);
            fields.push(("cause", entry));
        }
        if let Some(as_of) = self.as_of {
            fields.push(("as_of", Json::uint(as_of.as_millis())));
        }
        if let Some(asked_by) = self.asked_by {
            fields.push(("asked_by", actor(asked_by)));
        }
        object(fields)
    }
}

/// A judged question, ready to be recorded.
#[derive(Debug, Clone)]
pub struct Decided<'a> {
    /// Id of the decision.
    pub id: DecisionId,
    /// The run it is recorded in.
    pub run: RunId,
    /// The action it is about.
    pub act: ActionId,
    /// What approvals and effects bind to.
    pub action_hash: &'a str,
    /// The answer, and what was asked.
    pub judgement: &'a Judgement,
    /// Who asked.
    pub principal: &'a Principal,
    /// When.
    pub at: Timestamp,
    /// Until when the action waits for approvals, where it does.
    pub hold: Option<Timestamp>,
    /// What there is to say of it besides.
    pub more: Vec<(&'static str, Json)>,
}

impl Decided<'_> {
    /// The facts of `run.decision`: everything policy saw, without personal data.
    ///
    /// # Errors
    /// When the question has no canonical form.
    pub fn facts(&self) -> Result<Json, JsonError> {
        let considered = &self.judgement.considered;
        let mut fields = vec![
            ("act", Json::from(self.act.to_string())),
            ("action_hash", self.action_hash.into()),
            ("actor", actor(self.principal)),
            ("decision", self.id.to_string().into()),
            ("duration_us", Json::uint(considered.duration_us)),
            ("evaluated_at", Json::uint(self.at.as_millis())),
        ];
        fields.extend(said(self.judgement));
        if let Some(expires_at) = self.hold {
            fields.push((
                "hold",
                object([
                    ("expires_at", Json::uint(expires_at.as_millis())),
                    ("role", considered.role.name().into()),
                ]),
            ));
        }
        if let Some(broken) = &considered.broken {
            fields.push((
                "override",
                object([
                    ("by", Json::from(broken.by.as_str())),
                    (
                        "skipped_approvals",
                        Json::uint(u64::from(broken.skipped_approvals)),
                    ),
                    ("ticket", broken.ticket.as_str().into()),
                ]),
            ));
        }
        if let Some(shadow) = &considered.shadow {
            fields.push(("shadow", shadow.json()));
        }
        fields.extend(self.more.iter().cloned());
        Ok(object(fields))
    }
}

/// What judged.
fn engine() -> Json {
    object([
        ("lang", counterfoil_policy::LANGUAGE.into()),
        ("name", "cedar-policy".into()),
        ("version", counterfoil_policy::ENGINE.into()),
    ])
}

/// How a vote was judged, as a decision says it, so that it can be judged again.
pub fn judged(judgement: &Judgement) -> Json {
    object(said(judgement))
}

/// What the rules said, and what they were asked.
fn said(judgement: &Judgement) -> Vec<(&'static str, Json)> {
    let considered = &judgement.considered;
    let request = considered.request.clone();
    let digest = counterfoil_evidence::hash::digest_string(&request.canonical());
    let mut fields = vec![
        ("action", Json::from(considered.action)),
        ("baseline", considered.baseline.as_str().into()),
        ("effect", judgement.effect.name().into()),
        ("engine", engine()),
        ("layers", considered.layers_json()),
        ("phase", considered.phase().into()),
        ("policy", considered.policy.as_str().into()),
        ("reason", judgement.reason.as_str().into()),
        ("request", request),
        ("request_sha256", digest.into()),
        ("rule", judgement.rule.as_str().into()),
    ];
    if judgement.approvals > 0 {
        fields.push(("approvals", Json::uint(u64::from(judgement.approvals))));
    }
    fields
}

/// `run.resolution`: a vote, an expiry or a withdrawal.
pub fn resolution(decision: &EntryRef, approver: &str, allow: bool, principal: &Principal) -> Json {
    object(resolved(decision, (approver, allow), principal))
}

/// The same, of somebody whose answer was judged.
pub fn answer(
    decision: &EntryRef,
    answered: (&str, bool),
    principal: &Principal,
    judgement: &Judgement,
) -> Json {
    let mut facts = resolved(decision, answered, principal);
    facts.push(("judged", judged(judgement)));
    object(facts)
}

fn resolved(
    decision: &EntryRef,
    (approver, allow): (&str, bool),
    principal: &Principal,
) -> Vec<(&'static str, Json)> {
    vec![
        ("actor", actor(principal)),
        ("approver", approver.into()),
        ("decision", decision.leaf.as_str().into()),
        ("effect", if allow { "ALLOW" } else { "DENY" }.into()),
    ]
}

/// `repair.started`, `repair.executed`, `repair.failed`. `decision` is filled in by a cite when it
/// is an entry of the same batch.
pub fn repair_step(decision: &str, action_hash: &str, act: ActionId) -> Vec<(&'static str, Json)> {
    vec![
        ("act", act.to_string().into()),
        ("action_hash", action_hash.into()),
        ("decision", decision.into()),
    ]
}

/// What a decision about an act without a plan binds to: the digest of a canonical object that names
/// the act and its run, so that no two acts share it.
pub fn act_hash(action: &str, act: ActionId, run: RunId) -> String {
    let binding = object([
        ("act", Json::from(act.to_string())),
        ("action", action.into()),
        ("run", run.to_string().into()),
        ("v", Json::uint(1)),
    ]);
    counterfoil_evidence::hash::digest_string(&binding.canonical())
}

/// How a run ends.
#[derive(Debug, Clone, Default)]
pub struct Closing<'a> {
    /// Decisions by effect: ALLOW, REQUIRE, DENY.
    pub decisions: (u64, u64, u64),
    /// REQUIRE decisions that are neither approved nor rejected in the run.
    pub unresolved: u64,
    /// Resolutions that broke the glass.
    pub overrides: u64,
    /// Outputs by reference.
    pub outputs: &'a [FileRef],
    /// `completed`, `failed`, `aborted` or `expired`.
    pub status: &'a str,
    /// What a run of the reconciler looked at.
    pub counts: Option<RunCounts>,
    /// Whether both sides were read whole, for a run of the reconciler.
    pub result: Option<&'a str>,
    /// What could not be read.
    pub unread: Option<&'a Unread>,
    /// About how many a complete run concluded nothing.
    pub left_out: LeftOut,
    /// What the Stripe side of a scan stems from.
    pub basis: Option<&'a Basis>,
    /// Repairs that limits keep a run from proposing.
    pub held_back: HeldBack,
}

impl Closing<'_> {
    /// How a run ends that holds one decision and nothing that answers it.
    pub fn of_one(effect: Effect) -> Self {
        let one = |it| u64::from(effect == it);
        Self {
            decisions: (one(Effect::Allow), one(Effect::Require), one(Effect::Deny)),
            unresolved: one(Effect::Require),
            status: "completed",
            ..Self::default()
        }
    }

    /// The facts of `run.close`.
    pub fn facts(&self) -> Json {
        let (allow, require, deny) = self.decisions;
        let mut fields = vec![
            ("allow", Json::uint(allow)),
            (
                "decisions",
                Json::uint(allow.saturating_add(require).saturating_add(deny)),
            ),
            ("deny", Json::uint(deny)),
            (
                "outputs",
                Json::Array(self.outputs.iter().map(FileRef::json).collect()),
            ),
            ("overrides", Json::uint(self.overrides)),
            ("require", Json::uint(require)),
            ("status", self.status.into()),
            ("unresolved", Json::uint(self.unresolved)),
        ];
        if let Some(counts) = self.counts {
            fields.push(("customers", Json::uint(counts.customers)));
            fields.push(("findings", Json::uint(counts.findings)));
            fields.push(("rows", Json::uint(counts.rows)));
            fields.push(("subscriptions", Json::uint(counts.subscriptions)));
        }
        if let Some(result) = self.result {
            fields.push(("result", result.into()));
        }
        if let Some(baseline) = self.basis.and_then(|basis| basis.since) {
            fields.push(("baseline", baseline.run.to_string().into()));
            fields.push(("changed", Json::uint(baseline.changed)));
        }
        if let Some(instead) = self.basis.and_then(|basis| basis.instead) {
            fields.push(("full_because", instead.code().into()));
        }
        if let Some(unread) = self.unread {
            fields.push(("unread", unread_json(unread)));
        }
        if self.left_out != LeftOut::default() {
            let by_why = [
                ("still_changing", Json::uint(self.left_out.still_changing)),
                (
                    "too_many_customers",
                    Json::uint(self.left_out.too_many_customers),
                ),
                ("unread_items", Json::uint(self.left_out.unread_items)),
            ];
            fields.push(("left_out", object(by_why)));
        }
        if self.held_back != HeldBack::default() {
            let by_limit = [
                ("amount", Json::uint(self.held_back.amount)),
                ("breaker", Json::uint(self.held_back.breaker)),
                ("repairs", Json::uint(self.held_back.repairs)),
            ];
            fields.push(("held_back", object(by_limit)));
        }
        object(fields)
    }
}

fn unread_json(unread: &Unread) -> Json {
    let mut fields = vec![("what", Json::from(unread.what.as_str()))];
    if let Some(range) = unread.range {
        let second = |at: i64| Json::uint(u64::try_from(at).unwrap_or(0));
        fields.push(("from", second(range.from)));
        fields.push(("to", second(range.to)));
    }
    object(fields)
}

/// A change of configuration, access or an incident.
pub fn change(
    principal: &Principal,
    target: Json,
    more: impl IntoIterator<Item = (&'static str, Json)>,
) -> Json {
    let mut fields = vec![("actor", actor(principal)), ("target", target)];
    fields.extend(more);
    object(fields)
}

/// A stored entry as the sealer and the packager take it.
pub fn segment_entry(stored: &StoredEntry) -> SegmentEntry<'_> {
    SegmentEntry {
        seq: stored.seq,
        header: &stored.header,
        nodes: &stored.nodes,
        facts: stored.facts.as_ref().map(part),
        subject: stored.subject.as_ref().map(part),
    }
}

fn part(stored: &StoredPart) -> counterfoil_evidence::seal::SegmentPart<'_> {
    use counterfoil_evidence::seal::SegmentPart;
    match stored {
        StoredPart::Present { bytes, salt } => SegmentPart::Present { bytes, salt },
        StoredPart::Erased(by) => SegmentPart::Erased(*by),
    }
}
