//! Rows that must be accepted: what one package cannot show, and the controls. Each has the verdict
//! that belongs to it, because "accepted" alone would hide a level too high.

use counterfoil_evidence::package::tar;
use counterfoil_evidence::verify::{Accepted, Package, Verdict};

mod outside;
mod played;
mod streams;

use outside::{Genuine, cosign, one_key_twice, stamped, witnessed};
use played::{aborted, begun, later_run, result_later, run_of};
pub use streams::gzip;
use streams::{
    branch, comment, cut, erased, everything_in_use, forged_version, heartbeat, linked,
    lost_under_two, older, other_signature, other_tenant, output, period, r1, r2, range,
    released_later, unanchored, versions, whole,
};

use crate::attacks::anchors;
use crate::attacks::folders::files;
use crate::forge::Forge;
use crate::rules::{base, everything};
use crate::second::verify;

/// Number, what it is, how it is made, and the verdict in short.
pub type Row = (&'static str, &'static str, fn() -> Verdict, &'static str);

const BASE: &str = "L2 kept r1=clean r2=clean";

pub const ROWS: &[Row] = &[
    (
        "10",
        "cut tail and newer seals, no anchor",
        || unanchored(&cut()),
        "L2 kept x=clean",
    ),
    (
        "17",
        "package of another tenant under its own pin",
        other_tenant,
        "L2 kept r1=clean",
    ),
    (
        "49",
        "fork signed with the genuine key, no anchor",
        || unanchored(&anchors::second_history()),
        "L2 kept r1=clean x=clean y=clean z=clean",
    ),
    (
        "57d",
        "erasure while the hold is on another run",
        || erased("gdpr", r2()),
        BASE,
    ),
    (
        "57f",
        "loss under a hold on the run",
        || erased("lost", r1()),
        LOST,
    ),
    (
        "57g",
        "loss under a hold on a range",
        || erased("lost", range(4, 5)),
        LOST,
    ),
    (
        "57h",
        "loss under a hold on everything",
        || erased("lost", everything()),
        LOST,
    ),
    (
        "57i",
        "loss under a hold that was released later",
        released_later,
        LOST,
    ),
    (
        "57k",
        "loss while the hold is on another run",
        || erased("lost", r2()),
        BASE,
    ),
    (
        "57l",
        "loss while the hold is on other entries",
        || erased("lost", range(5, 9)),
        BASE,
    ),
    (
        "57m",
        "loss under two holds",
        || lost_under_two(Forge::export),
        "L2 violated r1=clean r2=clean lost=h2,h3",
    ),
    (
        "57n",
        "loss under a hold, range package",
        || lost_under_two(|f| f.range(15, f.entries.len())),
        "L2 violated lost=h2,h3",
    ),
    (
        "57o",
        "loss under a hold, run package",
        || lost_under_two(|f| f.run("r1")),
        "L2 unchecked r1=clean",
    ),
    (
        "59c",
        "action under an approved REQUIRE",
        || whole(base()),
        BASE,
    ),
    (
        "60e",
        "one approval of one",
        || {
            run_of(|r| {
                let held = r.decide("REQUIRE");
                r.vote(held, "usr_1", "ALLOW");
                r.act("repair.started", held);
                r.act("repair.executed", held);
                [1, 0, 1, 0, 0, 0]
            })
        },
        "L2 kept a=clean",
    ),
    ("62c", "(r, n-s) in the last seal", other_signature, BASE),
    (
        "63b",
        "all versions of the seals, none contradicts",
        versions,
        "L3 kept r1=clean r2=clean",
    ),
    (
        "65",
        "untouched archive",
        || verify(Package::of_file(&tar::write(&files())), &base().trust()),
        BASE,
    ),
    (
        "65z",
        "untouched archive, compressed",
        || {
            verify(
                Package::of_file(&gzip(&tar::write(&files()))),
                &base().trust(),
            )
        },
        BASE,
    ),
    (
        "66b",
        "output file that the run recorded",
        output,
        "L2 unchecked r1=clean",
    ),
    (
        "72u",
        "heartbeat: two seals of one size in a folder",
        heartbeat,
        BASE,
    ),
    (
        "96",
        "period that its neighbours prove",
        period,
        "L2 kept r1=unknown r2=clean",
    ),
    (
        "97",
        "one of one witness",
        || witnessed(&[1], 1, |f, at| cosign(f, 1, at)),
        "L4 kept r1=clean r2=clean witnesses=1",
    ),
    (
        "97b",
        "two of three witnesses",
        || {
            witnessed(&[1, 2, 3], 2, |f, at| {
                [cosign(f, 1, at), cosign(f, 3, at)].concat()
            })
        },
        "L4 kept r1=clean r2=clean witnesses=2",
    ),
    (
        "97c",
        "cosignature of another seal is not counted",
        || witnessed(&[1], 1, |f, _| cosign(f, 1, 0)),
        BASE,
    ),
    (
        "97d",
        "one witness key under two names counts once",
        one_key_twice,
        "L2 kept r1=clean r2=clean witnesses=1",
    ),
    (
        "97e",
        "an invalid cosignature line before the valid one",
        || {
            witnessed(&[1], 1, |f, at| {
                [cosign(f, 1, 0), cosign(f, 1, at)].concat()
            })
        },
        "L4 kept r1=clean r2=clean witnesses=1",
    ),
    (
        "98",
        "time-stamp on the last seal, anchored",
        || stamped(true, |f| f.seals.len() - 1, Some(&Genuine)),
        "L4 kept r1=clean r2=clean stamped",
    ),
    (
        "98b",
        "time-stamp on an older seal",
        || stamped(true, |_| 0, Some(&Genuine)),
        "L3 kept r1=clean r2=clean",
    ),
    (
        "98d",
        "time-stamp that nobody can check",
        || stamped(true, |f| f.seals.len() - 1, None),
        "L3 kept r1=clean r2=clean",
    ),
    (
        "98e",
        "time-stamp without an anchor",
        || stamped(false, |f| f.seals.len() - 1, Some(&Genuine)),
        "L2 kept r1=clean r2=clean stamped",
    ),
    ("100l", "comment of an approver erased", comment, BASE),
    (
        "101e",
        "break-glass, then an ALLOW",
        || {
            run_of(|r| {
                let held = r.hold_for(2);
                r.override_(held);
                let decided = r.decide("ALLOW");
                r.act("repair.started", decided);
                r.act("repair.executed", decided);
                [2, 1, 1, 0, 1, 1]
            })
        },
        "L2 kept a=overridden",
    ),
    (
        "101i",
        "held in one run, approved and done in a later one",
        later_run,
        "L2 kept a=unresolved b=clean",
    ),
    (
        "102",
        "proof for an old anchor only",
        || linked(&[6]),
        "L2 unchecked r1=clean anchors=6",
    ),
    (
        "102b",
        "proofs for both anchors",
        || linked(&[6, 12]),
        "L3 unchecked r1=clean anchors=6,12",
    ),
    (
        "103",
        "older run package with a proof to a newer anchor",
        || older(|f| f.run("r2")),
        "L3 unchecked r2=clean anchors=17",
    ),
    (
        "103d",
        "older range package with a proof to a newer anchor",
        || older(|f| f.range(3, 9)),
        "L3 kept r1=unknown anchors=17 open=r2",
    ),
    (
        "105",
        "forged seal version by a retired key",
        forged_version,
        "L3 kept r1=clean r2=clean anchors=18",
    ),
    (
        "109b",
        "run package with one of two branches",
        branch,
        "L2 unchecked r=clean",
    ),
    (
        "110",
        "effect begun, no result",
        || begun(&[], Forge::export),
        "L2 kept a=unresolved",
    ),
    (
        "110b",
        "same, run aborted by the sweeper",
        || aborted(),
        "L2 kept a=unresolved",
    ),
    (
        "110c",
        "same, the result in a later run",
        result_later,
        "L2 kept a=unresolved b=clean",
    ),
    (
        "110d",
        "begun and executed",
        || begun(&["repair.executed"], Forge::export),
        "L2 kept a=clean",
    ),
    (
        "110e",
        "begun and failed",
        || begun(&["repair.failed"], Forge::export),
        "L2 kept a=clean",
    ),
    (
        "110f",
        "begun without result after break-glass",
        || {
            run_of(|r| {
                let held = r.hold_for(2);
                r.override_(held);
                let decided = r.decide("ALLOW");
                r.act("repair.started", decided);
                [2, 1, 1, 0, 1, 1]
            })
        },
        "L2 kept a=overridden",
    ),
    (
        "110g",
        "begun, no result, in a run package",
        || begun(&[], |f| f.run("a")),
        "L2 unchecked a=unresolved",
    ),
    (
        "all",
        "every rule in use and a rotation, both keys pinned",
        everything_in_use,
        "L2 kept r1=clean r2=clean r3=clean",
    ),
];

const LOST: &str = "L2 violated r1=clean r2=clean lost=h2";

#[test]
fn what_must_be_accepted_is_accepted_with_its_verdict() {
    let mut wrong = Vec::new();
    for (number, name, make, expected) in ROWS {
        let verdict = make();
        let got = short(&verdict);
        // Anchors are named only where the row is about them.
        let anchors = expected.contains("anchors=") || !got.contains(" anchors=");
        let same = if anchors {
            got == *expected
        } else {
            got.starts_with(expected)
        };
        if !same {
            wrong.push(format!("{number} {name}: expected {expected}, got {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A verdict in one line.
fn short(verdict: &Verdict) -> String {
    let accepted = match &verdict.result {
        Ok(accepted) => accepted,
        Err(fault) => return fault.to_string(),
    };
    let Accepted {
        level, hold_status, ..
    } = accepted;
    let mut text = format!("L{level} {}", hold_status.name());
    for (run, is) in &accepted.governance {
        text.push_str(&[" ", run, "=", is.name()].concat());
    }
    let list = |name: &str, items: Vec<String>| match items.as_slice() {
        [] => String::new(),
        items => format!(" {name}={}", items.join(",")),
    };
    let lost = accepted.lost_under_hold.iter();
    text += &list("lost", lost.map(|lost| lost.hold.clone()).collect());
    if accepted.witnesses > 0 {
        text.push_str(" witnesses=");
        text.push_str(&accepted.witnesses.to_string());
    }
    if accepted.timestamp {
        text += " stamped";
    }
    text += &list(
        "anchors",
        accepted.anchors.iter().map(u64::to_string).collect(),
    );
    text + &list("open", accepted.open.clone())
}
