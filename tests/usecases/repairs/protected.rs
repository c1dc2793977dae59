//! A rule about one customer: it holds for whatever is done about their difference, and nothing is judged
//! while nobody can tell whom it is about.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use counterfoil_core::ports::{DataKey, KeyWrapper, PortError, PortErrorKind};
use counterfoil_core::records::Records;
use counterfoil_core::redacted::Redacted;
use counterfoil_core::repair::ActionState;
use counterfoil_core::usecases::{ActionError, IncidentError, ProposeRepair, Vault};
use counterfoil_testkit::memory::MemKeys;

use super::super::incidents::{ignore, incidents};
use super::super::world::World;
use super::{approve, proposed};

const RULE: &str = "ws.forbid.one-customer";

async fn pseudonym(world: &World) -> String {
    let incident = world.incident().await;
    let customer = incident.finding.customers.first().unwrap();
    let records = Records::of(world.store.as_ref(), &world.ann);
    let (vault, project) = (&world.vault, &world.project);
    let found = vault.pseudonym(&records, &world.ann, project, customer);
    found.await.unwrap()
}

/// Forbids every action about a difference of this customer, and that nothing else.
async fn protect(world: &World, customer: &str) {
    let rule = format!(
        "@id(\"{RULE}\") @why(\"their contract says so\")\nforbid (principal, action in [CF::Action::\"repair.propose\", CF::Action::\"repair.execute\", CF::Action::\"incident.ignore\", CF::Action::\"incident.reopen\", CF::Action::\"incident.acknowledge\"], resource)\nwhen {{ resource.customer == \"{customer}\" }};\n"
    );
    world.under(&rule).await;
}

/// Without data keys no name is known.
fn without_keys(world: &World) -> Vault {
    let keys = Arc::new(MemKeys::default());
    Vault {
        keys: keys.clone(),
        wrapped: keys,
        ..world.vault.clone()
    }
}

/// A key service that opens so many keys, and is down from then on.
struct Opens {
    left: AtomicUsize,
    keys: Arc<dyn KeyWrapper>,
}

impl Opens {
    fn vault(vault: &Vault, left: usize) -> Vault {
        Vault {
            keys: Arc::new(Self {
                left: left.into(),
                keys: vault.keys.clone(),
            }),
            ..vault.clone()
        }
    }
}

#[async_trait]
impl KeyWrapper for Opens {
    async fn generate(&self, context: &BTreeMap<String, String>) -> Result<DataKey, PortError> {
        self.keys.generate(context).await
    }

    async fn unwrap(
        &self,
        wrapped: &[u8],
        context: &BTreeMap<String, String>,
    ) -> Result<Redacted<[u8; 32]>, PortError> {
        let one_less = |left: usize| left.checked_sub(1);
        let left = (self.left).fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        let down = |_| PortError::new(PortErrorKind::Unavailable, "opening a data key");
        left.map_err(down)?;
        self.keys.unwrap(wrapped, context).await
    }

    async fn wrap(
        &self,
        plain: &Redacted<[u8; 32]>,
        context: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, PortError> {
        self.keys.wrap(plain, context).await
    }
}

#[tokio::test]
async fn a_rule_about_one_customer_holds_for_all_that_is_done_about_them() {
    let world = World::new().await;
    world.scan().await;
    let (incident, customer) = (
        world.incident().await.id.to_string(),
        pseudonym(&world).await,
    );
    protect(&world, &customer).await;
    for who in [&world.repair_key, &world.ann] {
        let propose = world.propose();
        let refused = propose.propose(who, &incident, Some("support asked"), true);
        let refused = refused.await.unwrap().action;
        assert_eq!(
            (refused.state, refused.rule.as_str()),
            (ActionState::Denied, RULE)
        );
        let act = ignore(&world, 7);
        let incidents = incidents(&world);
        let refused = Box::pin(incidents.act(who, &incident, "k1", &act)).await;
        assert!(
            matches!(&refused, Err(IncidentError::Denied(judged)) if judged.rule == RULE),
            "{refused:?}"
        );
    }
    assert_eq!(world.count("incident.ignored"), 0);
}

#[tokio::test]
async fn a_rule_about_another_customer_changes_nothing() {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    protect(&world, &"0".repeat(64)).await;
    let propose = world.propose();
    let proposed = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
    assert_eq!(proposed.await.unwrap().action.state, ActionState::Held);
}

/// It is asked again when people have approved.
#[tokio::test]
async fn a_rule_about_one_customer_stops_what_waits_for_people() {
    let (world, action) = proposed().await;
    protect(&world, &pseudonym(&world).await).await;
    let state = approve(&world, &world.ben, &action).await.unwrap();
    assert_eq!(state, ActionState::Stale);
    assert_eq!(world.app.updates(), 0);

    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let act = ignore(&world, 7);
    let held = Box::pin(incidents(&world).act(&world.repair_key, &incident, "k1", &act)).await;
    let counterfoil_core::usecases::IncidentActed::Held(held) = held.unwrap() else {
        panic!("it did not wait")
    };
    protect(&world, &pseudonym(&world).await).await;
    let state = approve(&world, &world.ben, &held.value).await.unwrap();
    assert_eq!(state, ActionState::Stale);
    assert_eq!(world.count("incident.ignored"), 0);
}

/// docs/policies.md: where it cannot be found out, nothing is judged.
#[tokio::test]
async fn whom_nobody_can_name_nothing_is_judged_about() {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let before = world.kinds();
    let mut ports = world.ports();
    ports.vault = without_keys(&world);
    let propose = ProposeRepair { ports };
    let refused = propose.propose(&world.repair_key, &incident, Some("support asked"), true);
    let refused = refused.await;
    assert!(matches!(refused, Err(ActionError::Vault(_))), "{refused:?}");
    let mut incidents = incidents(&world);
    incidents.vault = without_keys(&world);
    for who in [&world.ann, &world.repair_key] {
        let act = ignore(&world, 7);
        let refused = Box::pin(incidents.act(who, &incident, "k1", &act)).await;
        assert!(
            matches!(refused, Err(IncidentError::Vault(_))),
            "{refused:?}"
        );
    }
    assert_eq!(world.kinds(), before, "nothing was decided");

    // What was proposed knows whom it is about.
    let (world, action) = proposed().await;
    let mut votes = world.vote();
    votes.ports.vault = without_keys(&world);
    let vote = super::vote(
        &action,
        counterfoil_core::repair::VoteKind::Approve,
        "checked the invoice",
    );
    let after = Box::pin(votes.vote(&world.ben, &action.id.to_string(), &vote)).await;
    // The vote was judged and counts; that the credential of the database does not open either is another
    // matter.
    assert_eq!(after.unwrap().action.value.state, ActionState::Approved);
    assert_eq!(world.app.updates(), 0);
}

/// The same where the key service goes down between asking whether somebody may and judging what they do.
#[tokio::test]
async fn an_act_is_judged_with_the_name_or_not_at_all() {
    let world = World::new().await;
    world.scan().await;
    let incident = world.incident().await.id.to_string();
    let before = world.kinds();
    let mut incidents = incidents(&world);
    let mut refused = 0;
    loop {
        incidents.vault = Opens::vault(&world.vault, refused);
        let act = ignore(&world, 7);
        match Box::pin(incidents.act(&world.ann, &incident, "k1", &act)).await {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, IncidentError::Vault(_)), "{error:?}"),
        }
        assert_eq!(world.kinds(), before, "nothing was decided");
        refused += 1;
    }
    assert_eq!(refused, 2, "once for whether they may, once for the act");
    assert_eq!(world.count("incident.ignored"), 1);
}
