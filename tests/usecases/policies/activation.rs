//! Who brings rules into force, and what stands in the record.

use std::time::Duration;

use counterfoil_core::bundles::StoredBundle;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::kind::Kind;
use counterfoil_core::ports::{State as _, StateWrite};
use counterfoil_core::records::Directory;
use counterfoil_core::tenancy::Role;
use counterfoil_core::usecases::{AdminError, NotSecond, PolicyError};
use counterfoil_testkit::bundles::place;

use super::desk::{Desk, PERMIT, STRICT, invalid, key, unfit};
use crate::tenants::bench::{READING, denied};

fn entry(desk: &Desk, kind: Kind) -> Json {
    let entries = desk.bench.entries();
    let found = entries.into_iter().rev().find(|(it, _)| *it == kind);
    found.unwrap().1
}

#[tokio::test]
async fn two_people_bring_a_bundle_into_force_and_the_entry_says_so() {
    let desk = Desk::new().await;
    assert!(desk.load().await.active.is_none());
    let digest = desk.in_force(PERMIT, 1, None).await;
    let layer = desk.load().await.active.unwrap().layer.unwrap();
    assert_eq!((layer.digest(), layer.version()), (digest.as_str(), 1));
    let facts = entry(&desk, Kind::PolicyActivated);
    let text = |name: &str| facts.get(name).and_then(Json::as_str).unwrap();
    assert_eq!(text("layer"), "workspace");
    assert_eq!(text("bundle"), digest);
    assert_eq!(text("signer"), key(1).public().fingerprint());
    assert_eq!(text("uploaded_by"), desk.bench.ann.id.to_string());
    assert!(text("statement").contains(&digest));
    assert_eq!(text("decision").len(), 64);
    assert!(facts.get("previous").is_none());
    let second = desk.in_force(STRICT, 2, Some(&digest)).await;
    let facts = entry(&desk, Kind::PolicyActivated);
    assert_eq!(
        facts.get("previous").and_then(Json::as_str),
        Some(digest.as_str())
    );
    assert_eq!(desk.active().await, Some(second));
}

/// Rules do not keep themselves in force, whatever they say about approvals.
#[tokio::test]
async fn a_bundle_that_lets_nobody_approve_is_replaced_all_the_same() {
    let desk = Desk::new().await;
    let nobody = "@id(\"ws.forbid.votes\") @why(\"nobody approves\")\nforbid (principal, action == CF::Action::\"approval.give\", resource);\n";
    let first = desk.in_force(&format!("{PERMIT}{nobody}"), 1, None).await;
    let second = desk.in_force(PERMIT, 2, Some(&first)).await;
    assert_eq!(desk.active().await, Some(second));
}

#[tokio::test]
async fn nobody_brings_in_what_they_proposed() {
    let desk = Desk::new().await;
    let digest = desk.stored(PERMIT, 1, None).await;
    for _ in 0..2 {
        assert!(desk.activate("ann", &digest).await.unwrap().waits);
    }
    assert_eq!(desk.active().await, None);
    assert_eq!(desk.bench.count(Kind::PolicyActivated), 0);
    // Proposed once: what waits is not proposed again.
    let decisions = desk.bench.count(Kind::RunDecision);
    desk.activate("ann", &digest).await.unwrap();
    assert_eq!(desk.bench.count(Kind::RunDecision), decisions);
}

#[tokio::test]
async fn nobody_brings_in_what_they_uploaded() {
    let desk = Desk::new().await;
    let digest = desk.stored(PERMIT, 1, None).await;
    assert!(desk.activate("ben", &digest).await.unwrap().waits);
    let own = desk.activate("ann", &digest).await;
    let is_own = matches!(own, Err(PolicyError::NotSecond(NotSecond::Maker)));
    assert!(is_own, "{own:?}");
    desk.bench.later(Duration::from_secs(1));
    desk.bench.join("cleo", Role::Owner).await;
    // Cleo came after the proposal.
    let newcomer = desk.activate("cleo", &digest).await.unwrap_err();
    assert!(matches!(
        newcomer,
        PolicyError::NotSecond(NotSecond::Newcomer)
    ));
    assert_eq!(desk.active().await, None);
}

#[tokio::test]
async fn the_second_person_is_an_owner() {
    let desk = Desk::new().await;
    desk.bench.join("adam", Role::Admin).await;
    let digest = desk.stored(PERMIT, 1, None).await;
    assert!(desk.activate("ann", &digest).await.unwrap().waits);
    assert!(desk.activate("adam", &digest).await.is_err());
    assert_eq!(desk.active().await, None);
    desk.activate("ben", &digest).await.unwrap();
    assert_eq!(desk.active().await, Some(digest));
}

#[tokio::test]
async fn whoever_may_not_is_refused_and_that_is_recorded() {
    let desk = Desk::new().await;
    desk.bench.join("vic", Role::Viewer).await;
    let digest = desk.stored(PERMIT, 1, None).await;
    let before = desk.bench.count(Kind::RunDecision);
    for done in [
        desk.activate("vic", &digest).await,
        desk.revoke("vic", &digest).await,
        desk.register("vic", 2, None).await,
    ] {
        let denied = matches!(
            done,
            Err(PolicyError::Admin(AdminError::Denied {
                decision: Some(_),
                ..
            }))
        );
        assert!(denied, "{done:?}");
    }
    assert_eq!(desk.bench.count(Kind::RunDecision), before + 3);
    let sent = desk.signed(STRICT, 1, None);
    let role = desk.upload("vic", &sent).await.unwrap_err();
    assert!(matches!(role, PolicyError::Admin(AdminError::NotForRole)));
}

#[tokio::test]
async fn only_a_higher_version_that_follows_the_active_one_comes_into_force() {
    let desk = Desk::new().await;
    // Both fit when they are uploaded.
    let one = desk.stored(PERMIT, 1, None).await;
    let other = desk.stored(STRICT, 2, None).await;
    for who in ["ann", "ben"] {
        desk.activate(who, &one).await.unwrap();
    }
    unfit(desk.activate("ann", &other).await, "another bundle became");
    let far = desk.stored(PERMIT, 100_000_000_000_002, Some(&one)).await;
    unfit(
        desk.activate("ann", &far).await,
        "could leave none for later ones",
    );
    let two = desk.in_force(STRICT, 2, Some(&one)).await;
    unfit(desk.activate("ann", &one).await, "version 2 is active");
    assert_eq!(desk.active().await, Some(two));
}

/// A stored bundle is verified once more by whoever brings it in: what was altered in the table since
/// it was proposed does not come into force.
#[tokio::test]
async fn what_was_altered_since_it_was_uploaded_does_not_come_into_force() {
    let alter: [fn(&Desk, &mut StoredBundle); 2] = [
        |_, stored| stored.files.values_mut().next().unwrap().push('\n'),
        |desk, stored| {
            let strange = desk.signed_by(9, PERMIT, 1, None).signature;
            stored.envelope = serde_json::from_str(&strange).unwrap();
        },
    ];
    for alter in alter {
        let desk = Desk::new().await;
        let digest = desk.stored(PERMIT, 1, None).await;
        assert!(desk.activate("ann", &digest).await.unwrap().waits);
        let store = desk.bench.store.as_ref();
        let (directory, workspace) = (Directory::of(store), desk.bench.workspace.id);
        let found = directory.policy_bundle(workspace, &digest);
        let found = found.await.unwrap().unwrap();
        let mut altered = found.value;
        alter(&desk, &mut altered);
        let row = serde_json::to_value(&altered).unwrap();
        let mut write = StateWrite::replace(place(workspace, &digest), found.version, row);
        write.cites = found.evidence;
        assert!(store.write(vec![write]).await.unwrap());
        let refused = desk.activate("ben", &digest).await;
        assert!(matches!(refused, Err(PolicyError::Unfit(_))), "{refused:?}");
        assert_eq!(desk.active().await, None);
        assert_eq!(desk.bench.count(Kind::PolicyActivated), 0);
    }
}

#[tokio::test]
async fn a_proposal_counts_for_three_days() {
    let desk = Desk::new().await;
    let digest = desk.stored(PERMIT, 1, None).await;
    desk.activate("ann", &digest).await.unwrap();
    desk.bench.later(Duration::from_hours(73));
    assert!(desk.activate("ben", &digest).await.unwrap().waits);
    assert_eq!(desk.active().await, None);
}

#[tokio::test]
async fn whoever_is_alone_brings_it_in_a_day_later() {
    let desk = Desk {
        bench: crate::tenants::bench::Bench::new().await,
    };
    desk.bench.later(Duration::from_hours(24 * 8));
    for _ in 0..2 {
        desk.register("ann", 1, None).await.unwrap();
        desk.bench.later(Duration::from_hours(25));
    }
    let digest = desk.stored(PERMIT, 1, None).await;
    desk.activate("ann", &digest).await.unwrap();
    assert!(desk.activate("ann", &digest).await.unwrap().waits);
    desk.bench.later(Duration::from_hours(25));
    desk.activate("ann", &digest).await.unwrap();
    assert_eq!(desk.active().await, Some(digest));
    let facts = entry(&desk, Kind::PolicyActivated);
    let approvals = facts.get("approvals").unwrap().as_array().unwrap();
    let solo = format!("solo:{}", desk.bench.ann.id);
    assert_eq!(approvals[0].as_str(), Some(solo.as_str()));
    let decided = entry(&desk, Kind::RunDecision);
    assert_eq!(decided.get("solo"), Some(&Json::Bool(true)));
}

#[tokio::test]
async fn one_person_stops_everything_and_two_start_it_again() {
    let desk = Desk::new().await;
    desk.bench.join("adam", Role::Admin).await;
    let digest = desk.in_force(STRICT, 1, None).await;
    desk.revoke("adam", &digest).await.unwrap();
    assert_eq!(desk.failure().await, Some("bundle-revoked"));
    let facts = entry(&desk, Kind::PolicyRevoked);
    assert_eq!(facts.get("active").unwrap().as_bool(), Some(true));
    // Again changes nothing.
    let entries = desk.bench.count(Kind::PolicyRevoked);
    assert_eq!(desk.revoke("ann", &digest).await.unwrap().decision, None);
    assert_eq!(desk.bench.count(Kind::PolicyRevoked), entries);
    unfit(
        desk.activate("ann", &digest).await,
        "sign its rules as another version",
    );
    let again = desk.in_force(PERMIT, 2, Some(&digest)).await;
    assert_eq!(desk.failure().await, None);
    assert_eq!(desk.active().await, Some(again));
}

#[tokio::test]
async fn a_candidate_in_shadow_changes_nothing_and_is_noted_when_it_becomes_active() {
    let desk = Desk::new().await;
    let first = desk.in_force(PERMIT, 1, None).await;
    let candidate = desk.stored(STRICT, 2, Some(&first)).await;
    let ctx = desk.ctx("ann").await;
    desk.policies()
        .shadow(&ctx, &candidate, true)
        .await
        .unwrap();
    let loaded = desk.load().await;
    assert_eq!(loaded.active.unwrap().layer.unwrap().digest(), first);
    assert_eq!(loaded.shadow.unwrap().digest(), candidate);
    let twice = desk.policies().shadow(&ctx, &first, true).await;
    assert!(matches!(twice, Err(PolicyError::Unfit(_))));
    for who in ["ann", "ben"] {
        desk.activate(who, &candidate).await.unwrap();
    }
    let facts = entry(&desk, Kind::PolicyActivated);
    assert!(facts.get("shadow_since").is_some());
    assert!(desk.load().await.shadow.is_none());
}

#[tokio::test]
async fn a_candidate_that_cannot_be_asked_harms_nobody() {
    let desk = Desk::new().await;
    let first = desk.in_force(PERMIT, 1, None).await;
    let candidate = desk.stored(STRICT, 2, Some(&first)).await;
    let ctx = desk.ctx("ann").await;
    desk.policies()
        .shadow(&ctx, &candidate, true)
        .await
        .unwrap();
    desk.revoke("ann", &candidate).await.unwrap();
    let loaded = desk.load().await;
    assert!(loaded.shadow.is_none());
    let policies = desk.policies();
    let told = policies.view(&ctx).await.unwrap().state.value;
    assert!(told.shadow.is_none());
    let again = policies.shadow(&ctx, &candidate, true).await;
    assert!(matches!(again, Err(PolicyError::Unfit(_))), "{again:?}");
    let asked = policies.impact(&ctx, &candidate, (None, None), None).await;
    assert!(matches!(asked, Err(PolicyError::Unfit(_))), "{asked:?}");
    assert_eq!(loaded.active.unwrap().layer.unwrap().digest(), first);
}

/// What a bundle says about its own revocation counts for nothing.
#[tokio::test]
async fn rules_do_not_keep_themselves_in_force() {
    let desk = Desk::new().await;
    let clinging = format!(
        "{PERMIT}@id(\"ws.forbid.revoke\") @why(\"for ever\")\nforbid (principal, action == CF::Action::\"policy.revoke\", resource);\n"
    );
    let digest = desk.in_force(&clinging, 1, None).await;
    desk.revoke("ben", &digest).await.unwrap();
    assert_eq!(desk.failure().await, Some("bundle-revoked"));
    let next = desk.in_force(PERMIT, 2, Some(&digest)).await;
    assert_eq!(desk.active().await, Some(next));
}

/// A bundle of a deployment that took it before this was asked at the door: it denies every person
/// everything.
#[tokio::test]
async fn rules_that_deny_everybody_everything_are_refused_and_where_they_are_in_force_revoked() {
    let desk = Desk::new().await;
    let first = desk.in_force(PERMIT, 1, None).await;
    let lock = format!(
        "{PERMIT}@id(\"ws.forbid.api\") @why(\"agents only\")\nforbid (principal, action, resource) when {{ context.base.origin == \"api\" }};\n"
    );
    let sent = desk.signed(&lock, 2, Some(&first));
    let findings = invalid(desk.upload("ann", &sent).await);
    let said: Vec<&str> = findings.iter().map(|it| it.detail.as_str()).collect();
    assert!(said.iter().all(|it| it.contains("could never")), "{said:?}");
    assert_eq!(said.len(), 2, "{said:?}");

    let digest = desk.slipped_in(&sent).await;
    let made = desk.bench.make_key("ann", &READING).await;
    denied(made.map(drop), "ws.forbid.api");
    desk.revoke("ben", &digest).await.unwrap();
    let next = desk.in_force(PERMIT, 3, Some(&digest)).await;
    assert_eq!(desk.active().await, Some(next));
    assert!(desk.bench.make_key("ann", &READING).await.is_ok());
}
