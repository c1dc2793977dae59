//! Absent parts, redaction and legal holds.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::Verdict;

use super::documents::set;
use super::entries::entry;
use super::{Row, export, judge, run, written};
use crate::forge::{Forge, Part, at, check, fields, items, relink, with};
use crate::rules::{base, everything, hold, party, seq};

pub(super) const ROWS: &[Row] = &[
    (
        "23",
        "hide a part behind another part's redact entry",
        || export(|p| *at(p, "entries/4/p/subject") = object([("x", Json::uint(14))])),
        "E_TOMBSTONE_TARGET",
    ),
    (
        "24",
        "remove a part silently",
        || {
            export(|p| {
                fields(at(p, "entries/4/p")).remove("subject");
            })
        },
        "E_PART_SET",
    ),
    (
        "24r",
        "same in a run package",
        || {
            run(|p| {
                fields(at(p, "entries/3/p")).remove("subject");
            })
        },
        "E_PART_SET",
    ),
    (
        "25",
        "run package without its redact entry",
        || {
            run(|p| {
                items(at(p, "entries")).pop();
            })
        },
        "E_TOMBSTONE_ABSENT",
    ),
    (
        "83",
        "part hidden without a later redact entry",
        || export(|p| *at(p, "entries/4/p/subject") = object([("x", Json::uint(4))])),
        "E_PART_MISSING",
    ),
    (
        "84",
        "part explained by an entry of another kind",
        || export(|p| *at(p, "entries/4/p/subject") = object([("x", Json::uint(15))])),
        "E_TOMBSTONE_KIND",
    ),
    (
        "56",
        "redacted part restored from a backup",
        restored,
        "E_REDACTED_PRESENT",
    ),
    (
        "57",
        "redact under a hold on the run",
        || under_hold(object([("run", "r1".into())]), "erasure_request"),
        "E_HOLD",
    ),
    (
        "57b",
        "redact under a hold on a range",
        || {
            under_hold(
                object([("from", Json::uint(4)), ("to", Json::uint(5))]),
                "gdpr",
            )
        },
        "E_HOLD",
    ),
    (
        "57c",
        "redact under a hold on everything",
        || under_hold(everything(), "erasure_request"),
        "E_HOLD",
    ),
    (
        "57e",
        "release of a hold that is not active",
        || {
            written(|f| {
                f.add("hold.release", None, object([("hold", "h1".into())]), None);
            })
        },
        "E_HOLD_STATE",
    ),
    (
        "57e2",
        "hold set twice",
        || {
            written(|f| {
                for _ in 0..2 {
                    f.add("hold.set", None, hold("h2", everything()), None);
                }
            })
        },
        "E_HOLD_STATE",
    ),
    (
        "57j",
        "loss of one part, erasure of another under a hold",
        || {
            written(|f| {
                f.add("hold.set", None, hold("h2", everything()), None);
                f.redact(seq::EXECUTED, "lost");
                f.redact(seq::HELD, "erasure_request");
            })
        },
        "E_HOLD",
    ),
    (
        "57p",
        "part declared lost and still present",
        || {
            written(|f| {
                let facts = f.redact_facts(seq::EXECUTED, "lost");
                f.add("redact", None, facts, None);
            })
        },
        "E_REDACTED_PRESENT",
    ),
    (
        "85",
        "facts of genesis redacted",
        || facts_hidden(0),
        "E_FACTS_PROTECTED",
    ),
    (
        "85b",
        "facts of hold.set redacted",
        || facts_hidden(seq::HOLD_SET),
        "E_FACTS_PROTECTED",
    ),
    (
        "100",
        "facts of run.open redacted",
        || facts_hidden(seq::OPEN),
        "E_FACTS_PROTECTED",
    ),
    (
        "100b",
        "facts of run.decision redacted",
        || facts_hidden(seq::DECISION),
        "E_FACTS_PROTECTED",
    ),
    (
        "100c",
        "facts of run.resolution redacted",
        || facts_hidden(seq::VOTE_1),
        "E_FACTS_PROTECTED",
    ),
    (
        "100d",
        "facts of repair.executed redacted",
        || facts_hidden(seq::EXECUTED),
        "E_FACTS_PROTECTED",
    ),
    (
        "100e",
        "facts of run.close redacted",
        || facts_hidden(seq::CLOSE),
        "E_FACTS_PROTECTED",
    ),
    (
        "100f",
        "facts of incident.opened redacted",
        || {
            let mut forge = base();
            let facts = object([("actor", party("a")), ("target", party("t"))]);
            forge.add("incident.opened", None, facts, None);
            facts_hidden_in(forge, 17, "gdpr")
        },
        "E_FACTS_PROTECTED",
    ),
    (
        "100g",
        "facts redacted as lost",
        || facts_hidden_in(base(), seq::OBSERVED, "lost"),
        "E_FACTS_PROTECTED",
    ),
    (
        "22",
        "delete the redact entry, relink",
        replaced_redact,
        "E_ROOT",
    ),
    (
        "100h",
        "facts hidden behind the redact entry of the subject",
        || export(|p| *at(p, "entries/2/p/facts") = object([("x", Json::uint(14))])),
        "E_FACTS_PROTECTED",
    ),
    (
        "100i",
        "facts hidden in a run package",
        || run(|p| *at(p, "entries/0/p/facts") = object([("x", Json::uint(14))])),
        "E_FACTS_PROTECTED",
    ),
    (
        "100k",
        "redact entry that names facts, facts present",
        || {
            written(|f| {
                let facts = with(f.redact_facts(4, "gdpr"), "part", "facts".into());
                f.add("redact", None, facts, None);
            })
        },
        "E_FACTS",
    ),
    (
        "99",
        "redact entry for an entry that does not exist yet",
        || {
            written(|f| {
                let facts = with(f.redact_facts(4, "gdpr"), "seq", Json::uint(99));
                f.add("redact", None, facts, None);
            })
        },
        "E_TOMBSTONE_TARGET",
    ),
    (
        "99b",
        "one part redacted twice",
        || {
            written(|f| {
                let facts = f.redact_facts(seq::DECISION, "gdpr");
                f.add("redact", None, facts, None);
            })
        },
        "E_REDACTED_PRESENT",
    ),
    (
        "99c",
        "redact entry with another commitment",
        || {
            written(|f| {
                let facts = with(
                    f.redact_facts(4, "gdpr"),
                    "commit",
                    f.entries[7].commit("subject"),
                );
                f.add("redact", None, facts, None);
                f.entries[4].parts.insert("subject", Part::Absent(17));
            })
        },
        "E_TOMBSTONE_TARGET",
    ),
];

#[test]
fn erasures_are_refused() {
    judge(ROWS);
}

fn facts_hidden(seq: usize) -> Verdict {
    facts_hidden_in(base(), seq, "gdpr")
}

fn facts_hidden_in(mut forge: Forge, seq: usize, reason: &str) -> Verdict {
    let mut facts = with(forge.redact_facts(4, reason), "seq", Json::uint(seq as u64));
    let target = forge.entries[seq].clone();
    set(&mut facts, "commit", target.commit("facts"));
    set(&mut facts, "entry", target.leaf.into());
    set(&mut facts, "part", "facts".into());
    let by = forge.entries.len() as u64;
    forge.add("redact", None, facts, None);
    forge.entries[seq].parts.insert("facts", Part::Absent(by));
    forge.seal();
    check(&forge.export(), &forge.trust())
}

fn restored() -> Verdict {
    let mut forge = base();
    let part = forge.entries[seq::EXECUTED].parts["subject"].clone();
    forge.redact(seq::EXECUTED, "erasure_request");
    forge.seal();
    forge.entries[seq::EXECUTED].parts.insert("subject", part);
    check(&forge.export(), &forge.trust())
}

fn under_hold(target: Json, reason: &str) -> Verdict {
    let mut forge = base();
    forge.add("hold.set", None, hold("h2", target), None);
    forge.redact(seq::EXECUTED, reason);
    forge.seal();
    check(&forge.export(), &forge.trust())
}

/// The redact entry gone, another entry in its place, everything linked again.
fn replaced_redact() -> Verdict {
    export(|package| {
        let other = entry(package, seq::OBSERVED).clone();
        *entry(package, seq::REDACT) = other;
        relink(package);
        set(
            at(package, "entries/15/h"),
            "at",
            Json::uint(2_000_000_000_000),
        );
        set(
            at(package, "entries/16/h"),
            "at",
            Json::uint(2_000_000_000_000),
        );
        relink(package);
    })
}
