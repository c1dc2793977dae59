//! Facts of valid entries, and the stream that the attacks start from.

use counterfoil_evidence::hash::{Hash, digest_string};
use counterfoil_evidence::json::{Json, object};

use crate::forge::{Forge, Sealer, with};

pub fn digest(text: &str) -> Json {
    digest_string(text.as_bytes()).into()
}

pub fn party(id: &str) -> Json {
    object([("id", id.into()), ("type", "user".into())])
}

pub fn opening() -> Json {
    object([
        ("artifact", digest("artifact")),
        ("flow", digest("flow")),
        ("inputs", Json::Array(vec![output("snap/0", "snapshot")])),
        ("policy_bundles", Json::Array(vec![digest("baseline")])),
    ])
}

pub fn output(name: &str, content: &str) -> Json {
    object([
        ("bytes", Json::uint(content.len() as u64)),
        ("hash", digest(content)),
        ("ref", name.into()),
    ])
}

pub fn decision(effect: &str, action: &str) -> Json {
    object([
        ("action", "repair.execute".into()),
        ("action_hash", digest(action)),
        ("baseline", digest("baseline")),
        ("effect", effect.into()),
        ("policy", digest("policy")),
        ("reason", "matched a rule".into()),
        ("rule", "base.permit".into()),
    ])
}

pub fn resolution(decision: Hash, approver: &str, effect: &str) -> Json {
    object([
        ("approver", approver.into()),
        ("decision", decision.into()),
        ("effect", effect.into()),
    ])
}

pub fn step(decision: Hash, action: &str) -> Json {
    object([
        ("action_hash", digest(action)),
        ("decision", decision.into()),
    ])
}

/// Counts: decisions, allow, require, deny, unresolved, overrides.
pub fn closing(counts: [u64; 6]) -> Json {
    let names = [
        "decisions",
        "allow",
        "require",
        "deny",
        "unresolved",
        "overrides",
    ];
    let counts = names
        .into_iter()
        .zip(counts)
        .map(|(name, count)| (name, Json::uint(count)));
    let rest = [
        ("outputs", Json::Array(vec![output("out/report", "report")])),
        ("status", "completed".into()),
    ];
    object(counts.chain(rest))
}

pub fn hold(name: &str, target: Json) -> Json {
    object([("hold", name.into()), ("target", target)])
}

pub fn everything() -> Json {
    object([("all", Json::from(true))])
}

pub fn subject(text: &str) -> Json {
    object([("customer", text.into()), ("note", "caf\u{e9}".into())])
}

/// A run with one ALLOW decision and its effect.
pub fn simple_run(forge: &mut Forge, id: &str) -> Hash {
    forge.add("run.open", Some(id), opening(), None);
    let decided = forge.add(
        "run.decision",
        Some(id),
        decision("ALLOW", id),
        Some(subject("cus_1")),
    );
    forge.add("repair.started", Some(id), step(decided, id), None);
    forge.add(
        "repair.executed",
        Some(id),
        step(decided, id),
        Some(subject("cus_1")),
    );
    forge.add("run.close", Some(id), closing([1, 1, 0, 0, 0, 0]), None)
}

/// Entry numbers of [`base`].
pub mod seq {
    pub const OPEN: usize = 1;
    pub const DECISION: usize = 2;
    pub const EXECUTED: usize = 4;
    pub const CLOSE: usize = 5;
    pub const HELD: usize = 7;
    pub const VOTE_1: usize = 8;
    pub const HOLD_SET: usize = 12;
    pub const REDACT: usize = 14;
    pub const OBSERVED: usize = 15;
}

/// Two runs (`r1` with an allowed repair, `r2` with a REQUIRE and two approvals), a hold set and
/// released, a redaction, an export; seals of sizes 6, 12 and 17.
pub fn base() -> Forge {
    let mut forge = Forge::new("prj_base", &Sealer::new(1));
    simple_run(&mut forge, "r1");
    forge.seal();
    forge.add("run.open", Some("r2"), opening(), None);
    let facts = with(decision("REQUIRE", "held"), "approvals", Json::uint(2));
    let held = forge.add("run.decision", Some("r2"), facts, Some(subject("cus_2")));
    forge.add(
        "run.resolution",
        Some("r2"),
        resolution(held, "usr_1", "ALLOW"),
        None,
    );
    forge.add(
        "run.resolution",
        Some("r2"),
        resolution(held, "usr_2", "ALLOW"),
        Some(subject("why")),
    );
    forge.add(
        "run.action",
        Some("r2"),
        with(step(held, "held"), "status", "executed".into()),
        None,
    );
    forge.add("run.close", Some("r2"), closing([1, 0, 1, 0, 0, 0]), None);
    forge.seal();
    forge.add(
        "hold.set",
        None,
        hold("h1", object([("run", "r1".into())])),
        None,
    );
    forge.add("hold.release", None, object([("hold", "h1".into())]), None);
    forge.redact(seq::DECISION, "erasure_request");
    let observed = object([
        ("result", "ok".into()),
        ("target", party("key_1")),
        ("topic", "probe.stripe_key".into()),
    ]);
    forge.add("observation.recorded", None, observed, None);
    let issued = object([("from", Json::uint(0)), ("to", Json::uint(16))]);
    forge.add("export.issued", None, issued, None);
    forge.seal();
    forge
}
