//! Properties: any history that the writer accepts verifies, canonical JSON has a second opinion,
//! and no bytes make a reader panic.

use std::collections::BTreeMap;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::seal::Seal;
use counterfoil_evidence::stream::{Draft, Entry};
use counterfoil_evidence::verify::{Package, Trust};
use proptest::prelude::*;

use crate::forge::Sealer;
use crate::rules::{
    closing, decision, everything, hold, opening, party, resolution, step, subject,
};
use crate::second::verify;
use crate::store::Store;

/// What a random history does next.
#[derive(Debug, Clone)]
enum Move {
    Run {
        decisions: Vec<(u8, u8)>,
        close: bool,
    },
    Hold,
    Observe(String),
    Redact(u8),
    Seal,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let decisions = prop::collection::vec((0..3_u8, 0..3_u8), 0..4);
    let one = prop_oneof![
        4 => (decisions, any::<bool>()).prop_map(|(decisions, close)| Move::Run { decisions, close }),
        1 => Just(Move::Hold),
        1 => "[ -~\u{80}-\u{2ff}]{0,20}".prop_map(Move::Observe),
        1 => any::<u8>().prop_map(Move::Redact),
        2 => Just(Move::Seal),
    ];
    prop::collection::vec(one, 0..12)
}

fn play(store: &mut Store, number: usize, next: Move) {
    match next {
        Move::Run { decisions, close } => {
            play_run(store, &format!("run_{number}"), &decisions, close);
        }
        Move::Hold => {
            let name = format!("hold_{number}");
            let set = Draft::new(Kind::HoldSet, hold(&name, everything()));
            let release = object([("hold", name.as_str().into())]);
            store.append(&[set, Draft::new(Kind::HoldRelease, release)]);
        }
        Move::Observe(text) => {
            let facts = object([
                ("result", Json::from("ok")),
                ("target", party("t")),
                ("topic", "probe.database_role".into()),
            ]);
            let draft = Draft::new(Kind::ObservationRecorded, facts);
            store.append(&[draft.subject(object([("text", text.into())]))]);
        }
        Move::Redact(pick) => {
            let open: Vec<u64> = store
                .entries
                .iter()
                .filter(|entry| entry.header.subject.is_some())
                .map(Entry::seq)
                .filter(|seq| !store.erased.contains_key(seq))
                .collect();
            if !open.is_empty() {
                store.redact(open[usize::from(pick) % open.len()]);
            }
        }
        Move::Seal => store.seal(),
    }
}

fn play_run(store: &mut Store, id: &str, decisions: &[(u8, u8)], close: bool) {
    store.append(&[Draft::new(Kind::RunOpen, opening()).in_run(id)]);
    let mut counts = [0; 6];
    for (index, (effect, then)) in decisions.iter().enumerate() {
        let action = format!("{id}/{index}");
        let effect = ["ALLOW", "REQUIRE", "DENY"][usize::from(*effect)];
        let draft = Draft::new(Kind::RunDecision, decision(effect, &action)).in_run(id);
        let decided = store.append(&[draft.subject(subject(&action))])[0];
        counts[0] += 1;
        let mut allowed = effect == "ALLOW";
        match (effect, then) {
            ("ALLOW", _) => counts[1] += 1,
            ("REQUIRE", 0) => {
                counts[2] += 1;
                counts[4] += 1;
            }
            ("REQUIRE", _) => {
                counts[2] += 1;
                allowed = *then == 1;
                let vote = if allowed { "ALLOW" } else { "DENY" };
                let facts = resolution(decided, "usr_1", vote);
                store.append(&[Draft::new(Kind::RunResolution, facts).in_run(id)]);
            }
            _ => counts[3] += 1,
        }
        if allowed {
            let facts = step(decided, &action);
            store.append(&[Draft::new(Kind::RepairStarted, facts.clone()).in_run(id)]);
            store.append(&[Draft::new(Kind::RepairExecuted, facts).in_run(id)]);
        }
    }
    if close {
        store.append(&[Draft::new(Kind::RunClose, closing(counts)).in_run(id)]);
    }
}

fn json() -> impl Strategy<Value = Json> {
    let text = "[\u{1}-\u{7e}\u{80}-\u{d7ff}\u{e000}-\u{10ffff}]{0,8}";
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-9_007_199_254_740_991..=9_007_199_254_740_991_i64).prop_map(Json::Int),
        text.prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::Array),
            prop::collection::btree_map("[a-z][a-z0-9_]{0,8}", inner, 0..5).prop_map(Json::Object),
        ]
    })
}

/// `serde_json` keeps object keys sorted (its map is a `BTreeMap` without the feature
/// `preserve_order`), so its compact form is a second opinion on the canonical one.
fn to_serde(json: &Json) -> serde_json::Value {
    match json {
        Json::Null => serde_json::Value::Null,
        Json::Bool(flag) => (*flag).into(),
        Json::Int(int) => (*int).into(),
        Json::Str(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(to_serde).collect(),
        Json::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields
                .iter()
                .map(|(key, value)| (key.clone(), to_serde(value)))
                .collect();
            serde_json::Value::Object(sorted.into_iter().collect())
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_history_that_was_written_is_accepted(moves in moves()) {
        let mut store = Store::new();
        for (number, next) in moves.into_iter().enumerate() {
            play(&mut store, number, next);
        }
        store.seal();
        store.assert_accepted();
    }
}

proptest! {
    #[test]
    fn canonical_json_reads_back_and_agrees_with_another_writer(value in json()) {
        let bytes = value.canonical();
        prop_assert_eq!(&Json::parse(&bytes).unwrap(), &value);
        prop_assert_eq!(&Json::parse_canonical(&bytes).unwrap(), &value);
        let other = serde_json::to_vec(&to_serde(&value)).unwrap();
        prop_assert_eq!(&bytes, &other);
        let pretty = serde_json::to_vec_pretty(&to_serde(&value)).unwrap();
        prop_assert_eq!(&Json::parse(&pretty).unwrap(), &value);
        prop_assert!(value.check(16).is_ok());
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Json::parse(&bytes);
        let _ = Seal::parse(&String::from_utf8_lossy(&bytes));
        let trust = Trust::new(Sealer::new(1).key, Hash::ZERO);
        prop_assert_eq!(verify(Package::of_file(&bytes), &trust).exit_status(), 3);
        prop_assert_eq!(verify(Package::Tar(&bytes), &trust).exit_status(), 3);
    }
}
