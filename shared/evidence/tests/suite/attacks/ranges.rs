//! Range exports.

use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::verify::Verdict;

use super::documents::set;
use super::{Row, judge};
use crate::forge::{Forge, at, check, fields, items, recommit};
use crate::rules::{base, seq};

const FROM: usize = 3;
const TO: usize = 10;

pub(super) const ROWS: &[Row] = &[
    (
        "95",
        "entry missing",
        || {
            range(|p| {
                items(at(p, "entries")).remove(2);
            })
        },
        "E_RANGE",
    ),
    (
        "95b",
        "last entry cut, borders moved",
        || {
            range(|p| {
                items(at(p, "entries")).pop();
                set(p, "to", Json::uint(9));
            })
        },
        "E_ENTRY_FIELDS",
    ),
    (
        "95c",
        "part altered",
        || range(|p| set(at(p, "entries/2/p/facts/d"), "x", Json::Null)),
        "E_PART_HASH",
    ),
    ("95d", "header altered and relinked", altered, "E_INCLUSION"),
    (
        "95e",
        "extra redact entry that no part names",
        unused_extra,
        "E_RANGE",
    ),
    (
        "95f",
        "an observation as an extra",
        || foreign_extra(seq::OBSERVED),
        "E_RANGE",
    ),
    (
        "95g",
        "before is not the neighbour",
        || {
            range(|p| {
                let header = base().entries[1].header.clone();
                set(p, "before", object([("h", header)]));
            })
        },
        "E_RANGE",
    ),
    (
        "95h",
        "after is not the neighbour",
        || {
            range(|p| {
                let after = crate::forge::without(base().proven(11, 12), "p");
                set(p, "after", after);
            })
        },
        "E_RANGE",
    ),
    (
        "95i",
        "a seal that covers nothing of the range",
        small_seal,
        "E_RANGE",
    ),
    (
        "95j",
        "a seal too many",
        || {
            range(|p| {
                let last = base().seals[2].clone();
                items(at(p, "seals")).push(last.into());
            })
        },
        "E_RANGE",
    ),
    (
        "95k",
        "the covering seal left out",
        || {
            range(|p| {
                items(at(p, "seals")).pop();
            })
        },
        "E_RANGE",
    ),
    (
        "95l",
        "redact entry of an absent part left out",
        || {
            let forge = base();
            check(
                &crate::forge::with(forge.range(1, 4), "extra", Json::Array(vec![])),
                &forge.trust(),
            )
        },
        "E_TOMBSTONE_ABSENT",
    ),
    (
        "96b",
        "period wider than the range",
        || period(-1, 1),
        "E_RANGE",
    ),
    (
        "96c",
        "period ends later than the range",
        || period(1, 60),
        "E_RANGE",
    ),
    (
        "96d",
        "period without its left neighbour",
        no_left,
        "E_RANGE",
    ),
    (
        "96e",
        "half a period",
        || range(|p| set(p, "from_at", Json::uint(1))),
        "E_RANGE",
    ),
    (
        "76b",
        "entry after stream.close",
        || closed(true),
        "E_AFTER_CLOSE",
    ),
    (
        "76c",
        "ends at stream.close, the stream goes on",
        || closed(false),
        "E_AFTER_CLOSE",
    ),
    (
        "100j",
        "facts hidden",
        || range(|p| *at(p, "entries/2/p/facts") = object([("x", Json::uint(14))])),
        "E_FACTS_PROTECTED",
    ),
    ("95m", "head of a covered seal", wrong_head, "E_HEAD"),
];

#[test]
fn ranges_are_refused() {
    judge(ROWS);
}

fn range(change: fn(&mut Json)) -> Verdict {
    let forge = base();
    let mut package = forge.range(FROM, TO);
    change(&mut package);
    check(&package, &forge.trust())
}

/// The last entry changed: its link holds, its proof does not.
fn altered() -> Verdict {
    range(|package| {
        let last = TO - FROM - 1;
        set(
            at(package, &format!("entries/{last}/p/facts/d")),
            "x",
            Json::Null,
        );
        recommit(at(package, &format!("entries/{last}")));
        fields(package).remove("after");
    })
}

fn foreign_extra(seq: usize) -> Verdict {
    let forge = base();
    let mut package = forge.range(12, 14);
    items(at(&mut package, "extra")).push(forge.proven(seq, 17));
    check(&package, &forge.trust())
}

fn unused_extra() -> Verdict {
    foreign_extra(seq::REDACT)
}

fn small_seal() -> Verdict {
    let forge = base();
    let mut package = forge.range(7, 10);
    items(at(&mut package, "seals")).insert(0, forge.seals[0].as_str().into());
    check(&package, &forge.trust())
}

/// A period that begins and ends this many ms before and after the range's entries.
fn period(before: i64, after: i64) -> Verdict {
    let forge = base();
    let mut package = forge.range(FROM, TO);
    let time = |seq: usize| i64::try_from(forge.entries[seq].at()).unwrap();
    set(&mut package, "from_at", Json::Int(time(FROM) - before));
    set(&mut package, "to_at", Json::Int(time(TO - 1) + after));
    check(&package, &forge.trust())
}

fn no_left() -> Verdict {
    let forge = base();
    let mut package = forge.range(FROM, TO);
    set(
        &mut package,
        "from_at",
        Json::uint(forge.entries[FROM].at() - 1),
    );
    set(
        &mut package,
        "to_at",
        Json::uint(forge.entries[TO - 1].at() + 1),
    );
    fields(&mut package).remove("before");
    check(&package, &forge.trust())
}

fn closed(inside: bool) -> Verdict {
    let mut forge = base();
    forge.add(
        "stream.close",
        None,
        object([("reason", "moved".into())]),
        None,
    );
    forge.add(
        "export.issued",
        None,
        object([("from", Json::uint(0)), ("to", Json::uint(1))]),
        None,
    );
    forge.seal();
    let to = forge.entries.len() - usize::from(!inside);
    check(&forge.range(14, to), &forge.trust())
}

fn wrong_head() -> Verdict {
    let mut forge = Forge::new("prj_1", &crate::forge::Sealer::new(1));
    crate::rules::simple_run(&mut forge, "a");
    let mut body = forge.next_body();
    body.head = body.root;
    forge.seal_as(&body);
    crate::rules::simple_run(&mut forge, "b");
    forge.seal();
    check(&forge.range(3, 9), &forge.trust())
}
