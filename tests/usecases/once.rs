//! Requests that are done once, and the decision that their answer names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::response::{IntoResponse, Response};
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::idempotency::{Begun, Once, OnceScope, begin};
use counterfoil_core::ports::{AppendError, Batch, Clock, EntryRef, EvidenceAppend, StoredPart};
use counterfoil_core::repair::{Action, ActionState, VoteKind};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::traced::{Makes, Traced};
use counterfoil_core::usecases::{ActionError, ProposeRepair, RepairPorts, VoteOnAction, Voted};
use counterfoil_lambda::Problem;
use counterfoil_lambda::http::judged;

use super::world::World;

async fn begun(world: &World, holder: u8) -> Begun {
    let scope = OnceScope {
        workspace: world.workspace.id,
        principal: "usr_ben",
        route: "POST /v1/actions/{id}/approvals",
        key: "k1",
        asked: b"the same",
    };
    let now = world.clock.now();
    begin(world.store.as_ref(), scope, now, [holder; 32])
        .await
        .unwrap()
}

async fn first(world: &World, holder: u8) -> Once {
    match begun(world, holder).await {
        Begun::First(once) => once,
        other => panic!("{other:?}"),
    }
}

fn ports(world: &World, evidence: Arc<dyn EvidenceAppend>) -> RepairPorts {
    RepairPorts {
        evidence,
        ..world.vote().ports
    }
}

async fn proposed(world: &World, evidence: Arc<dyn EvidenceAppend>) -> Action {
    proposed_for(world, evidence, true).await
}

async fn proposed_for(
    world: &World,
    evidence: Arc<dyn EvidenceAppend>,
    execute_on_approval: bool,
) -> Action {
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let ports = ports(world, evidence);
    let reason = Some("support asked");
    let propose = ProposeRepair { ports };
    let proposed = propose
        .propose(&world.repair_key, &incident, reason, execute_on_approval)
        .await;
    proposed.unwrap().action
}

async fn approve(
    world: &World,
    who: &TenantCtx,
    action: &Action,
    evidence: Arc<dyn EvidenceAppend>,
) -> Result<ActionState, ActionError> {
    let voted = Voted {
        kind: VoteKind::Approve,
        digest: &action.digest,
        reason: "checked the invoice",
        version: None,
    };
    let ports = ports(world, evidence);
    let id = action.id.to_string();
    let after = Box::pin(VoteOnAction { ports }.vote(who, &id, &voted)).await?;
    Ok(after.action.value.state)
}

/// Id and policy of the last decision on the stream.
fn last_decision(world: &World) -> (String, String) {
    let mut entries = world.store.stream(world.stream()).into_iter().rev();
    let facts = entries.find_map(|entry| {
        let header = Json::parse(&entry.header).unwrap();
        let decided = header.get("kind").unwrap().as_str() == Some("run.decision");
        match entry.facts {
            Some(StoredPart::Present { bytes, .. }) if decided => Json::parse(&bytes).ok(),
            _ => None,
        }
    });
    let facts = facts.unwrap();
    let text = |name: &str| facts.get(name).and_then(Json::as_str).unwrap().to_owned();
    (text("decision"), text("policy"))
}

#[tokio::test]
async fn a_vote_and_that_its_request_was_done_are_one_transaction() {
    let world = World::new().await;
    let action = proposed(&world, world.vote().ports.evidence).await;
    let done = (first(&world, 1).await, Makes::Known(action.id.to_string()));
    let traced = Arc::new(Traced::new(world.vote().ports.evidence, Some(done)));
    let state = approve(&world, &world.ben, &action, traced.clone()).await;
    assert_eq!(state.unwrap(), ActionState::Verified);
    // The process dies before it keeps its answer.
    match begun(&world, 2).await {
        Begun::AlreadyDone(id) => assert_eq!(id, action.id.to_string()),
        other => panic!("{other:?}"),
    }
    let made = traced.decision().unwrap();
    assert_eq!((made.id, made.policy), last_decision(&world));
}

#[tokio::test]
async fn a_worker_whose_request_was_taken_over_records_and_changes_nothing() {
    let world = World::new().await;
    let action = proposed(&world, world.vote().ports.evidence).await;
    let slow = (first(&world, 1).await, Makes::Known(action.id.to_string()));
    world.clock.advance(Duration::from_secs(61));
    let _quick = first(&world, 2).await;
    let before = world.kinds();
    let evidence = world.vote().ports.evidence;
    let answer = judged(&evidence, Some(slow), async |evidence| {
        let refused = approve(&world, &world.ben, &action, evidence).await;
        assert!(
            matches!(refused, Err(ActionError::Evidence(AppendError::Overtaken))),
            "{refused:?}"
        );
        Err(Problem::unavailable())
    })
    .await;
    let said = serde_json::to_value(answer.unwrap_err()).unwrap();
    assert_eq!(said["code"], "idempotency-in-flight", "{said}");
    assert_eq!(said["decision_id"], serde_json::Value::Null, "{said}");
    assert_eq!(world.kinds(), before);
    assert_eq!(world.app.updates(), 0);
}

/// What is begun once is judged once: that the request is somebody else's is no change of what was judged.
#[tokio::test]
async fn a_worker_that_was_overtaken_does_not_judge_again_and_again() {
    let world = World::new().await;
    let evidence = world.vote().ports.evidence;
    let action = proposed_for(&world, evidence.clone(), false).await;
    let approved = approve(&world, &world.ben, &action, evidence.clone()).await;
    assert_eq!(approved.unwrap(), ActionState::Approved);
    let slow = (first(&world, 1).await, Makes::Known(action.id.to_string()));
    world.clock.advance(Duration::from_secs(61));
    let _quick = first(&world, 2).await;
    let counting = Arc::new(Counting(evidence, AtomicUsize::new(0)));
    let traced = Arc::new(Traced::new(counting.clone(), Some(slow)));
    let ports = ports(&world, traced.clone());
    let (votes, id) = (VoteOnAction { ports }, action.id.to_string());
    let begun = Box::pin(votes.execute(&world.ben, &id, Some(&action.digest))).await;
    let overtaken = matches!(begun, Err(ActionError::Evidence(AppendError::Overtaken)));
    assert!(overtaken, "{begun:?}");
    assert!(traced.is_overtaken());
    assert_eq!(traced.decision(), None);
    assert_eq!(counting.1.load(Ordering::SeqCst), 1);
    assert_eq!(world.app.updates(), 0);
}

struct Counting(Arc<dyn EvidenceAppend>, AtomicUsize);

#[async_trait]
impl EvidenceAppend for Counting {
    async fn append(&self, stream: Hash, batch: Batch) -> Result<Vec<EntryRef>, AppendError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.append(stream, batch).await
    }
}

#[tokio::test]
async fn a_repeat_of_a_proposal_is_told_the_action_that_was_made() {
    let world = World::new().await;
    let done = (first(&world, 1).await, Makes::New("action"));
    let traced = Arc::new(Traced::new(world.vote().ports.evidence, Some(done)));
    let action = proposed(&world, traced.clone()).await;
    match begun(&world, 2).await {
        Begun::AlreadyDone(id) => assert_eq!(id, action.id.to_string()),
        other => panic!("{other:?}"),
    }
    assert_eq!(traced.decision().unwrap().id, action.decision.to_string());
}

#[tokio::test]
async fn a_refusal_that_is_recorded_is_named_in_headers_and_body() {
    let world = World::new().await;
    let evidence = world.vote().ports.evidence;
    let action = proposed(&world, evidence.clone()).await;
    let refused: Result<Response, Problem> = judged(&evidence, None, async |evidence| {
        let voted = approve(&world, &world.repair_key, &action, evidence).await;
        assert!(matches!(voted, Err(ActionError::Denied(_))), "{voted:?}");
        Err(Problem::not_found())
    })
    .await;
    let (decision, policy) = last_decision(&world);
    let refused = refused.unwrap_err();
    let body = serde_json::to_value(&refused).unwrap();
    assert_eq!(body["decision_id"], decision.as_str());
    let response = refused.into_response();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("counterfoil-decision"), decision);
    assert_eq!(header("counterfoil-policy"), policy);
}

#[tokio::test]
async fn an_answer_without_a_decision_names_none() {
    let world = World::new().await;
    let evidence = world.vote().ports.evidence;
    let answer = judged(&evidence, None, async |_| Ok(().into_response())).await;
    let headers = answer.unwrap().headers().clone();
    assert!(!headers.contains_key("counterfoil-decision"));
    assert!(!headers.contains_key("counterfoil-policy"));
}
