//! The entries of a day: `observation.recorded`, topics `webhook.health` and `webhook.refused`
//! (evidence-format section 6).

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::WebhookHealth;
use crate::connection::Standing;
use crate::records::Project;
use crate::tenancy::TenantCtx;
use crate::time::Timestamp;
use crate::usecases::facts::{actor, target};
use crate::webhook::{MissedCounts, MissedEvents, Tally};

/// The entries of a day.
pub(super) fn drafts(ctx: &TenantCtx, project: &Project, health: &WebhookHealth) -> Vec<Draft> {
    let mut facts = vec![health_of(ctx, project, health)];
    if health.tally.total(true) > 0 {
        facts.push(refused(ctx, project, health));
    }
    let draft = |facts| Draft::new(Kind::ObservationRecorded, facts);
    facts.into_iter().map(draft).collect()
}

fn observed(
    ctx: &TenantCtx,
    project: &Project,
    topic: &'static str,
    result: Standing,
    health: &WebhookHealth,
) -> Vec<(&'static str, Json)> {
    vec![
        ("actor", actor(ctx.principal())),
        ("day", health.date().into()),
        ("result", result.name().into()),
        ("target", target("project", project.id)),
        ("topic", topic.into()),
    ]
}

fn counts(tally: &Tally, refused: bool) -> Json {
    let kept = tally
        .counts
        .iter()
        .filter(|(it, _)| it.refused() == refused);
    object(kept.map(|(outcome, count)| (outcome.name(), Json::uint(*count))))
}

fn health_of(ctx: &TenantCtx, project: &Project, health: &WebhookHealth) -> Json {
    let tally = &health.tally;
    let mut fields = observed(ctx, project, "webhook.health", health.standing(), health);
    fields.push(("counts", counts(tally, false)));
    fields.push(("max_lag_ms", Json::uint(tally.max_lag_ms)));
    fields.push(("refused", Json::uint(tally.total(true))));
    fields.push(("taken", Json::uint(tally.total(false))));
    let at = |at: Timestamp| Json::uint(at.as_millis());
    fields.extend(tally.last_at.map(|last| ("last_at", at(last))));
    let ended = tally.deauthorized_at;
    fields.extend(ended.map(|end| ("deauthorized_at", at(end))));
    fields.extend(health.missed.as_ref().map(|it| ("missed", missed(it))));
    object(fields)
}

fn missed(missed: &MissedEvents) -> Json {
    match missed {
        MissedEvents::Absent(why) => object([("absent", why.name().into())]),
        MissedEvents::Counted(counts) => counted(counts),
    }
}

fn counted(counts: &MissedCounts) -> Json {
    let kinds = counts.kinds.iter();
    let kinds = kinds.map(|(kind, count)| {
        object([
            ("kind", kind.as_str().into()),
            ("missing", Json::uint(*count)),
        ])
    });
    object([
        ("asked", Json::uint(counts.asked)),
        ("complete", counts.complete.into()),
        ("kinds", Json::Array(kinds.collect())),
        ("left", Json::uint(counts.left)),
        ("listed", Json::uint(counts.listed)),
        ("looked", Json::uint(counts.looked)),
        ("missing", Json::uint(counts.missing)),
    ])
}

fn refused(ctx: &TenantCtx, project: &Project, health: &WebhookHealth) -> Json {
    let mut fields = observed(ctx, project, "webhook.refused", Standing::Warning, health);
    fields.push(("counts", counts(&health.tally, true)));
    object(fields)
}
