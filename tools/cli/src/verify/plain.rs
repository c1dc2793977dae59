//! The verdict in one sentence, for people.
//!
//! It has no colon with a space behind it, so that no program takes it for a line `name: value`.

use counterfoil_core::time::Timestamp;
use counterfoil_evidence::verify::Accepted;

/// Says that a package is the member of a delivery.
pub(super) const OF_DELIVERY: &str = "This is the evidence.tar of a delivery; the files beside it are not evidence and were not checked.";

/// What was accepted, and what is still open.
pub(super) fn sentence(accepted: &Accepted, gave_anchor: bool) -> String {
    let at = accepted.sealed_at;
    let since = Timestamp::from_millis(at.saturating_sub(at.checked_rem(1000).unwrap_or(0)));
    let anchored = match (accepted.level, accepted.anchors.last()) {
        (3.., Some(size)) => format!("Anchored in a seal of size {size} that you kept."),
        (3.., None) => format!("Anchored by {} witnesses.", accepted.witnesses),
        _ if gave_anchor => {
            "Not anchored - nothing links the newest seal that you gave; see not_checked.".to_owned()
        }
        _ => "Not anchored - give --min-seal, --prior, --seal-dir or --witness to exclude a second history."
            .to_owned(),
    };
    format!("Intact since {since}, the time of its seal. {anchored}")
}

#[cfg(test)]
mod tests {
    use counterfoil_evidence::verify::HoldStatus;

    use super::*;

    fn accepted(level: u8, anchors: Vec<u64>, witnesses: u64) -> Accepted {
        let hash = "0".repeat(64).parse().unwrap();
        Accepted {
            level,
            format: "counterfoil.run/1",
            stream: hash,
            size: 9,
            root: hash,
            seal_hash: hash,
            sealed_at: 1_795_392_000_999,
            entries: 8,
            governance: std::collections::BTreeMap::new(),
            open: Vec::new(),
            holds: Vec::new(),
            hold_status: HoldStatus::Unchecked,
            lost_under_hold: Vec::new(),
            anchors,
            witnesses,
            timestamp: false,
            not_checked: Vec::new(),
        }
    }

    #[test]
    fn the_sentence_says_since_when_and_whether_it_is_anchored_and_is_no_line_for_programs() {
        let says = |level, anchors: &[u64], witnesses, given, text: &str| {
            let sentence = sentence(&accepted(level, anchors.to_vec(), witnesses), given);
            assert!(
                sentence.starts_with("Intact since 2026-11-23T00:00:00Z, "),
                "{sentence}"
            );
            assert!(sentence.contains(text), "{sentence}");
            assert!(!sentence.contains(": "), "{sentence}");
        };
        says(2, &[], 0, false, "Not anchored - give --min-seal, --prior");
        says(2, &[3], 0, true, "Not anchored - nothing links the newest");
        says(3, &[3, 7], 0, true, "Anchored in a seal of size 7");
        says(4, &[], 2, false, "Anchored by 2 witnesses");
        assert!(!OF_DELIVERY.contains(": "));
    }
}
