//! What a bundle would have decided: recorded decisions, judged again from what they stored.
//!
//! Reads and changes nothing that happens. A decision whose question was not stored in the engine's
//! form, or not in a form that this version of the schema knows, is counted and not compared.

use std::time::Duration;

use counterfoil_evidence::hash::{Hash, digest_string};
use counterfoil_evidence::header::Header;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_policy::{Effect, Impact, Layer, Layers, Outcome, Phase, Request, baseline, judge};
use serde::Serialize;

use super::{Policies, PolicyError, administrator};
use crate::bundles::{ImpactNote, StoredBundle, verified};
use crate::json::canonical;
use crate::ports::{EvidenceRead, StoredEntry, StoredPart};
use crate::records::{Directory, Versioned};
use crate::tenancy::{Principal, Role, WorkspaceCtx};
use crate::time::Timestamp;
use crate::usecases::admin::AdminError;
use crate::usecases::rejudge::Again;
use crate::usecases::seek::{first_at, header};

/// Decisions that one request judges, at most, besides those of the last one's millisecond: about two
/// seconds of a function.
pub const MOST_JUDGED: u64 = 2_000;
/// Entries that one request reads, at most.
const MOST_READ: u64 = 20_000;
/// Entries that are read at once.
const CHUNK: u64 = 250;
/// Before whose decisions nothing is looked at unless somebody asks.
const WINDOW: Duration = Duration::from_hours(90 * 24);

/// What a bundle would have decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImpactReport {
    /// `counterfoil.policy-impact/v1`.
    pub schema: &'static str,
    /// The bundle.
    pub bundle: String,
    /// The bundle that is active; absent where it is the one that every workspace starts with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<String>,
    /// Decisions since, ms.
    pub from: u64,
    /// Decisions before, ms.
    pub to: u64,
    /// All decisions of that time were looked at; otherwise only the newest.
    pub complete: bool,
    /// Where it is not complete: as `to` of another request, ms, it looks at the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<u64>,
    /// Decisions whose question cannot be asked again, or that a failure of the moment denied.
    pub not_comparable: u64,
    /// What would have become of the others.
    #[serde(flatten)]
    pub impact: Impact,
    /// The same in a sentence.
    pub sentence: String,
}

impl ImpactReport {
    /// Something decided at this time, or before it, is not looked at.
    const fn ends_at(&mut self, at: u64) {
        self.complete = false;
        self.reached = Some(at.saturating_add(1));
    }

    /// The report's canonical text: what its digest is over.
    ///
    /// # Errors
    /// When a value has no canonical form: a defect.
    pub fn canonical(&self) -> Result<Vec<u8>, PolicyError> {
        Ok(canonical(self)?)
    }
}

/// Which decisions.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: Timestamp,
    to: Timestamp,
    limit: u64,
}

/// A stream that is read from its end.
struct Backwards {
    stream: Hash,
    /// The first position that was read.
    end: u64,
    /// Read and not looked at, the newest last.
    chunk: Vec<(Header, StoredEntry)>,
    /// Time of the newest entry that was not looked at, or a later one, ms.
    at: u64,
}

impl Backwards {
    const fn has_more(&self) -> bool {
        self.end > 0 || !self.chunk.is_empty()
    }

    /// The newest entry that was read and not looked at.
    fn next(&mut self) -> Option<(Header, StoredEntry)> {
        let next = self.chunk.pop()?;
        self.at = self.chunk.last().map_or(next.0.at, |(header, _)| header.at);
        Some(next)
    }

    /// Reads on; how many entries.
    async fn read(&mut self, reader: &dyn EvidenceRead) -> Result<u64, PolicyError> {
        let start = self.end.saturating_sub(CHUNK);
        let entries = reader.entries(self.stream, start, self.end).await?;
        for entry in entries {
            self.chunk.push((header(&entry, self.stream)?, entry));
        }
        if let Some((newest, _)) = self.chunk.last() {
            self.at = newest.at;
        }
        let read = self.end.saturating_sub(start);
        self.end = start;
        Ok(read)
    }
}

impl Policies {
    /// Whether the caller may ask for impacts.
    ///
    /// # Errors
    /// [`AdminError::NotAPerson`], [`AdminError::NotForRole`].
    pub fn admit_impact(&self, ctx: &WorkspaceCtx) -> Result<(), AdminError> {
        reader(ctx.principal())
    }

    /// Judges recorded decisions of the workspace and its projects again, the newest first, with a
    /// stored bundle in place of the active one. Notes the report's digest with the bundle, for its
    /// activation, where the report reaches up to now: those that follow it look further back.
    ///
    /// # Errors
    /// [`PolicyError::Unfit`] when the bundle does not verify.
    pub async fn impact(
        &self,
        ctx: &WorkspaceCtx,
        digest: &str,
        (from, to): (Option<Timestamp>, Option<Timestamp>),
        limit: Option<u64>,
    ) -> Result<(ImpactReport, String), PolicyError> {
        reader(ctx.principal())?;
        let limit = limit.unwrap_or(MOST_JUDGED);
        if !(1..=MOST_JUDGED).contains(&limit) {
            let rule = "must be 1 to 2000";
            let field = "/limit";
            return Err(AdminError::Invalid { field, rule }.into());
        }
        let now = self.ports.clock.now();
        let span = Span {
            from: from.unwrap_or_else(|| before(now, WINDOW)),
            // What was decided in this very moment counts too.
            to: to.unwrap_or_else(|| now.plus(Duration::from_millis(1))),
            limit,
        };
        if span.to <= span.from {
            let rule = "must be after `from`";
            let field = "/to";
            return Err(AdminError::Invalid { field, rule }.into());
        }
        let bundle = self.bundle(ctx, digest).await?;
        let state = self.state(ctx).await?.value;
        let layer = verified(&bundle.value, &state, ctx.workspace(), digest);
        let layer = layer.map_err(|failure| {
            PolicyError::Unfit(format!("{} ({})", failure.why(), failure.rule()))
        })?;
        let mut report = ImpactReport {
            schema: "counterfoil.policy-impact/v1",
            bundle: digest.to_owned(),
            active: state.active_digest().map(str::to_owned),
            from: span.from.as_millis(),
            to: span.to.as_millis(),
            complete: true,
            reached: None,
            not_comparable: 0,
            impact: Impact::default(),
            sentence: String::new(),
        };
        let streams = self.streams(ctx, span).await?;
        self.read_into(&mut report, streams, span, &layer).await?;
        report.sentence = report.impact.sentence();
        let text = report.canonical()?;
        let sealed = digest_string(&text);
        if to.is_none() {
            self.note(ctx, bundle, &report, &sealed).await?;
        }
        Ok((report, sealed))
    }

    /// Every stream, from the end of the time that is asked for.
    async fn streams(&self, ctx: &WorkspaceCtx, span: Span) -> Result<Vec<Backwards>, PolicyError> {
        let mut streams = vec![self.ports.stream(ctx.workspace()).await?];
        for project in self.directory().projects().await? {
            if project.workspace == ctx.workspace() && ctx.sees(project.livemode) {
                streams.push(project.stream_id()?);
            }
        }
        let mut all = Vec::new();
        for stream in streams {
            let Some(head) = self.reader.head(stream).await? else {
                continue;
            };
            let before = span.to.as_millis();
            let end = if head.at < before {
                head.size
            } else {
                first_at(self.reader.as_ref(), stream, head.size, span.to).await?
            };
            all.push(Backwards {
                stream,
                end,
                chunk: Vec::new(),
                at: head.at.min(before),
            });
        }
        Ok(all)
    }

    /// Looks at entries of all streams in the order of their times, the newest first.
    async fn read_into(
        &self,
        report: &mut ImpactReport,
        mut streams: Vec<Backwards>,
        span: Span,
        layer: &Layer,
    ) -> Result<(), PolicyError> {
        // Each stream is read once at least, so that every report gets further than the one before.
        let first = u64::try_from(streams.len())
            .unwrap_or(u64::MAX)
            .saturating_mul(CHUNK);
        let most = first.saturating_add(MOST_READ);
        let mut read = 0_u64;
        let mut last = None;
        loop {
            streams.retain(|it| it.has_more() && it.at >= span.from.as_millis());
            let Some(newest) = streams.iter_mut().max_by_key(|it| it.at) else {
                return Ok(());
            };
            let Some((header, entry)) = newest.next() else {
                // Not in the middle of a millisecond, and not before anything was looked at.
                let between = last != Some(newest.at);
                if read >= most && between && newest.at < span.to.as_millis().saturating_sub(1) {
                    report.ends_at(newest.at);
                    return Ok(());
                }
                read = read.saturating_add(newest.read(self.reader.as_ref()).await?);
                continue;
            };
            let at = Timestamp::from_millis(header.at);
            if header.kind != Kind::RunDecision || at < span.from || at >= span.to {
                continue;
            }
            let looked = report.impact.judged.saturating_add(report.not_comparable);
            // Those of one millisecond are in one report: the next one begins before it.
            if looked >= span.limit && last != Some(header.at) {
                report.ends_at(header.at);
                return Ok(());
            }
            last = Some(header.at);
            if again(&entry, layer, &mut report.impact).is_none() {
                report.not_comparable = report.not_comparable.saturating_add(1);
            }
        }
    }

    async fn note(
        &self,
        ctx: &WorkspaceCtx,
        bundle: Versioned<StoredBundle>,
        report: &ImpactReport,
        digest: &str,
    ) -> Result<(), PolicyError> {
        let mut after = bundle.value;
        after.impact = Some(ImpactNote {
            report: digest.to_owned(),
            judged: report.impact.judged,
            flipped: report.impact.flipped,
            at: self.ports.clock.now(),
        });
        let key = StoredBundle::key(ctx.workspace(), &after.digest);
        let mut row = Directory::write(key, Some(bundle.version), &after)?;
        row.cites = bundle.evidence;
        if self.ports.state.write(vec![row]).await? {
            Ok(())
        } else {
            Err(AdminError::Changed.into())
        }
    }
}

/// Whoever may change the rules, and auditors.
fn reader(principal: &Principal) -> Result<(), AdminError> {
    if principal.role() == Some(Role::Auditor) {
        return Ok(());
    }
    administrator(principal).map(drop)
}

fn before(now: Timestamp, by: Duration) -> Timestamp {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(by))
}

/// Judges a recorded decision again; `None` where its question cannot be asked.
fn again(entry: &StoredEntry, layer: &Layer, impact: &mut Impact) -> Option<()> {
    let Some(StoredPart::Present { bytes, .. }) = &entry.facts else {
        return None;
    };
    let facts = Json::parse(bytes).ok()?;
    let text = |name: &str| facts.get(name).and_then(Json::as_str);
    let (phase, broken) = match Again::of(&facts) {
        Again::As(phase) => (phase, false),
        Again::Broken => (Phase::Propose, true),
        Again::Never(_) | Again::OfNoPhase => return None,
    };
    let request = Request::read(facts.get("request")?.clone()).ok()?;
    let layers = Layers {
        baseline: baseline(),
        workspace: Ok(layer),
    };
    let before = outcome(&facts)?;
    let request = Ok(request);
    let of = |phase| judge(layers, &request, phase, &|| Duration::ZERO);
    let verdict = of(phase);
    // With more approvals than it had it would have been carried out all the same: that it would have been
    // held for them is what its proposal says.
    let asked_for_more = || {
        let ladder = of(Phase::Propose);
        !ladder.denied() && u64::from(ladder.approvals) > given(&facts)
    };
    let was_allowed = phase == Phase::Execute && before.effect == Effect::Allow;
    let was_held = was_allowed && verdict.denied() && asked_for_more();
    let (decision, action) = (text("decision")?, text("action")?);
    if was_held || (broken && !verdict.denied()) {
        // The glass would have replaced these approvals as well.
        impact.same(&before);
    } else {
        impact.add(decision, action, before, &verdict);
    }
    Some(())
}

/// The approvals that a decision counted.
fn given(facts: &Json) -> u64 {
    let base = facts
        .get("request")
        .and_then(|it| it.get("context")?.get("base"));
    let count = base.and_then(|base| base.get("approvals")?.get("count")?.as_uint());
    count.unwrap_or(0)
}

/// What a decision was.
fn outcome(facts: &Json) -> Option<Outcome> {
    let effect = facts.get("effect")?.as_str()?;
    let approvals = facts.get("approvals").and_then(Json::as_uint);
    let layers = facts.get("layers").and_then(Json::as_array);
    let deciding = layers.into_iter().flatten();
    let deciding =
        deciding.filter(|layer| layer.get("effect").and_then(Json::as_str) == Some(effect));
    let policies = deciding.filter_map(|layer| layer.get("policies").and_then(Json::as_array));
    let ids = policies.flatten().filter_map(|it| it.get("id")?.as_str());
    let mut rules: Vec<String> = ids.map(str::to_owned).collect();
    rules.sort();
    if rules.is_empty() {
        rules.extend(facts.get("rule").and_then(Json::as_str).map(str::to_owned));
    }
    Some(Outcome {
        effect: match effect {
            "ALLOW" => Effect::Allow,
            "REQUIRE" => Effect::Require,
            _ => Effect::Deny,
        },
        approvals: u8::try_from(approvals.unwrap_or(0)).ok()?,
        rules,
    })
}
