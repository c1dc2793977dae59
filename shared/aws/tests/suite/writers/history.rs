//! Calls and their order, against the chain that came of them. An append tells its position, so the
//! order of the chain is the only one that could explain the calls, and checking it is enough.

use std::collections::BTreeMap;
use std::time::Instant;

use counterfoil_testkit::contract::{Link, Sample};

/// What a writer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// Position and leaf.
    At(u64, String),
    /// Nothing was written.
    Nothing,
    /// It is not known.
    Unknown,
}

/// One append.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) told: Told,
}

/// Every acknowledged entry is there once, where it was said to be; none whose failure was definite
/// is there; and what ended before something else began comes before it.
pub(super) fn agrees_with(calls: &[Call], links: &[Link]) {
    let mut places: BTreeMap<&str, Vec<&Link>> = BTreeMap::new();
    for link in links {
        if let Some(id) = Sample::id_of(&link.facts) {
            places.entry(id).or_default().push(link);
        }
    }
    let mut there = Vec::new();
    for call in calls {
        let found = places.remove(call.id.as_str()).unwrap_or_default();
        match (&call.told, found.as_slice()) {
            (Told::At(seq, leaf), [link]) => {
                assert_eq!((link.header.seq, &link.leaf.to_string()), (*seq, leaf));
                there.push((call.begun, Some(call.ended), *seq));
            }
            // It took place at some time after it began.
            (Told::Unknown, [link]) => there.push((call.begun, None, link.header.seq)),
            (Told::Unknown | Told::Nothing, []) => {}
            (told, found) => panic!(
                "{}: {told:?}, and it is there {} times",
                call.id,
                found.len()
            ),
        }
    }
    assert!(places.is_empty(), "nobody wrote {:?}", places.keys());
    assert!(there.len() > calls.len() / 2, "most calls succeed");
    for (_, ended, seq) in &there {
        for (begun, _, later) in &there {
            assert!(
                ended.is_none_or(|ended| ended >= *begun) || seq < later,
                "{seq} ended before {later} began"
            );
        }
    }
}
