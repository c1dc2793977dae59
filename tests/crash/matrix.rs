//! Every step of a repair, before and after it, once and twice in a row.

use super::deaths::{Deaths, another_death, deaths_from, every_death};
use super::fuse::{Point, Side};
use super::play::{Case, Phase, Wire, play};
use super::shop::Shops;
use super::stage::Turn;

#[test]
fn whatever_worker_is_killed_at_whatever_step_a_repair_happens_once_and_is_on_the_record() {
    let turn = Turn::take();
    turn.runtime.block_on(async {
        let shops = Shops::of(turn.stage());
        let (mut steps, mut played) = (Vec::new(), 0);
        for phase in [Phase::Propose, Phase::Approve] {
            let case = |deaths| Case {
                phase,
                deaths,
                wire: None,
            };
            let all = every_death(async |deaths| Box::pin(play(&shops, case(deaths))).await);
            let (whole, count) = all.await;
            steps.extend(whole.into_iter().flatten());
            played += count;
        }
        for row in [
            "run.decision",
            "run.resolution",
            "repair.started",
            "UPDATE",
            "repair.executed",
            "repair.verified",
        ] {
            assert!(
                steps.iter().any(|step| step.contains(row)),
                "{row}: {steps:?}"
            );
        }
        shops.verify().await;
        eprintln!("{played} repairs");
    });
}

#[test]
fn a_worker_that_dies_before_commit_or_whose_answer_is_lost_changes_the_row_once_at_most() {
    let turn = Turn::take();
    turn.runtime.block_on(async {
        let shops = Shops::of(turn.stage());
        let mut played = 0;
        for wire in [
            Wire::KilledBeforeCommit,
            Wire::KilledBeforeAnswer,
            Wire::AnswerLost,
            Wire::CommitLost,
        ] {
            let case = |deaths| Case {
                phase: Phase::Approve,
                deaths,
                wire: Some(wire),
            };
            let play = async |deaths| Box::pin(play(&shops, case(deaths))).await;
            let whole = play(Deaths::default()).await;
            eprintln!("{wire:?} {whole:?}");
            let sent = whole[0].iter().position(|step| step == "UPDATE").unwrap();
            let step = u32::try_from(sent + 1).unwrap();
            let side = Side::After;
            // Whose answer is lost lives, looks at the row, and dies at each of the steps from there on.
            played += 1 + if wire.kills() {
                another_death(&play, Deaths::default(), &whole).await
            } else {
                deaths_from(&play, &whole, Point { step, side }).await
            };
        }
        shops.verify().await;
        eprintln!("{played} repairs");
    });
}
