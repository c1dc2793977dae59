//! Every step of a repair, before and after it, once and twice in a row.

use std::collections::VecDeque;

use super::fuse::{Point, Side};
use super::play::{Case, Wire, play, points};
use super::shop::Shop;
use super::stage::{Stage, stage, turn};

#[test]
fn whatever_worker_is_killed_at_whatever_step_a_repair_happens_once_and_is_on_the_record() {
    let stage = stage();
    let _turn = turn();
    stage.runtime.block_on(async {
        let mut shops = vec![Shop::new(stage).await];
        let first = shops[0].next().unwrap();
        let whole = play(stage, &shops[0], &first, Case::default()).await;
        eprintln!("{whole:#?}");
        let all = whole.proposing.iter().chain(&whole.approving).cloned();
        let all: Vec<String> = all.collect();
        for row in [
            "run.decision",
            "run.resolution",
            "repair.started",
            "UPDATE",
            "repair.executed",
            "repair.verified",
        ] {
            assert!(all.iter().any(|step| step.contains(row)), "{row}: {all:?}");
        }
        let mut cases = Vec::new();
        for point in points(&whole.proposing) {
            cases.push(Case {
                proposing: Some(point),
                ..Case::default()
            });
        }
        for point in points(&whole.approving) {
            cases.push(Case {
                approving: Some(point),
                ..Case::default()
            });
        }
        play_all(stage, shops, cases).await;
    });
}

/// Plays cases, and each whose approval was cut short once more for every step of whoever puts it
/// right, which dies there.
async fn play_all(stage: &'static Stage, mut shops: Vec<Shop>, cases: Vec<Case>) {
    let mut played = 0_usize;
    let mut next = VecDeque::from(cases);
    while let Some(case) = next.pop_front() {
        if shops.last().is_none_or(Shop::is_used_up) {
            shops.push(Shop::new(stage).await);
        }
        let shop = shops.last_mut().unwrap();
        let incident = shop.next().unwrap();
        let steps = play(stage, shop, &incident, case).await;
        played += 1;
        let cut_short = case.approving.is_some() || case.wire.is_some();
        if cut_short && case.sweeping.is_none() {
            for point in points(&steps.sweeping) {
                next.push_back(Case {
                    sweeping: Some(point),
                    ..case
                });
            }
        }
    }
    for shop in &shops {
        shop.office.verifies().await;
    }
    eprintln!("{played} cases in {} projects", shops.len());
}

#[test]
fn a_worker_that_dies_before_commit_or_whose_answer_is_lost_changes_the_row_once_at_most() {
    let stage = stage();
    let _turn = turn();
    stage.runtime.block_on(async {
        let mut shops = vec![Shop::new(stage).await];
        let mut cases = Vec::new();
        for wire in [Wire::KilledBeforeCommit, Wire::KilledBeforeAnswer] {
            cases.push(Case {
                wire: Some(wire),
                ..Case::default()
            });
        }
        // Whose answer is lost lives, looks at the row, and dies at each of the steps from there on.
        for wire in [Wire::AnswerLost, Wire::CommitLost] {
            let whole = Case {
                wire: Some(wire),
                ..Case::default()
            };
            let first = shops[0].next().unwrap();
            let steps = play(stage, &shops[0], &first, whole).await.approving;
            let sent = steps.iter().position(|step| step == "UPDATE").unwrap();
            let sent = u32::try_from(sent + 1).unwrap();
            let after = Point {
                step: sent,
                side: Side::After,
            };
            let later = points(&steps).into_iter().filter(|point| *point >= after);
            cases.extend(later.map(|point| Case {
                approving: Some(point),
                ..whole
            }));
        }
        play_all(stage, shops, cases).await;
    });
}
