//! A repair from its proposal to its end, with workers that die on the way, and what must be so then.

use counterfoil_core::incident::{Incident, IncidentState};
use counterfoil_core::repair::ActionState;
use counterfoil_testkit::tcp_proxy::Loss;
use serde_json::json;

use super::ask::{Ask, Who};
use super::deaths::{Deaths, Workers};
use super::office::{Entry, Mark, Office};
use super::shop::{Shop, Shops};

/// What happens to the customer's transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The worker dies between UPDATE and COMMIT.
    KilledBeforeCommit,
    /// The server has committed; the answer is lost and the worker dies.
    KilledBeforeAnswer,
    /// The answer is lost; the worker lives, and looks.
    AnswerLost,
    /// COMMIT is lost; the worker lives, and looks.
    CommitLost,
}

impl Wire {
    const fn loss(self) -> Loss {
        match self {
            Self::KilledBeforeCommit | Self::CommitLost => Loss::Commit,
            Self::KilledBeforeAnswer | Self::AnswerLost => Loss::Answer,
        }
    }

    pub(crate) const fn kills(self) -> bool {
        matches!(self, Self::KilledBeforeCommit | Self::KilledBeforeAnswer)
    }

    /// Whether the row is changed in the end.
    const fn commits(self) -> bool {
        matches!(self, Self::KilledBeforeAnswer | Self::AnswerLost)
    }
}

/// Whose request it is whose workers die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Propose,
    /// The last approval, which executes at once; afterwards the sweep.
    Approve,
}

/// Who dies when, and what is lost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) phase: Phase,
    pub(crate) deaths: Deaths,
    /// What happens to the transaction of the repair besides.
    pub(crate) wire: Option<Wire>,
}

impl Case {
    fn workers(self, office: &Office, phase: Phase) -> Workers<'_> {
        let dies = self.phase == phase;
        let deaths = if dies { self.deaths } else { Deaths::default() };
        if dies && self.wire.is_some_and(Wire::kills) {
            Workers::cut(office, deaths)
        } else {
            Workers::of(office, deaths)
        }
    }
}

/// What reached the customer's database.
#[derive(Debug, Clone, Copy)]
struct Reached {
    /// UPDATE statements.
    statements: usize,
    /// The row is changed.
    changed: bool,
}

/// Plays a case, and says what the workers of its phase did.
pub(crate) async fn play(shops: &Shops, case: Case) -> Vec<Vec<String>> {
    let (shop, incident) = shops.next().await;
    let (office, before) = (&shop.office, (shop.updates(), shop.office.mark().await));
    let propose = json!({ "reason": "support asked for it", "execute_on_approval": true });
    let path = format!("/v1/incidents/{}/repairs", incident.id);
    let mut proposing = case.workers(office, Phase::Propose);
    let propose = Ask::post(Who::Ann, path, propose);
    let (status, said) = proposing.until_answered(&propose).await;
    let known = said["code"] == "already-created";
    assert!(status == 201 || known, "{case:?}: {status} {said}");
    let (action, version) = shop.action(&incident).await;
    assert_eq!(action.state, ActionState::Held, "{case:?} {}", action.rule);

    let path = format!("/v1/actions/{}/approvals", action.id);
    let vote = json!({
        "vote": "approve", "reason": "checked the invoice", "action_digest": action.digest,
    });
    let losses = shop.losses();
    if let Some(wire) = case.wire {
        shop.cut(wire.loss(), wire.kills());
    }
    let mut approving = case.workers(office, Phase::Approve);
    let vote = Ask::post(Who::Ben, path, vote).of(version);
    let (status, said) = approving.until_answered(&vote).await;
    let known = said["code"] == "already-created";
    assert!(status == 200 || known, "{case:?}: {status} {said}");
    let settled = async || shop.action(&incident).await.0.state.is_terminal();
    approving.until_swept(settled).await;

    let lost = usize::try_from(shop.losses() - losses).unwrap();
    assert_eq!(lost, usize::from(case.wire.is_some()), "{case:?}");
    let sent = approving.sent();
    let reached = Reached {
        statements: usize::from(case.wire.is_some() || sent),
        changed: case.wire.map_or(sent, Wire::commits),
    };
    self::settled(&shop, &incident, (before, reached), case).await;
    match case.phase {
        Phase::Propose => proposing.steps(),
        Phase::Approve => approving.steps(),
    }
}

/// What must be so in the end, whatever died.
async fn settled(
    shop: &Shop,
    incident: &Incident,
    ((updates, mark), reached): ((usize, Mark), Reached),
    case: Case,
) {
    let sent = usize::from(reached.changed);
    let (state, becomes) = if reached.changed {
        (ActionState::Verified, IncidentState::Resolved)
    } else {
        (ActionState::Failed, IncidentState::Open)
    };
    let (action, _) = shop.action(incident).await;
    assert_eq!(action.state, state, "{case:?}");
    let updates = shop.updates() - updates;
    assert_eq!(updates, reached.statements, "{case:?}: UPDATEs");
    assert_eq!(shop.granted(incident), reached.changed, "{case:?}: row");
    let now = shop.incident(incident).await;
    assert_eq!(now.state, becomes, "{case:?}");
    assert_eq!(action.votes.len(), 1, "{case:?}");
    let follow_up = action.follow_up.unwrap().to_string();
    let entries = shop.office.since(mark).await;
    let count = |kind: &str, run: &str| {
        let of = |entry: &&Entry| entry.kind == kind && entry.run == run;
        entries.iter().filter(of).count()
    };
    for (kind, times) in [
        ("run.open", 1),
        ("run.resolution", 1),
        ("run.decision", 1),
        ("repair.started", 1),
        ("repair.executed", sent),
        ("repair.failed", 1 - sent),
        ("repair.verified", sent),
        ("incident.resolved", sent),
        ("run.close", 1),
    ] {
        assert_eq!(count(kind, &follow_up), times, "{case:?}: {kind}");
    }
    let proposed = action.binding.run.to_string();
    assert_eq!(count("run.decision", &proposed), 1, "{case:?}");
    let decisions = entries.iter().filter(|it| it.kind == "run.decision");
    assert_eq!(decisions.count(), 2, "{case:?}: one proposal, one action");
    let (waiting, unfinished) = shop.office.left().await;
    assert_eq!((waiting, unfinished), (0, 0), "{case:?}: left behind");
    let id = action.id.to_string();
    let started = entries
        .iter()
        .filter(|entry| entry.kind == "repair.started");
    let mut started = started.filter(|entry| entry.facts["act"] == id.as_str());
    let started = started
        .next()
        .unwrap_or_else(|| panic!("{case:?}: nothing started"));
    let cited = started.facts["decision"].as_str().unwrap();
    assert!(!cited.is_empty(), "{case:?}: an effect without a decision");
}
