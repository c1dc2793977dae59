//! Headers, parts, order, redaction and holds.

use counterfoil_evidence::descriptor::Descriptor;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::Verdict;

use super::documents::set;
use super::{Row, export, judge, run, written};
use crate::forge::{Forge, Sealer, at, check, fields, items, recommit, relink, with, without};
use crate::rules::{opening, party, seq, simple_run};

pub(super) const ROWS: &[Row] = &[
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
                );
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
];

#[test]
fn entries_are_refused() {
    judge(ROWS);
}

pub(super) fn entry(package: &mut Json, seq: usize) -> &mut Json {
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
