//! Which evidence it is, what was verified, and what was not.

use counterfoil_evidence::verify::{Accepted, HoldStatus};

use super::Package;
use crate::colour::Tone;
use crate::flow::Flow;
use crate::style::{Style, label};
use crate::table::Field;
use crate::time;
use crate::values::{count, grouped, shortened};

/// Stream, seal, range and digest of the package.
pub(crate) fn fingerprints(flow: &mut Flow<'_>, package: &Package<'_>) {
    flow.heading(2, "Fingerprints");
    flow.text(
        Style::Body,
        "These numbers name exactly this evidence. The square code on the first page is the digest of the seal.",
    );
    let accepted = package.accepted;
    flow.fields([
        Field::id("Stream", accepted.stream.to_string()),
        Field::id("Seal", accepted.seal_hash.to_string()),
        Field::text(
            "Sealed",
            format!(
                "{}, over {}",
                time::utc_exact(accepted.sealed_at),
                count(accepted.size, "entry", "entries")
            ),
        ),
        Field::id("Root of the seal", accepted.root.to_string()),
        Field::text(
            "Entries",
            format!(
                "{} ({})",
                package.span(),
                count(
                    accepted.entries,
                    "entry in the package",
                    "entries in the package"
                )
            ),
        ),
        Field::new(
            "Package",
            vec![
                Style::Small.span(format!("{}, ", package.file)),
                Style::Small.span(count(package.bytes, "byte", "bytes")),
            ],
        ),
        Field::id("SHA-256 of the package", package.digest.to_string()),
    ]);
}

/// What the verdict says was checked, and what it says was not.
pub(crate) fn checked(flow: &mut Flow<'_>, package: &Package<'_>) {
    let accepted = package.accepted;
    flow.heading(2, "What was verified, and what was not");
    let intact = vec![
        Style::Body.strong("Intact: yes. "),
        Style::Body.span(
            "Since the seal, nobody without the sealing key can have changed, added or removed anything in this package.",
        ),
    ];
    let anchored = if accepted.level >= 3 {
        vec![
            Style::Body.strong("Anchored: yes. "),
            Style::Body.span(
                "The package was linked to, or confirmed by, something outside that the operator cannot change.",
            ),
        ]
    } else {
        vec![
            Style::Body.strong("Anchored: no. "),
            Style::Body.span(
                "Intact is not anchored. Without an anchor, the holder of the sealing key could show somebody else another history, or leave out what came later.",
            ),
        ]
    };
    let tone = if accepted.level >= 3 {
        Tone::Good
    } else {
        Tone::Wait
    };
    flow.note(tone, &[intact, anchored]);
    flow.heading(3, "Verified");
    let anchors: Vec<String> = accepted.anchors.iter().map(|size| grouped(*size)).collect();
    let anchors = if anchors.is_empty() {
        "none was given".to_owned()
    } else {
        format!("linked at size {}", anchors.join(", "))
    };
    let yes = |on: bool| {
        if on {
            "yes, on the last seal"
        } else {
            "none that was verified"
        }
    };
    flow.fields([
        Field::text("Assurance level", level(accepted.level)),
        Field::text(
            "Seal",
            "signed by a pinned key; it covers every entry of the package",
        ),
        Field::text(
            "Contents",
            "every part present matches its commitment; every entry is in the sealed tree",
        ),
        Field::text(
            "Rules of a run",
            "every effect follows a decision that allowed it; counts were computed again",
        ),
        Field::text("Anchors", anchors),
        Field::text("Witnesses", grouped(accepted.witnesses)),
        Field::text("Time stamp", yes(accepted.timestamp)),
        Field::text("Legal holds", holds(accepted)),
    ]);
    flow.heading(3, "Not checked");
    flow.fields(accepted.not_checked.iter().map(|what| Field {
        name: vec![label(Tone::Wait, "NOT CHECKED")],
        value: vec![Style::Small.span(shortened(what))],
    }));
}

fn level(level: u8) -> String {
    let name = match level {
        2 => "2, sealed",
        3 => "3, anchored",
        4 => "4, witnessed",
        _ => "1, links only",
    };
    format!("{name} (of 4)")
}

fn holds(accepted: &Accepted) -> String {
    let mut text = match accepted.hold_status {
        HoldStatus::Unchecked => "not replayed in a package of one run",
        HoldStatus::Kept => "kept: nothing was lost under a hold",
        HoldStatus::Violated => "violated",
    }
    .to_owned();
    if !accepted.holds.is_empty() {
        text.push_str("; active: ");
        text.push_str(&accepted.holds.join(", "));
    }
    for lost in &accepted.lost_under_hold {
        let said = format!(
            "; the contents of entry {} were lost under hold {} (entry {})",
            lost.seq, lost.hold, lost.redact
        );
        text.push_str(&said);
    }
    text
}
