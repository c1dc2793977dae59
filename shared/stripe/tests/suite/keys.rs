//! Keys that may not.

use counterfoil_core::ports::{Billing, PortErrorKind};
use counterfoil_stripe::StripeError;
use counterfoil_testkit::stripe::Permission;

use crate::support::{ALL, World, cause, client};

#[tokio::test]
async fn a_missing_permission_is_named() {
    let needed = [
        Permission::Customers,
        Permission::Subscriptions,
        Permission::Prices,
        Permission::Products,
        Permission::Invoices,
        Permission::Coupons,
        Permission::Events,
    ];
    let world = World::sample(3).await;
    for missing in needed {
        let rest: Vec<Permission> = needed.into_iter().filter(|it| *it != missing).collect();
        let client = client(&world.stripe, &world.stripe.restricted_key_with(&rest));
        let read = async {
            client.catalog(true).await?;
            client.customer_page(ALL, None).await?;
            client.subscription_page(ALL, None).await?;
            client.open_invoice_page(ALL, None).await?;
            client.event_page(ALL, None).await
        };
        let error = read.await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Refused, "{missing:?}");
        let shown = cause(&error).to_string();
        assert!(
            shown.contains(&format!("permission {} (read)", missing.name())),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_revoked_key_is_not_tried_again() {
    let world = World::sample(3).await;
    let key = world.stripe.restricted_key();
    let client = client(&world.stripe, &key);
    world.stripe.revoke(&key);
    let error = client.customer("cus_1").await.unwrap_err();
    assert_eq!(cause(&error), StripeError::Key);
    assert_eq!(world.stripe.requests().len(), 1);
    assert!(!format!("{error:?} {}", cause(&error)).contains(&key));
}

#[tokio::test]
async fn an_id_that_is_none_is_never_sent() {
    let world = World::sample(3).await;
    for id in ["../v1/balance", "cus_1/sources", "cus_1?expand[]=x", ""] {
        let error = world.client.customer(id).await.unwrap_err();
        assert_eq!(cause(&error), StripeError::Id, "{id}");
    }
    assert!(world.stripe.requests().is_empty());
}
