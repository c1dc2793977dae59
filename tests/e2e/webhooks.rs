//! Deliveries through the real endpoint.

use counterfoil_testkit::stripe::sign_event;

use super::stage::{WEBHOOK_SECRET, event, now, stage};

#[test]
fn what_is_not_authentic_gets_one_generic_answer_and_causes_nothing() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let id = tenant.project.id.to_string();
        let body = event("cus_1");
        let live = body.replace("\"livemode\":false", "\"livemode\":true");
        let at = now().as_secs();
        let sign = |secret: &str, at: i64, body: &str| sign_event(&[secret], body.as_bytes(), at);
        let good = sign(WEBHOOK_SECRET, at, &body);
        let cases = [
            (
                "wrong secret",
                Some(sign("whsec_other", at, &body)),
                body.clone(),
            ),
            (
                "stale",
                Some(sign(WEBHOOK_SECRET, at - 400, &body)),
                body.clone(),
            ),
            (
                "from the future",
                Some(sign(WEBHOOK_SECRET, at + 400, &body)),
                body.clone(),
            ),
            (
                "altered",
                Some(good.clone()),
                body.replace("cus_1", "cus_2"),
            ),
            ("not signed", None, body.clone()),
            ("malformed header", Some("v1=abc".to_owned()), body.clone()),
            (
                "of the other mode",
                Some(sign(WEBHOOK_SECRET, at, &live)),
                live.clone(),
            ),
            (
                "not an event",
                Some(sign(WEBHOOK_SECRET, at, "[]")),
                "[]".to_owned(),
            ),
        ];
        let mut answers = Vec::new();
        for (case, signature, body) in cases {
            let answer = stage
                .deliver(&id, signature.as_deref(), body.as_bytes())
                .await;
            assert_eq!(answer.status, 400, "{case}");
            assert_eq!(answer.content_type, "application/problem+json", "{case}");
            answers.push(answer);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "the answers differ: {answers:?}");
        let mut absent = Vec::new();
        for project in ["prj_01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense", "prj_"] {
            absent.push(stage.deliver(project, Some(&good), body.as_bytes()).await);
        }
        assert!(absent.iter().all(|answer| answer.status == 404));
        absent.dedup();
        assert_eq!(absent.len(), 1, "the answers differ: {absent:?}");
        assert!(
            stage.runs(&tenant).await.is_empty(),
            "a refused delivery caused a check"
        );
    });
}

#[test]
fn a_delivery_signed_while_a_secret_is_being_rolled_is_taken_once() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        let (customer, _) = stage.drifted("paid_no_access");
        let body = event(&customer);
        let signature = sign_event(
            &["whsec_next", "whsec_rolled_out"],
            body.as_bytes(),
            now().as_secs(),
        );
        let id = tenant.project.id.to_string();
        for _ in 0..2 {
            let answer = stage.deliver(&id, Some(&signature), body.as_bytes()).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        stage.incident(&tenant, &customer).await;
        assert_eq!(
            stage.runs(&tenant).await.len(),
            1,
            "a repeated delivery caused another check"
        );
    });
}
