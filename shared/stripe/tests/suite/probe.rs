//! What a key may read, found out by reading.

use counterfoil_core::connection::{ReadAnswer, Standing};
use counterfoil_core::ports::{KeyProbe, PortErrorKind};
use counterfoil_core::redacted::Redacted;
use counterfoil_stripe::{PATHS, PROBED_PATHS, StripeAccounts};
use counterfoil_testkit::stripe::Permission;

use crate::support::World;

fn accounts(world: &World) -> StripeAccounts {
    StripeAccounts::new(Some(world.stripe.base_url().to_owned()), Some(1_000))
}

fn key(world: &World, permissions: &[Permission]) -> Redacted<String> {
    Redacted::new(world.stripe.restricted_key_with(permissions))
}

#[tokio::test]
async fn a_proper_key_has_what_it_needs_and_nothing_else() {
    let world = World::sample(3).await;
    let key = key(&world, &Permission::ALL);
    let report = accounts(&world).probe_key(&key, false).await.unwrap();
    assert_eq!(report.standing(), Standing::Ok, "{report:?}");
    assert_eq!(report.broader().count(), 0);
    let closed: Vec<&str> = report.proved_closed().collect();
    assert_eq!(
        closed,
        [
            "the balance",
            "charges",
            "payouts",
            "refunds",
            "payment methods",
            "webhook endpoints"
        ]
    );
}

#[tokio::test]
async fn each_missing_permission_is_named_as_stripe_names_it() {
    let world = World::sample(3).await;
    let needed = [
        Permission::Customers,
        Permission::Subscriptions,
        Permission::Prices,
        Permission::Products,
        Permission::Invoices,
    ];
    for missing in needed {
        let rest: Vec<_> = Permission::ALL
            .into_iter()
            .filter(|it| *it != missing)
            .collect();
        let report = accounts(&world)
            .probe_key(&key(&world, &rest), false)
            .await
            .unwrap();
        assert_eq!(report.standing(), Standing::Alarm, "{missing:?}");
        let named = report.needed.iter().find_map(|read| match &read.answer {
            ReadAnswer::Refused { permission } => Some(permission.as_str()),
            _ => None,
        });
        assert_eq!(named, Some(missing.name()));
        let words = report.sentences().concat();
        assert!(
            words.contains(&format!("add {} (read)", missing.name())),
            "{words}"
        );
    }
    for missing in [Permission::Events, Permission::Coupons] {
        let rest: Vec<_> = Permission::ALL
            .into_iter()
            .filter(|it| *it != missing)
            .collect();
        let report = accounts(&world)
            .probe_key(&key(&world, &rest), false)
            .await
            .unwrap();
        assert_eq!(report.standing(), Standing::Warning, "{missing:?}");
        let words = report.sentences().concat();
        assert!(words.contains(missing.name()), "{words}");
    }
}

#[tokio::test]
async fn each_needless_permission_makes_the_key_broader_than_needed() {
    let world = World::sample(3).await;
    for more in Permission::EXCESS {
        let permissions: Vec<_> = Permission::ALL.into_iter().chain([more]).collect();
        let key = key(&world, &permissions);
        let report = accounts(&world).probe_key(&key, false).await.unwrap();
        assert_eq!(report.standing(), Standing::Warning, "{more:?}");
        assert_eq!(report.broader().count(), 1, "{more:?}");
        assert_eq!(report.proved_closed().count(), 5, "{more:?}");
    }
}

#[tokio::test]
async fn the_probe_reads_published_paths_only_and_writes_nothing() {
    let world = World::sample(3).await;
    let key = key(&world, &Permission::ALL);
    accounts(&world).probe_key(&key, false).await.unwrap();
    let requests = world.stripe.requests();
    assert!(requests.len() <= 16, "{}", requests.len());
    for request in requests {
        assert_eq!(request.method, "GET");
        let path = request.path.as_str();
        let features = path.starts_with("/v1/products/") && path.ends_with("/features");
        assert!(
            PATHS.contains(&path) || PROBED_PATHS.contains(&path) || features,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_key_that_is_not_for_this_is_refused_before_or_by_stripe() {
    let world = World::sample(3).await;
    for (text, livemode) in [
        ("sk_test_abc", false),
        ("rk_test_abc", true),
        ("rk_live_abc", false),
    ] {
        let key = Redacted::new(text.to_owned());
        let error = accounts(&world)
            .probe_key(&key, livemode)
            .await
            .unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Refused, "{text}");
    }
    assert!(world.stripe.requests().is_empty());
    let unknown = Redacted::new("rk_test_unknown".to_owned());
    let error = accounts(&world)
        .probe_key(&unknown, false)
        .await
        .unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Refused);
}
