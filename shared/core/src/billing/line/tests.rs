//! Both parsers read the same.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A value of a member that is wanted: of each kind, right and wrong.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..3_000_000_000).prop_map(Value::from),
        "[a-z_]{0,6}".prop_map(Value::from),
        "[a-c\"\\\\é\n]{0,6}".prop_map(Value::from),
        Just(json!(1.5)),
        Just(json!([])),
        Just(json!({})),
        Just(json!({"id": "x_1", "status": "open", "behavior": "void", "other": [1, {"id": 2}]})),
        Just(json!([{"coupon": {"percent_off": 12.5}}, "di_1"])),
        Just(json!({"user_id": "u_1", "source": "\u{e9}"})),
        items(),
    ]
}

fn items() -> impl Strategy<Value = Value> {
    let price = prop_oneof![
        Just(json!("price_1")),
        Just(json!({"unit_amount": 5, "id": "price_2", "product": {"id": "prod_1"}})),
        Just(json!({"product": "prod_1"})),
        Just(Value::Null),
    ];
    let quantity = prop_oneof![
        Just(Value::Null),
        (0..5_000_000_000_i64).prop_map(Value::from)
    ];
    let item = (price, quantity, any::<u32>()).prop_map(|(price, quantity, end)| {
        json!({"plan": {"id": "}"}, "price": price, "quantity": quantity,
               "current_period_end": end, "current_period_start": null})
    });
    (prop::collection::vec(item, 0..4), any::<bool>())
        .prop_map(|(data, more)| json!({"object": "list", "data": data, "has_more": more}))
}

const MEMBERS: [&str; 20] = [
    "created",
    "trial_end",
    "ended_at",
    "cancel_at",
    "cancel_at_period_end",
    "current_period_start",
    "current_period_end",
    "items",
    "pause_collection",
    "latest_invoice",
    "livemode",
    "discounts",
    "currency",
    "discount",
    "deleted",
    "email",
    "metadata",
    "plan",
    "id",
    "ém\"ail",
];

/// A text of these members, in this order, some of them twice.
fn text(members: &[(&str, Value)], pretty: bool) -> String {
    let (space, colon) = if pretty { ("\n  ", ": ") } else { ("", ":") };
    let members: Vec<String> = members
        .iter()
        .map(|(name, value)| format!("{space}{}{colon}{value}", Value::from(*name)))
        .collect();
    format!("{{{}{space}}}", members.join(","))
}

fn members() -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    let first = prop_oneof![
        8 => Just(vec![
            ("id", json!("sub_1")),
            ("customer", json!("cus_1")),
            ("status", json!("active")),
        ]),
        1 => Just(vec![("id", json!("sub_1")), ("customer", json!({"id": "cus_1", "x": "{"}))]),
        1 => Just(vec![("status", json!("new"))]),
    ];
    let other = (prop::sample::select(&MEMBERS[..]), value());
    (first, prop::collection::vec(other, 0..6)).prop_flat_map(|(mut first, others)| {
        first.extend(others);
        Just(first).prop_shuffle()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn lines_are_read_as_a_parser_reads_them(members in members(), pretty: bool) {
        let text = text(&members, pretty);
        let parsed = serde_json::from_str::<CustomerLine<'_>>(&text).ok();
        prop_assert_eq!(read::<CustomerLine<'_>>(&text).ok(), parsed);
        let parsed = serde_json::from_str::<SubscriptionLine<'_>>(&text).ok();
        prop_assert_eq!(read::<SubscriptionLine<'_>>(&text).ok(), parsed);
    }

    #[test]
    fn a_line_that_was_cut_off_is_an_error(members in members()) {
        let text = text(&members, false);
        for (length, _) in text.char_indices() {
            let cut = text.get(..length).unwrap();
            prop_assert!(read::<CustomerLine<'_>>(cut).is_err());
            prop_assert!(read::<SubscriptionLine<'_>>(cut).is_err());
        }
    }
}
