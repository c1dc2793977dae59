//! Headers, parts, order, redaction and holds.

use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::Verdict;

use super::documents::set;
use super::{Row, export, judge, run, written};
use crate::forge::{
    Forge, Part, Sealer, at, check, fields, items, recommit, relink, with, without,
};
use crate::rules::{base, everything, hold, opening, party, seq, simple_run};

const ROWS: &[Row] = &[
    ("1", "alter a part", || export(alter), "E_PART_HASH"),
    (
        "1r",
        "alter a part of a run package",
        || run(|p| set(at(p, "entries/0/p/facts/d"), "x", Json::Null)),
        "E_PART_HASH",
    ),
    (
        "2",
        "alter a part, recommit",
        || {
            export(|p| {
                alter(p);
                recommit(entry(p, seq::OPEN));
            })
        },
        "E_PREV",
    ),
    (
        "3",
        "alter, recommit, relink",
        || {
            export(|p| {
                alter(p);
                recommit(entry(p, seq::OPEN));
                relink(p);
            })
        },
        "E_ROOT",
    ),
    (
        "4",
        "drop an entry",
        || export(|p| drop_entry(p, seq::OBSERVED)),
        "E_SEQ",
    ),
    (
        "5",
        "drop an entry, relink",
        || {
            export(|p| {
                drop_entry(p, seq::EXECUTED);
                relink(p);
            })
        },
        "E_ROOT",
    ),
    (
        "6",
        "reorder",
        || export(|p| items(at(p, "entries")).swap(3, 4)),
        "E_SEQ",
    ),
    (
        "7",
        "reorder, relink",
        || {
            export(|p| {
                items(at(p, "entries")).swap(12, 13);
                relink(p);
            })
        },
        "E_TIME",
    ),
    (
        "8",
        "duplicate an entry",
        || {
            export(|p| {
                let copy = entry(p, 3).clone();
                items(at(p, "entries")).insert(3, copy);
            })
        },
        "E_SEQ",
    ),
    (
        "9",
        "cut tail entries, keep seals",
        || {
            export(|p| {
                items(at(p, "entries")).truncate(16);
            })
        },
        "E_TRUNCATED",
    ),
    (
        "11",
        "append a copied tail",
        || {
            export(|p| {
                let copy = entry(p, 15).clone();
                items(at(p, "entries")).push(copy);
            })
        },
        "E_SEQ",
    ),
    (
        "11b",
        "append a linked tail",
        || {
            export(|p| {
                let mut copy = entry(p, 16).clone();
                set(at(&mut copy, "h"), "at", Json::uint(2_000_000_000_000));
                items(at(p, "entries")).push(copy);
                relink(p);
            })
        },
        "E_UNSEALED_TAIL",
    ),
    (
        "14",
        "entry of another tenant",
        || {
            export(|p| {
                set(
                    at(p, "entries/3/h"),
                    "stream",
                    counterfoil_evidence::hash::Hash::ZERO.into(),
                )
            })
        },
        "E_STREAM",
    ),
    ("21", "backdate a header", backdated, "E_TIME"),
    (
        "21b",
        "backdate a header, relink",
        || {
            export(|p| {
                set(at(p, "entries/16/h"), "at", Json::Int(1));
                relink(p);
            })
        },
        "E_TIME",
    ),
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
        "40",
        "unknown header field",
        || export(|p| set(at(p, "entries/3/h"), "x", Json::Null)),
        "E_HDR_FIELDS",
    ),
    (
        "41",
        "algorithm md5",
        || export(|p| set(at(p, "entries/3/h"), "alg", "md5".into())),
        "E_ALG",
    ),
    (
        "42",
        "v true",
        || export(|p| set(at(p, "entries/3/h"), "v", true.into())),
        "E_VERSION",
    ),
    (
        "42b",
        "v 2",
        || export(|p| set(at(p, "entries/3/h"), "v", Json::Int(2))),
        "E_VERSION",
    ),
    (
        "43",
        "seq as a string",
        || export(|p| set(at(p, "entries/3/h"), "seq", "3".into())),
        "E_TYPES",
    ),
    ("45", "upper-case hex", || export(upper_case), "E_TYPES"),
    (
        "54",
        "parts swapped between two entries",
        || {
            export(|p| {
                let part = at(p, "entries/1/p/facts").clone();
                *at(p, "entries/6/p/facts") = part;
            })
        },
        "E_PART_HASH",
    ),
    (
        "55",
        "salt shortened",
        || {
            export(|p| {
                let Json::Str(salt) = at(p, "entries/3/p/facts/s") else {
                    panic!()
                };
                salt.truncate(62);
            })
        },
        "E_PART_HASH",
    ),
    (
        "65i",
        "header over 2048 bytes",
        || export(|p| set(at(p, "entries/1/h/run"), "id", "x".repeat(2048).into())),
        "E_RUN_FIELD",
    ),
    (
        "74",
        "unknown kind",
        || export(|p| set(at(p, "entries/3/h"), "kind", "run.paused".into())),
        "E_KIND",
    ),
    (
        "81",
        "run field on export.issued",
        || {
            written(|f| {
                f.add("export.issued", Some("r9"), from_to(), None);
            })
        },
        "E_RUN_FIELD",
    ),
    (
        "81b",
        "no run field on run.decision",
        || {
            export(|p| {
                fields(at(p, "entries/2/h")).remove("run");
            })
        },
        "E_RUN_FIELD",
    ),
    (
        "82",
        "unknown part name",
        || {
            export(|p| {
                let hash = at(p, "entries/3/h/prev").clone();
                set(at(p, "entries/3/h/parts"), "extra", hash);
            })
        },
        "E_PART_NAME",
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
    ("75", "second genesis", second_genesis, "E_GENESIS"),
    ("75b", "first entry is not genesis", no_genesis, "E_GENESIS"),
    (
        "75c",
        "descriptor in genesis has true for 1",
        || genesis_of(|d| set(d, "v", true.into())),
        "E_GENESIS",
    ),
    (
        "76",
        "entry after stream.close",
        || {
            written(|f| {
                f.add(
                    "stream.close",
                    None,
                    object([("reason", "moved".into())]),
                    None,
                );
                f.add("export.issued", None, from_to(), None);
            })
        },
        "E_AFTER_CLOSE",
    ),
    (
        "86",
        "facts field missing",
        || {
            written(|f| {
                f.add("hold.set", None, object([("hold", "h2".into())]), None);
            })
        },
        "E_FACTS",
    ),
    (
        "86b",
        "facts field of a wrong type",
        || {
            written(|f| {
                f.add(
                    "export.issued",
                    None,
                    with(from_to(), "to", "16".into()),
                    None,
                );
            })
        },
        "E_FACTS",
    ),
    (
        "86c",
        "actor without an id",
        || {
            written(|f| {
                f.add(
                    "export.issued",
                    None,
                    with(from_to(), "actor", without(party("u"), "id")),
                    None,
                );
            })
        },
        "E_FACTS",
    ),
    (
        "86d",
        "fileref with a further field",
        || {
            written(|f| {
                let facts = with(
                    opening(),
                    "inputs",
                    Json::Array(vec![with(crate::rules::output("a", "b"), "x", Json::Null)]),
                );
                f.add("run.open", Some("r9"), facts, None);
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
fn entries_are_refused() {
    judge(ROWS);
}

fn entry(package: &mut Json, seq: usize) -> &mut Json {
    &mut items(at(package, "entries"))[seq]
}

fn drop_entry(package: &mut Json, seq: usize) {
    items(at(package, "entries")).remove(seq);
}

fn alter(package: &mut Json) {
    set(
        at(package, &format!("entries/{}/p/facts/d", seq::OPEN)),
        "extra",
        Json::Int(1),
    );
}

fn from_to() -> Json {
    object([("from", Json::uint(0)), ("to", Json::uint(16))])
}

fn backdated() -> Verdict {
    export(|package| set(at(package, "entries/15/h"), "at", Json::Int(1)))
}

fn upper_case(package: &mut Json) {
    let Json::Str(text) = at(package, "entries/3/h/prev") else {
        panic!()
    };
    *text = text.to_uppercase();
}

fn facts_hidden(seq: usize) -> Verdict {
    let mut forge = base();
    let mut facts = with(forge.redact_facts(4, "lost"), "seq", Json::uint(seq as u64));
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

fn second_genesis() -> Verdict {
    written(|forge| {
        let facts = object([("descriptor", forge.descriptor.to_json())]);
        forge.add("genesis", None, facts, None);
    })
}

fn descriptor() -> Descriptor {
    Descriptor::for_owner("prj_1", [1; 32], 1, vec![Sealer::new(1).key.hash()])
}

fn no_genesis() -> Verdict {
    let mut forge = Forge::empty(descriptor(), &Sealer::new(1));
    simple_run(&mut forge, "r1");
    forge.seal();
    check(&forge.export(), &forge.trust())
}

fn genesis_of(change: fn(&mut Json)) -> Verdict {
    let mut forge = Forge::empty(descriptor(), &Sealer::new(1));
    let mut named = descriptor().to_json();
    change(&mut named);
    forge.add("genesis", None, object([("descriptor", named)]), None);
    forge.seal();
    check(&forge.export(), &forge.trust())
}

/// Row 22: the redact entry gone, another entry in its place, everything linked again.
#[test]
fn a_redact_entry_cannot_be_replaced() {
    let verdict = export(|package| {
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
    });
    assert_eq!(crate::forge::outcome(&verdict), "E_ROOT");
}
