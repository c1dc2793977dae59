//! Inputs that are still kept come with a delivery, and the runs can be derived again from it.

use std::collections::BTreeMap;
use std::time::Duration;

use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::package::tar;
use counterfoil_core::export::{ExportScope, Wanted};
use counterfoil_core::retention::MOST_DAYS;
use counterfoil_core::usecases::{ReplayError, ReplayRuns, Replayed};

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

/// Derives every run of a delivery again.
async fn replay(desk: &Desk, members: &Members) -> Result<Replayed, ReplayError> {
    let limits = desk.trust(desk.world.stream()).await.limits;
    let files = tar::read(&members["evidence.tar"], limits).unwrap();
    let lines = |name: &str| {
        let text = String::from_utf8(files[name].clone()).unwrap();
        let lines = text
            .lines()
            .map(|line| Json::parse(line.as_bytes()).unwrap());
        lines.collect::<Vec<_>>()
    };
    let parts = lines("parts.jsonl");
    let kept = |name: &str| members.get(&format!("inputs/{name}")).cloned();
    let mut runs = ReplayRuns::new(&kept);
    for header in lines("headers.jsonl") {
        let facts = parts.iter().find(|part| {
            part.get("seq") == header.get("seq")
                && part.get("part").and_then(Json::as_str) == Some("facts")
        });
        let facts = facts.unwrap().get("d").unwrap();
        runs.take(&header, facts).await?;
    }
    Ok(runs.finish())
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
    let replayed = replay(&desk, &members).await.unwrap();
    assert_eq!(replayed.findings, 1);
    assert_eq!(replayed.decisions, 1, "that of the export");
    assert_eq!(replayed.not_checked, Vec::<String>::new());
}

#[tokio::test]
async fn inputs_come_only_when_they_are_asked_for() {
    let desk = Desk::new().await;
    let members = unpack(&desk.export(ExportScope::All).await.bytes);
    assert_eq!(inputs(&members), Vec::<&str>::new());
    let replayed = replay(&desk, &members).await.unwrap();
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
    let difference = replay(&desk, &members).await.unwrap_err().to_string();
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
    let replayed = replay(&desk, &members).await.unwrap();
    assert_eq!(replayed.findings, 0);
    assert!(
        replayed.not_checked[0].contains("digest only"),
        "{replayed:?}"
    );
}
