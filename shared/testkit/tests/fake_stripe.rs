//! What the fake Stripe does that the product must never see, and what its lists leave out.

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use axum::Router;
    use axum::body::Bytes;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use counterfoil_core::redacted::Redacted;
    use counterfoil_core::time::Timestamp;
    use counterfoil_core::webhook;
    use counterfoil_testkit::stripe::{
        Crowd, FakeStripe, Plan, Sample, Standing, deliver, event, sign_event,
    };
    use reqwest::{Client, Method};
    use serde::Deserialize;
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

    /// Every id of a list, by one cursor.
    async fn walk(stripe: &FakeStripe, client: &Client, list: &str) -> (usize, BTreeSet<String>) {
        let key = stripe.restricted_key();
        let (mut after, mut pages, mut ids) = (String::new(), 0, BTreeSet::new());
        loop {
            let url = format!("{}{list}&limit=100{after}", stripe.base_url());
            let answer = client.get(url).bearer_auth(&key).send().await.unwrap();
            let body = answer.bytes().await.unwrap();
            let page: Page = serde_json::from_slice(&body).unwrap();
            pages += 1;
            ids.extend(page.data.iter().map(|it| it.id.clone()));
            if !page.has_more {
                return (pages, ids);
            }
            after = format!("&starting_after={}", page.data.last().unwrap().id);
        }
    }

    #[derive(Deserialize)]
    struct Page {
        data: Vec<Identified>,
        has_more: bool,
    }

    #[derive(Deserialize)]
    struct Identified {
        id: String,
    }

    #[tokio::test]
    async fn a_crowd_is_listed_whole_and_fast() {
        const SIZE: u32 = 20_000;
        let begun = Instant::now();
        let crowd = Arc::new(Crowd::new(3, SIZE, now()));
        let made = begun.elapsed();
        let (customers, subscriptions, invoices) = crowd.counts();
        let stripe = FakeStripe::start_crowd(Arc::clone(&crowd)).await.unwrap();
        let client = Client::new();
        let begun = Instant::now();
        let mut all = 0;
        for (list, count) in [
            ("/v1/customers?created[gte]=0", customers),
            ("/v1/subscriptions?status=all", subscriptions),
            ("/v1/invoices?status=open", invoices),
        ] {
            let (pages, ids) = walk(&stripe, &client, list).await;
            assert_eq!(ids.len(), count, "{list}");
            all += pages;
        }
        let took = begun.elapsed();
        println!("{SIZE} customers placed in {made:?}, {all} pages sent in {took:?}");
        assert!(customers > 19_000 && subscriptions > 19_000 && invoices > 1_000);
        assert!(took < Duration::from_secs(30), "{took:?} for {all} pages");
    }

    #[tokio::test]
    async fn a_crowd_answers_alike_whatever_is_asked() {
        let crowd = Arc::new(Crowd::new(3, 500, now()));
        let stripe = FakeStripe::start_crowd(Arc::clone(&crowd)).await.unwrap();
        let (_, listed) = get(&stripe, "/v1/subscriptions?status=all&limit=100").await;
        for subscription in listed["data"].as_array().unwrap() {
            let customer = subscription["customer"].as_str().unwrap();
            let (_, own) = get(
                &stripe,
                &format!("/v1/subscriptions?status=all&customer={customer}"),
            )
            .await;
            let own = own["data"].as_array().unwrap();
            assert!(own.contains(subscription), "{customer}");
            let (status, object) = get(&stripe, &format!("/v1/customers/{customer}")).await;
            assert_eq!((status, &object["id"]), (200, &subscription["customer"]));
        }
        let (status, _) = get(&stripe, "/v1/customers/cus_1234567AAAAAB0").await;
        assert_eq!(status, 404);
        let (status, _) = get(&stripe, "/v1/customers?starting_after=cus_1234567AAAAAB0").await;
        assert_eq!(status, 400);
    }

    #[tokio::test]
    async fn a_customer_of_a_crowd_can_be_changed() {
        let crowd = Arc::new(Crowd::new(3, 300, now()));
        let stripe = FakeStripe::start_crowd(Arc::clone(&crowd)).await.unwrap();
        let customer = crowd.customer_id(0);
        stripe.change(|shop| {
            crowd.put_into(0, shop);
            assert!(shop.delete_customer(&customer, now().as_secs()));
        });
        let (_, object) = get(&stripe, &format!("/v1/customers/{customer}")).await;
        assert_eq!(object["deleted"], true);
        let path = format!("/v1/subscriptions?status=all&customer={customer}");
        let (_, own) = get(&stripe, &path).await;
        assert_eq!(own["data"][0]["status"], "canceled");
        let client = Client::new();
        let (_, listed) = walk(&stripe, &client, "/v1/customers?limit=100").await;
        assert!(!listed.contains(&customer));
        assert_eq!(listed.len(), crowd.counts().0 - 1);
    }

    #[tokio::test]
    async fn answers_come_compressed_and_over_one_connection_where_that_is_wanted() {
        let crowd = Arc::new(Crowd::new(3, 1_000, now()));
        let stripe = FakeStripe::start_crowd(crowd).await.unwrap();
        stripe.compress();
        let client = Client::new();
        let (pages, _) = walk(&stripe, &client, "/v1/customers?created[gte]=0").await;
        assert_eq!((pages, stripe.connections()), (10, 1));
        assert!(stripe.requests().iter().all(|request| request.takes_gzip));
    }

    #[test]
    fn the_rows_of_a_crowd_are_those_of_its_users() {
        let crowd = Crowd::new(3, 1_000, now());
        let data: String = crowd.copy_data().collect();
        let lines: Vec<&str> = data.lines().collect();
        let users: Vec<_> = crowd.users().collect();
        assert_eq!(lines.len(), users.len());
        for (line, user) in lines.iter().zip(&users) {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields.len(), 10);
            assert_eq!(
                (fields[0], fields[1]),
                (user.id.as_str(), user.email.as_str())
            );
            assert_eq!(
                fields[3],
                user.stripe_customer_id.as_deref().unwrap_or("\\N")
            );
            assert_eq!(fields[8], format!("{{{}}}", user.features.join(",")));
        }
    }
}
