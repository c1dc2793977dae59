//! Inputs that are still kept come with a delivery, and the runs can be derived again from it.

use std::collections::BTreeMap;
use std::time::Duration;

use counterfoil_core::export::{ExportScope, Wanted};
use counterfoil_core::retention::MOST_DAYS;

use super::desk::{Desk, unpack};

type Members = BTreeMap<String, Vec<u8>>;

async fn delivery(desk: &Desk) -> Members {
    let wanted = Wanted {
        scope: ExportScope::All,
        inputs: true,
    };
    unpack(&desk.export(wanted).await.bytes)
}

fn inputs(members: &Members) -> Vec<&str> {
    let names = members.keys().map(String::as_str);
    names.filter(|name| name.starts_with("inputs/")).collect()
}

#[tokio::test]
async fn every_run_of_a_delivery_can_be_derived_again() {
    let desk = Desk::new().await;
    let members = delivery(&desk).await;
    assert_eq!(
        inputs(&members).len(),
        7,
        "a mapping, an index and its files"
    );
    let replayed = desk.replay(&members).await.unwrap();
    assert_eq!(replayed.findings, 1);
    assert_eq!(replayed.decisions, 1, "that of the export");
    assert_eq!(replayed.not_checked, Vec::<String>::new());
}

#[tokio::test]
async fn inputs_come_only_when_they_are_asked_for() {
    let desk = Desk::new().await;
    let members = unpack(&desk.export(ExportScope::All).await.bytes);
    assert_eq!(inputs(&members), Vec::<&str>::new());
    let replayed = desk.replay(&members).await.unwrap();
    assert!(
        replayed.not_checked[0].contains("digest only"),
        "{replayed:?}"
    );
}

#[tokio::test]
async fn an_input_that_somebody_changed_is_a_difference() {
    let desk = Desk::new().await;
    let mut members = delivery(&desk).await;
    let name = inputs(&members).last().unwrap().to_string();
    members.get_mut(&name).unwrap().push(0);
    let difference = desk.replay(&members).await.unwrap_err().to_string();
    assert!(difference.contains("is not the input"), "{difference}");
}

#[tokio::test]
async fn inputs_past_the_window_stay_behind_and_are_said_to_be_missing() {
    let desk = Desk::new().await;
    desk.world
        .clock
        .advance(Duration::from_hours(24 * MOST_DAYS));
    let members = delivery(&desk).await;
    assert_eq!(inputs(&members).len(), 1, "the mapping stays");
    let replayed = desk.replay(&members).await.unwrap();
    assert_eq!(replayed.findings, 0);
    assert!(
        replayed.not_checked[0].contains("digest only"),
        "{replayed:?}"
    );
}
