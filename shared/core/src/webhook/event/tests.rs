use super::super::kinds::KINDS;
use super::*;
use serde_json::json;

fn customer() -> Hint {
    Hint::Customer("cus_1".to_owned())
}

fn hint(body: &Value) -> Hint {
    read_event(body.to_string().as_bytes()).unwrap().hint
}

/// A type for each row: families get a member.
fn kinds() -> impl Iterator<Item = (String, Consequence)> {
    KINDS.iter().map(|(name, consequence)| {
        let member = if name.ends_with('.') { "updated" } else { "" };
        (format!("{name}{member}"), *consequence)
    })
}

fn expected(consequence: Consequence) -> Hint {
    match consequence {
        Consequence::Check(_) => customer(),
        Consequence::Catalogue => Hint::Catalogue,
        Consequence::Connection => Hint::Connection,
        Consequence::Policy => Hint::Policy,
    }
}

#[test]
fn each_type_leads_to_its_consequence_with_a_plain_or_an_expanded_customer() {
    for (kind, consequence) in kinds() {
        let object = if consequence == Consequence::Check(Named::Itself) {
            [
                json!({"id": "cus_1"}),
                json!({"id": "cus_1", "deleted": true}),
            ]
        } else {
            [
                json!({"id": "x_1", "customer": "cus_1"}),
                json!({"customer": {"id": "cus_1", "object": "customer"}}),
            ]
        };
        for object in object {
            let event = json!({"id": "evt_1", "type": kind, "data": {"object": object}});
            assert_eq!(hint(&event), expected(consequence), "{kind}");
        }
    }
}

#[test]
fn an_object_without_a_customer_concerns_nobody() {
    let objects = [
        json!({"id": "x_1"}),
        json!({"customer": null}),
        json!({"customer": 7}),
        json!({"customer": {}}),
        json!({"customer": "acct_1"}),
        json!({"customer": "cus_1/../balance"}),
        json!({"customer": format!("cus_{}", "x".repeat(300))}),
        Value::Null,
    ];
    for object in objects {
        for kind in [
            "checkout.session.completed",
            "invoice.paid",
            "customer.updated",
        ] {
            let event = json!({"id": "evt_1", "type": kind, "data": {"object": object}});
            assert_eq!(hint(&event), Hint::Nobody, "{kind} {object}");
        }
    }
    let bare = json!({"id": "evt_1", "type": "invoice.paid"});
    assert_eq!(hint(&bare), Hint::Nobody);
}

#[test]
fn a_thin_event_names_its_object_and_nothing_else() {
    let cases = [
        ("v1.customer.updated", "cus_1", customer()),
        (
            "v1.customer.subscription.updated",
            "sub_1",
            Hint::Subscription("sub_1".to_owned()),
        ),
        ("v1.invoice.paid", "in_1", Hint::Nobody),
        ("v1.price.updated", "price_1", Hint::Catalogue),
        ("v1.billing.meter.no_meter_found", "mtr_1", Hint::Nothing),
    ];
    for (kind, id, expected) in cases {
        let event = json!({
            "id": "evt_1", "object": "v2.core.event", "type": kind, "livemode": false,
            "created": "2026-11-23T00:00:00.000Z",
            "related_object": {"id": id, "type": "x", "url": "/v1/x"},
        });
        let event = event_of(event).unwrap();
        assert!(event.thin);
        assert_eq!(event.created, "2026-11-23T00:00:00Z".parse().ok());
        assert_eq!(event.hint, expected, "{kind}");
    }
}

#[test]
fn a_type_that_is_not_in_the_table_is_ignored() {
    for kind in ["plan.created", "payout.paid", "customer.source.created", ""] {
        let event = json!({"id": "evt_1", "type": kind, "data": {"object": {"customer": "cus_1"}}});
        assert_eq!(hint(&event), Hint::Nothing, "{kind}");
    }
}

#[test]
fn what_is_no_event_is_refused() {
    assert_eq!(read_event(b"hello").unwrap_err(), EventError::NotJson);
    assert_eq!(read_event(b"\xff").unwrap_err(), EventError::NotJson);
    for body in [
        "{\"id\":7}",
        "[]",
        "null",
        "{\"id\":\"evt_1\"}",
        // The envelope of an event bus is not signed, so nobody sends it signed.
        "{\"detail\":{\"id\":\"evt_1\",\"type\":\"customer.updated\"}}",
    ] {
        assert_eq!(
            read_event(body.as_bytes()).unwrap_err(),
            EventError::NotAnEvent,
            "{body}"
        );
    }
}
