//! What a key may read: single GETs of one object, and never a write.
//!
//! Writing implies reading at Stripe, so a 403 to a read proves that the key cannot write there
//! either. No request can prove that about what the key may read; that stays asserted.

use async_trait::async_trait;
use counterfoil_core::connection::{KeyReport, ReadAnswer, TriedRead};
use counterfoil_core::ports::{KeyProbe, PortError};
use counterfoil_core::redacted::Redacted;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::accounts::StripeAccounts;
use crate::client::StripeClient;
use crate::endpoint::Endpoint;
use crate::error::StripeError;

/// Without one of these there is no run.
const NEEDED: [Endpoint<'static>; 5] = [
    Endpoint::Customers,
    Endpoint::Subscriptions,
    Endpoint::Prices,
    Endpoint::Products,
    Endpoint::Invoices,
];

/// Without them changes are found later.
const USEFUL: [Endpoint<'static>; 1] = [Endpoint::Events];

/// What a key of this product has no use for.
const EXCESS: [Endpoint<'static>; 6] = [
    Endpoint::Balance,
    Endpoint::Charges,
    Endpoint::Payouts,
    Endpoint::Refunds,
    Endpoint::PaymentMethods,
    Endpoint::WebhookEndpoints,
];

const ONE: (&str, &str) = ("limit", "1");
/// Coupons have a permission of their own and are read with the subscriptions.
const COUPON: (&str, &str) = ("expand[]", "data.discounts.source.coupon");

/// A product, as far as the next question needs it.
#[derive(Deserialize)]
struct Listed {
    data: Vec<Identified>,
}

#[derive(Deserialize)]
struct Identified {
    id: String,
}

#[async_trait]
impl KeyProbe for StripeAccounts {
    async fn probe_key(
        &self,
        key: &Redacted<String>,
        livemode: bool,
    ) -> Result<KeyReport, PortError> {
        let client = self.client(key, livemode)?;
        probe(&client)
            .await
            .map_err(|error| error.doing("probing the Stripe key"))
    }
}

/// Asks for one object of each kind.
async fn probe(client: &StripeClient) -> Result<KeyReport, StripeError> {
    let mut report = KeyReport {
        needed: Vec::new(),
        useful: Vec::new(),
        excess: Vec::new(),
    };
    for endpoint in NEEDED {
        report.needed.push(tried(client, endpoint, &[ONE]).await?);
    }
    let coupons = tried(client, Endpoint::Subscriptions, &[ONE, COUPON]).await?;
    report.useful.push(TriedRead {
        what: "coupons".to_owned(),
        ..coupons
    });
    for endpoint in USEFUL {
        report.useful.push(tried(client, endpoint, &[ONE]).await?);
    }
    report.useful.extend(features(client).await?);
    for endpoint in EXCESS {
        // The balance is one object and takes no limit.
        let query: &[_] = if endpoint == Endpoint::Balance {
            &[]
        } else {
            &[ONE]
        };
        report.excess.push(tried(client, endpoint, query).await?);
    }
    Ok(report)
}

/// Features are asked for by product; without a product there is nothing to ask.
async fn features(client: &StripeClient) -> Result<Option<TriedRead>, StripeError> {
    let products: Result<Listed, _> = client.read(Endpoint::Products, &[ONE]).await;
    let products = match products {
        Ok(products) => products.data,
        Err(error) if answers(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(product) = products.first() else {
        return Ok(None);
    };
    let endpoint = Endpoint::ProductFeatures(&product.id);
    tried(client, endpoint, &[ONE]).await.map(Some)
}

async fn tried(
    client: &StripeClient,
    endpoint: Endpoint<'_>,
    query: &[(&str, &str)],
) -> Result<TriedRead, StripeError> {
    let read: Result<IgnoredAny, _> = client.read(endpoint, query).await;
    let answer = match read {
        Ok(_) => ReadAnswer::Allowed,
        Err(StripeError::Permission { permission, .. }) => ReadAnswer::Refused { permission },
        Err(error) if answers(&error) => ReadAnswer::Unclear,
        Err(error) => return Err(error),
    };
    Ok(TriedRead {
        what: endpoint.what().to_owned(),
        answer,
    })
}

/// Whether Stripe has answered, and only this question.
const fn answers(error: &StripeError) -> bool {
    matches!(
        error,
        StripeError::Permission { .. } | StripeError::Refused { .. } | StripeError::Shape { .. }
    )
}
