//! Replies of Postgres that are lost. At most one UPDATE, and the row decides what is recorded.

use std::time::Duration;

use counterfoil_core::incident::IncidentState;
use counterfoil_core::ports::State;
use counterfoil_core::records::{Directory, Records, Unfinished};
use counterfoil_core::time::Timestamp;
use counterfoil_core::usecases::SWEEP_AFTER;
use counterfoil_testkit::tcp_proxy::Loss;
use serde_json::json;

use super::calls::Answer;
use super::records::Entry;
use super::stage::{Stage, now, stage, wait};
use super::tenant::{Setup, Tenant};

/// A tenant whose repairs lose something, and what the approval of one was answered.
async fn approved(stage: &Stage, loss: Loss) -> (Tenant, Answer, Answer) {
    let setup = Setup {
        loss: Some(loss),
        ..Setup::default()
    };
    let tenant = stage.tenant_with(setup).await;
    let (customer, _) = stage.drifted("paid_no_access");
    let incident = stage.found(&tenant, &customer).await;
    let action = stage.propose(&tenant, &incident).await;
    let after = stage.vote(&action, &tenant.ben, "approve").await;
    assert_eq!(tenant.proxy.as_ref().unwrap().losses(), 1, "{loss:?}");
    (tenant, action, after)
}

/// The entries that say what became of the UPDATE.
async fn results(stage: &Stage, tenant: &Tenant) -> Vec<Entry> {
    let mut entries = stage.main.entries(tenant).await;
    entries.retain(|entry| ["repair.executed", "repair.failed"].contains(&entry.kind.as_str()));
    entries
}

#[test]
fn a_reply_lost_at_commit_is_settled_by_reading_the_row() {
    let stage = stage();
    stage.run(async {
        for (loss, state, updates, result, incident) in [
            (
                Loss::Answer,
                "verified",
                1,
                "repair.executed",
                IncidentState::Resolved,
            ),
            (
                Loss::Commit,
                "failed",
                1,
                "repair.failed",
                IncidentState::Open,
            ),
            (
                Loss::Update,
                "failed",
                0,
                "repair.failed",
                IncidentState::Open,
            ),
        ] {
            let (tenant, _, after) = approved(stage, loss).await;
            assert_eq!(
                after.says(),
                (200, state.to_owned()),
                "{loss:?}: {}",
                after.text
            );
            let (customer, user) = stage.drifted("paid_no_access");
            assert_eq!(
                stage.granted(&tenant, &user),
                state == "verified",
                "{loss:?}"
            );
            assert_eq!(stage.updates(&tenant), updates, "{loss:?}");
            let results = results(stage, &tenant).await;
            let kinds: Vec<&str> = results.iter().map(|entry| entry.kind.as_str()).collect();
            assert_eq!(kinds, [result], "{loss:?}");
            let seen = stage.incident_now(&tenant, &customer).await.unwrap();
            assert_eq!(seen.state, incident, "{loss:?}");
        }
    });
}

#[test]
fn a_repair_that_nobody_could_settle_is_settled_by_the_sweep_and_never_sent_again() {
    let stage = stage();
    stage.run(async {
        let (tenant, action, after) = approved(stage, Loss::AnswerAndServer).await;
        // Nobody knows yet, and the answer does not claim to.
        assert_eq!(
            after.says(),
            (503, "outcome-unknown".to_owned()),
            "{}",
            after.text
        );
        assert!(!after.text.contains("Nothing was done"), "{}", after.text);
        let id = action.field("/id");
        assert_eq!(stage.action(&tenant.ada, &id).await.says().1, "executing");
        assert_eq!(results(stage, &tenant).await.len(), 0);
        // Trying again changes nothing.
        let again = stage.vote(&action, &tenant.ben, "approve").await;
        assert!((400..500).contains(&again.status), "{}", again.text);
        let path = format!("/v1/actions/{id}/execute");
        let shown = json!({ "action_digest": action.field("/action_digest") });
        let forced = stage.call("POST", &path, Some(&tenant.ada), None, &shown);
        assert_eq!(forced.await.says(), (409, "wrong-state".to_owned()));

        tenant.proxy.as_ref().unwrap().recover();
        let sweep = json!({ "detail": { "job": "sweep" } });
        // Too early: its worker may still be at it.
        stage.main.invoke("RepairFunction", &sweep).await.unwrap();
        assert_eq!(stage.action(&tenant.ada, &id).await.says().1, "executing");
        begin_earlier(stage, &tenant, SWEEP_AFTER).await;
        // The schedule may sweep at the same moment; then one of the two finds nothing to do.
        stage.main.invoke("RepairFunction", &sweep).await;
        wait("the sweep", async || {
            let now = stage.action(&tenant.ada, &id).await;
            (now.says().1 == "verified").then_some(())
        })
        .await;
        let (customer, user) = stage.drifted("paid_no_access");
        assert!(stage.granted(&tenant, &user));
        assert_eq!(stage.updates(&tenant), 1);
        assert_eq!(results(stage, &tenant).await.len(), 1);
        let seen = stage.incident_now(&tenant, &customer).await.unwrap();
        assert_eq!(seen.state, IncidentState::Resolved);
    });
}

/// Lets the tenant's unfinished repair have begun earlier than it has, instead of waiting.
async fn begin_earlier(stage: &Stage, tenant: &Tenant, by: Duration) {
    let ctx = Directory::system(&tenant.project, "test");
    let state = stage.main.boot.state().unwrap();
    let records = Records::of(state.as_ref(), &ctx);
    let mut unfinished = records.list::<Unfinished>().await.unwrap();
    assert_eq!(unfinished.len(), 1);
    let mut begun = unfinished.remove(0);
    let earlier = now()
        .since(Timestamp::from_millis(0))
        .checked_sub(by)
        .unwrap();
    begun.value.since = Timestamp::from_millis(0).plus(earlier);
    let mut write = records.replace(begun.version, &begun.value).unwrap();
    write.cites = begun.evidence;
    assert!(state.write(vec![write]).await.unwrap());
}
