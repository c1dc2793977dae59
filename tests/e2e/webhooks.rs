//! Deliveries through the real endpoint.

use counterfoil_testkit::stripe::sign_event;

use super::calls::{alike, event};
use super::stage::{now, stage, wait};
use super::tenant::{SECRET_MARK, Tenant};

/// What makes a delivery bad, its `Stripe-Signature` (empty: none), its body.
type Case = (&'static str, String, String);

/// A valid signature by the tenant's endpoint, `offset` seconds from now.
fn sign(tenant: &Tenant, body: &str, offset: i64) -> String {
    let at = now().as_secs() + offset;
    let secrets = [tenant.webhook_secret.as_str()];
    sign_event(&secrets, body.as_bytes(), at)
}

fn bad_deliveries(tenant: &Tenant, stranger: &Tenant) -> Vec<Case> {
    let body = event("cus_Bodymark1");
    let test = body.replace("\"livemode\":true", "\"livemode\":false");
    let connected = body.replacen('{', "{\"account\":\"acct_1\",", 1);
    let by = |secret: &str| sign_event(&[secret], body.as_bytes(), now().as_secs());
    let good = sign(tenant, &body, 0);
    let signed = |case, body: &str| (case, sign(tenant, body, 0), body.to_owned());
    let with = |case, signature: String| (case, signature, body.clone());
    vec![
        with("signed by nobody", by("whsec_made_up")),
        with("of another project", by(&stranger.webhook_secret)),
        with("301 s old", sign(tenant, &body, -301)),
        // The clock moves on until the function looks at it.
        with("more than 300 s ahead", sign(tenant, &body, 320)),
        with("not signed", String::new()),
        with("without the header's form", "v1=abc".to_owned()),
        with("of an old scheme", good.replace(",v1=", ",v0=")),
        with("without a time", good.replacen("t=", "u=", 1)),
        ("altered", good.clone(), body.replace("mark1", "mark2")),
        signed("of test mode", &test),
        signed("of a connected account", &connected),
        signed("not JSON", "{Bodymark"),
        signed("not an event", "[]"),
        signed("empty", ""),
    ]
}

#[test]
fn what_is_not_authentic_gets_one_generic_answer_and_causes_nothing() {
    let stage = stage();
    stage.run(async {
        let (tenant, stranger) = (stage.tenant().await, stage.tenant().await);
        let id = tenant.project.id.to_string();
        let mut refused = Vec::new();
        for (case, signature, body) in bad_deliveries(&tenant, &stranger) {
            let signature = Some(signature.as_str()).filter(|signature| !signature.is_empty());
            let answer = stage.deliver(&id, signature, body.as_bytes()).await;
            refused.push((case.to_owned(), answer));
        }
        alike(&refused, 400);
        let body = event("cus_Bodymark3");
        let signature = sign(&tenant, &body, 0);
        let mut absent = Vec::new();
        for id in [
            "prj_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "ws_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "prj_",
            "Idmark%20or%201=1",
            "%FFIdmark",
        ] {
            let answer = stage.deliver(id, Some(&signature), body.as_bytes());
            absent.push((id.to_owned(), answer.await));
        }
        alike(&absent, 404);

        // What a refused delivery had enqueued would come before this.
        let (customer, _) = stage.drifted("paid_no_access");
        stage.found(&tenant, &customer).await;
        assert_eq!(stage.checks(&tenant).await.len(), 1);
        assert!(stage.main.runs(&stranger).await.is_empty());
        every_refusal_is_logged_without_what_it_held(&tenant, refused.len()).await;
    });
}

async fn every_refusal_is_logged_without_what_it_held(tenant: &Tenant, refused: usize) {
    let project = tenant.project.id.to_string();
    let lines = wait("a line per refusal", async || {
        let lines = stage().main.logged("stripe-webhook").await;
        let ours = lines
            .iter()
            .filter(|line| line.contains("webhook refused") && line.contains(&project));
        (ours.count() >= refused).then_some(lines)
    })
    .await;
    let absent = lines
        .iter()
        .filter(|line| line.contains("there is no such project"));
    assert!(absent.count() >= 5);
    for line in &lines {
        for word in [
            SECRET_MARK,
            "whsec_",
            "v1=",
            "Bodymark",
            "Idmark",
            "cus_",
            "evt_",
        ] {
            assert!(!line.contains(word), "{word} is in the log: {line}");
        }
    }
}

#[test]
fn a_signature_is_valid_for_five_minutes_on_both_sides() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let id = tenant.project.id.to_string();
        for offset in [-290, 0, 299] {
            let body = event("cus_Nobody");
            let signature = sign(&tenant, &body, offset);
            let answer = stage.deliver(&id, Some(&signature), body.as_bytes());
            assert_eq!(answer.await.status, 200, "{offset} s");
        }
    });
}

#[test]
fn a_body_that_the_api_hands_over_as_base64_is_checked_by_its_bytes() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let id = tenant.project.id.to_string();
        let (customer, _) = stage.drifted("paid_no_access");
        let body = event(&customer).replace("sub_1", "Zoë’s — €");
        let signature = sign(&tenant, &body, 0);
        let altered = body.replace('ë', "e");
        for (body, status) in [(&altered, 400), (&body, 200)] {
            let signature = Some(signature.as_str());
            let kind = "application/octet-stream";
            let answer = stage.deliver_as(kind, &id, signature, body.as_bytes());
            assert_eq!(answer.await.status, status);
        }
        stage.incident(&tenant, &customer).await;
    });
}

#[test]
fn a_delivery_signed_while_a_secret_is_being_rolled_is_taken() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let id = tenant.project.id.to_string();
        let (new, old) = (&tenant.webhook_secret, &tenant.old_webhook_secret);
        for secrets in [
            vec![old.as_str()],
            vec![new],
            vec!["whsec_next", old],
            vec![new, old],
        ] {
            let body = event("cus_Nobody");
            let signature = sign_event(&secrets, body.as_bytes(), now().as_secs());
            let answer = stage.deliver(&id, Some(&signature), body.as_bytes());
            assert_eq!(answer.await.status, 200);
        }
    });
}

#[test]
fn an_event_that_comes_twice_causes_one_check() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let id = tenant.project.id.to_string();
        let (customer, _) = stage.drifted("paid_no_access");
        let body = event(&customer);
        for offset in [0, -1, -2] {
            // Stripe signs every attempt anew.
            let signature = sign(&tenant, &body, offset);
            let answer = stage.deliver(&id, Some(&signature), body.as_bytes());
            assert_eq!(answer.await.status, 200);
        }
        // The check of another event comes after whatever the repetitions enqueued.
        let (other, _) = stage.drifted("wrong_plan");
        stage.found(&tenant, &other).await;
        stage.incident(&tenant, &customer).await;
        assert_eq!(stage.checks(&tenant).await.len(), 2);
    });
}
