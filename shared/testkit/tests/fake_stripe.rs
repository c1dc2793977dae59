//! What the fake Stripe does that the product must never see, and what its lists leave out.

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use axum::Router;
    use axum::body::Bytes;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use counterfoil_core::redacted::Redacted;
    use counterfoil_core::time::Timestamp;
    use counterfoil_core::webhook;
    use counterfoil_testkit::stripe::{
        FakeStripe, Plan, Sample, Standing, deliver, event, sign_event,
    };
    use reqwest::{Client, Method};
    use serde_json::Value;

    fn now() -> Timestamp {
        "2026-11-23T00:00:00Z".parse().unwrap()
    }

    async fn send(stripe: &FakeStripe, method: Method, path: &str, key: &str) -> (u16, Value) {
        let url = format!("{}{path}", stripe.base_url());
        let answer = Client::new()
            .request(method, url)
            .bearer_auth(key)
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn get(stripe: &FakeStripe, path: &str) -> (u16, Value) {
        send(stripe, Method::GET, path, &stripe.restricted_key()).await
    }

    fn ids(list: &Value) -> Vec<&str> {
        let data = list["data"].as_array().unwrap();
        data.iter()
            .map(|object| object["id"].as_str().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn a_write_changes_nothing_and_is_counted() {
        let sample = Sample::new(3, 5, now());
        let customer = format!("/v1/customers/{}", sample.accounts[0].customer);
        let stripe = FakeStripe::start(sample.shop).await.unwrap();
        let key = stripe.restricted_key();
        for method in [Method::POST, Method::DELETE, Method::PUT, Method::PATCH] {
            assert_eq!(send(&stripe, method, &customer, &key).await.0, 405);
        }
        assert_eq!(stripe.non_get_calls(), 4);
        let (status, object) = get(&stripe, &customer).await;
        assert_eq!((status, object.get("deleted")), (200, None));
        assert_eq!(stripe.non_get_calls(), 4);
    }

    #[tokio::test]
    async fn a_secret_key_works_and_is_counted_and_other_keys_do_not() {
        let stripe = FakeStripe::start(Sample::new(3, 5, now()).shop)
            .await
            .unwrap();
        assert_eq!(
            send(&stripe, Method::GET, "/v1/prices", "sk_test_1")
                .await
                .0,
            200
        );
        assert_eq!(stripe.secret_key_calls(), 1);
        for key in ["rk_test_unknown", "rk_live_unknown", ""] {
            assert_eq!(
                send(&stripe, Method::GET, "/v1/prices", key).await.0,
                401,
                "{key}"
            );
        }
    }

    #[tokio::test]
    async fn lists_are_newest_first_and_filtered() {
        let sample = Sample::new(3, 50, now());
        let canceled = sample
            .accounts
            .iter()
            .find(|it| it.standing == Standing::Canceled)
            .unwrap();
        let customer = canceled.customer.clone();
        let stripe = FakeStripe::start(sample.shop).await.unwrap();

        let (_, list) = get(&stripe, "/v1/customers?limit=100").await;
        let created: Vec<i64> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|object| object["created"].as_i64().unwrap())
            .collect();
        assert!(created.is_sorted_by(|newer, older| newer >= older));
        let middle = created[25];
        let (_, newer) = get(
            &stripe,
            &format!("/v1/customers?limit=100&created[gte]={middle}"),
        )
        .await;
        let (_, older) = get(
            &stripe,
            &format!("/v1/customers?limit=100&created%5Blt%5D={middle}"),
        )
        .await;
        assert_eq!(ids(&newer).len() + ids(&older).len(), 50);
        assert!(ids(&newer).len() >= 26);

        let (_, list) = get(&stripe, &format!("/v1/subscriptions?customer={customer}")).await;
        assert!(ids(&list).is_empty());
        let all = format!("/v1/subscriptions?customer={customer}&status=all");
        assert_eq!(ids(&get(&stripe, &all).await.1).len(), 1);
    }

    #[tokio::test]
    async fn requests_that_stripe_would_not_take_are_refused() {
        let stripe = FakeStripe::start(Sample::new(3, 5, now()).shop)
            .await
            .unwrap();
        for path in [
            "/v1/customers?limit=101",
            "/v1/customers?foo=bar",
            "/v1/customers?starting_after=cus_none",
            "/v1/subscriptions?expand[]=data.customer.sources",
            "/v1/entitlements/active_entitlements",
        ] {
            assert_eq!(get(&stripe, path).await.0, 400, "{path}");
        }
        for path in [
            "/v1/customers/cus_none",
            "/v1/nothing",
            "/v1/products/prod_none/features",
        ] {
            assert_eq!(get(&stripe, path).await.0, 404, "{path}");
        }
    }

    #[tokio::test]
    async fn entitlements_follow_the_subscriptions() {
        let sample = Sample::new(3, 50, now());
        let pro = Plan::named("pro").unwrap();
        let active = |it: &&counterfoil_testkit::stripe::Account| {
            it.standing == Standing::Active && it.plan == pro
        };
        let account = sample.accounts.iter().find(active).unwrap().clone();
        let stripe = FakeStripe::start(sample.shop).await.unwrap();
        let path = format!(
            "/v1/entitlements/active_entitlements?customer={}",
            account.customer
        );
        let (_, list) = get(&stripe, &path).await;
        assert_eq!(ids(&list).len(), pro.features.len());
        let subscription = account.subscription.unwrap();
        assert!(stripe.change(|shop| shop.cancel_subscription(&subscription, now().as_secs())));
        assert!(ids(&get(&stripe, &path).await.1).is_empty());
    }

    #[tokio::test]
    async fn an_event_arrives_signed_over_the_bytes_that_were_sent() {
        let received = Arc::new(Mutex::new(Vec::new()));
        let inbox = Arc::clone(&received);
        let endpoint = async move |headers: HeaderMap, body: Bytes| {
            inbox.lock().unwrap().push((headers, body));
            StatusCode::ACCEPTED
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(endpoint));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });

        let sample = Sample::new(3, 1, now());
        let id = sample.accounts[0].subscription.clone().unwrap();
        let object = sample.shop.subscription(&id).unwrap();
        let at = now().as_secs();
        let payload = event("evt_1", "customer.subscription.updated", at, object);
        let header = sign_event(&["whsec_old", "whsec_new"], &payload, at);
        assert_eq!(
            deliver(&url, payload.clone(), &header)
                .await
                .unwrap()
                .status,
            202
        );
        server.abort();

        let received = received.lock().unwrap();
        let (headers, body) = &received[0];
        assert_eq!(body.as_ref(), payload);
        let header = headers["stripe-signature"].to_str().unwrap();
        let tolerance = Duration::from_mins(5);
        for secret in ["whsec_old", "whsec_new"] {
            let secrets = [Redacted::new(secret.to_owned())];
            let verified = webhook::verify(header, body, &secrets, now(), tolerance);
            assert_eq!(verified, Ok(()), "{secret}");
        }
    }
}
