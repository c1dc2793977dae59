//! Objects as Stripe has sent them over the years.

use super::{Catalog, Customer, Invoice, Page, Price, Recurring, Status, Subscription};

fn subscription(fields: &str) -> Subscription {
    let text = format!(r#"{{"id":"sub_1","customer":"cus_1","status":"active"{fields}}}"#);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_least_that_stripe_sends_is_enough() {
    let least = subscription("");
    assert_eq!(
        (least.created, least.items.data.len(), least.livemode),
        (0, 0, None)
    );
    let nulls = subscription(
        r#","created":null,"items":null,"discounts":null,"latest_invoice":null,"trial_end":null"#,
    );
    assert_eq!(nulls, least);
}

#[test]
fn the_period_is_read_from_items_and_else_from_the_subscription() {
    let old = subscription(r#","current_period_end":5,"items":{"data":[{"price":{"id":"p"}}]}"#);
    assert_eq!(old.period_end(), Some(5));
    let new = subscription(
        r#","items":{"data":[{"current_period_end":7},{"current_period_end":9}],"has_more":true}"#,
    );
    assert_eq!((new.period_end(), new.items.has_more), (Some(9), true));
}

#[test]
fn a_reference_may_be_an_id_or_an_object() {
    let text = r#"{"id":"sub_1","customer":{"id":"cus_1","x":[1]},"status":"active",
        "items":{"data":[{"price":{"id":"price_1","product":{"name":"n","id":"prod_1"}}}]},
        "latest_invoice":"in_1"}"#;
    let subscription: Subscription = serde_json::from_str(text).unwrap();
    assert_eq!(subscription.customer, "cus_1");
    assert_eq!(subscription.items.data[0].price.product, "prod_1");
    assert_eq!(subscription.latest_invoice, None);
    let invoice =
        self::subscription(r#","latest_invoice":{"id":"in_1","status":"open","created":3}"#);
    assert_eq!(invoice.latest_invoice.unwrap().created, Some(3));
}

#[test]
fn an_invoice_tells_since_when_money_is_outstanding() {
    let read = |text: &str| serde_json::from_str::<Invoice>(text).unwrap();
    let new = read(
        r#"{"id":"in_1","customer":"cus_1","created":5,"status":"open","due_date":null,
        "parent":{"type":"subscription_details","subscription_details":{"subscription":"sub_1"}}}"#,
    );
    let old = read(
        r#"{"id":"in_1","customer":{"id":"cus_1"},"created":5,"status":"open",
        "subscription":{"id":"sub_1"}}"#,
    );
    assert_eq!(new, old);
    assert_eq!(new.subscription.as_deref(), Some("sub_1"));
    assert_eq!(new.unpaid_since(), Some(5));
    assert_eq!(read(&serde_json::to_string(&new).unwrap()), new);
    let sent = read(r#"{"created":5,"status":"uncollectible","due_date":9,"parent":null}"#);
    assert_eq!(
        (sent.subscription.as_ref(), sent.unpaid_since()),
        (None, Some(9))
    );
    for settled in ["paid", "void", "draft"] {
        let text = format!(r#"{{"created":5,"status":"{settled}"}}"#);
        assert_eq!(read(&text).unpaid_since(), None, "{settled}");
    }
}

#[test]
fn an_unknown_status_is_kept() {
    for name in ["active", "past_due", "incomplete_expired", "hibernating"] {
        let status: Status = serde_json::from_str(&format!("\"{name}\"")).unwrap();
        assert_eq!(status.as_str(), name);
    }
    assert_eq!(
        Status::from("hibernating"),
        Status::Other("hibernating".to_owned())
    );
}

#[test]
fn a_coupon_is_read_wherever_it_lies() {
    let left = |fields: &str| {
        let sold = subscription(fields);
        let again: Subscription =
            serde_json::from_str(&serde_json::to_string(&sold).unwrap()).unwrap();
        assert_eq!(again, sold, "{fields}");
        let cadence = monthly("year", 1).cadence();
        let all = sold.discounts().filter(|discount| discount.runs(100));
        all.fold(1_000, |sum, discount| discount.apply(sum, "usd", cadence))
    };
    for (fields, expected) in [
        (r#","discounts":[{"coupon":{"percent_off":100.0}}]"#, 0),
        (r#","discount":{"coupon":{"percent_off":100}}"#, 0),
        (
            r#","discounts":[{"source":{"coupon":{"percent_off":100}}}]"#,
            0,
        ),
        (r#","discounts":[{"coupon":{"percent_off":99.9}}]"#, 1),
        (r#","discounts":[{"coupon":{"percent_off":33.3333}}]"#, 666),
        (
            r#","discounts":[{"coupon":{"percent_off":50}},{"coupon":{"percent_off":50}}]"#,
            250,
        ),
        (
            r#","discounts":[{"coupon":{"amount_off":1200,"currency":"usd"}}]"#,
            900,
        ),
        (
            r#","discounts":[{"coupon":{"amount_off":99999,"currency":"usd"}}]"#,
            0,
        ),
        (
            r#","discounts":[{"coupon":{"amount_off":1200,"currency":"eur"}}]"#,
            1_000,
        ),
        (
            r#","discounts":[{"coupon":{"percent_off":100},"end":100}]"#,
            1_000,
        ),
        (
            r#","discounts":[{"coupon":{"percent_off":100},"end":101}]"#,
            0,
        ),
        (r#","discounts":["di_1"]"#, 1_000),
        (r#","discounts":[{"coupon":"co_1"}]"#, 1_000),
        (
            r#","discounts":[{"coupon":{"amount_off":500}}],"discount":null"#,
            1_000,
        ),
        (r#","discounts":[{"coupon":{"percent_off":1e300}}]"#, 1_000),
        ("", 1_000),
    ] {
        assert_eq!(left(fields), expected, "{fields}");
    }
}

#[test]
fn a_deleted_customer_has_an_id_only() {
    let text = r#"{"id":"cus_1","object":"customer","deleted":true}"#;
    let customer: Customer = serde_json::from_str(text).unwrap();
    assert!(customer.deleted);
    let text = r#"{"id":"cus_1","metadata":null,"email":"a@example.com","livemode":true}"#;
    let customer: Customer = serde_json::from_str(text).unwrap();
    assert!(
        !format!("{customer:?}").contains("example"),
        "no personal data in logs"
    );
}

fn monthly(interval: &str, count: u32) -> Recurring {
    Recurring {
        interval: interval.to_owned(),
        interval_count: count,
        usage_type: None,
    }
}

fn priced(amount: i64, interval: &str, count: u32) -> Price {
    Price {
        unit_amount: Some(amount),
        recurring: Some(monthly(interval, count)),
        ..Price::default()
    }
}

#[test]
fn months_are_the_common_measure() {
    let per_month = |amount, interval, count| priced(amount, interval, count).monthly();
    assert_eq!(per_month(3_000, "month", 1), Some(3_000));
    assert_eq!(per_month(30_000, "year", 1), Some(2_500));
    assert_eq!(per_month(9_000, "month", 3), Some(3_000));
    assert_eq!(per_month(1_200, "week", 1), Some(5_200));
    assert_eq!(per_month(100, "day", 1), Some(3_041));
    assert_eq!(per_month(100, "fortnight", 1), None);
    let once = Price {
        unit_amount: Some(1),
        ..Price::default()
    };
    assert_eq!(once.monthly(), None);
    // Rounded once, not once per unit.
    let yearly = priced(1_000, "year", 1).cost().unwrap();
    assert_eq!(
        (yearly.monthly(1), yearly.monthly(12)),
        (Some(83), Some(1_000))
    );
}

#[test]
fn what_is_measured_afterwards_has_no_fixed_cost() {
    let read = |fields: &str| {
        let text =
            format!(r#"{{"id":"p","currency":"usd","recurring":{{"interval":"month"{fields}}}}}"#);
        serde_json::from_str::<Price>(&text).unwrap()
    };
    let metered = read(r#","usage_type":"metered"},"unit_amount":5,"x":{"#);
    assert_eq!(metered.cost(), None);
    let tiered = read(r#","usage_type":"licensed"},"unit_amount":null,"x":{"#);
    assert_eq!(tiered.cost(), None);
    let packages = |round: &str| {
        let fields = format!(
            r#"}},"unit_amount":1000,"transform_quantity":{{"divide_by":5,"round":"{round}"}},"x":{{"#
        );
        read(&fields).cost().unwrap()
    };
    assert_eq!(packages("up").monthly(11), Some(3_000));
    assert_eq!(packages("down").monthly(11), Some(2_000));
}

#[test]
fn features_are_known_by_their_lookup_keys() {
    let mut catalog = Catalog::default();
    let page = br#"{"object":"list","data":[{"id":"prodft_1","entitlement_feature":
        {"id":"feat_1","lookup_key":"sso","active":true}}],"has_more":false}"#;
    catalog.add_features("prod_1", page).unwrap();
    catalog.add_features("prod_1", page).unwrap();
    assert_eq!(catalog.features["prod_1"], ["sso"]);
    assert!(catalog.add_features("prod_1", b"{}").is_err());
}

#[test]
fn a_page_needs_its_data() {
    assert!(serde_json::from_str::<Page<Customer>>(r#"{"has_more":false}"#).is_err());
}
