//! Fields of the API's answers, as text for people.

use counterfoil_core::money::Money;
use serde_json::Value;

/// A text at a pointer; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default()
}

/// The items of a list.
pub(crate) fn items(list: &Value) -> &[Value] {
    let items = list.pointer("/items").and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

/// Texts of a list at a pointer.
pub(crate) fn texts<'a>(value: &'a Value, pointer: &str) -> Vec<&'a str> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// `29.00 USD`; empty where no amount is known.
pub(crate) fn money(value: &Value, pointer: &str) -> String {
    let amount = value.pointer(pointer).and_then(|amount| {
        let minor = amount.get("minor")?.as_i64()?;
        Some(Money::new(minor, amount.get("currency")?.as_str()?).to_string())
    });
    amount.unwrap_or_default()
}

/// A code as words: `paid_without_access` is `paid without access`.
pub(crate) fn words(code: &str) -> String {
    code.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_money_and_codes_are_words() {
        let incident = json!({ "at_risk": { "minor": 123_450, "currency": "usd" }, "none": null });
        assert_eq!(money(&incident, "/at_risk"), "1,234.50 USD");
        assert_eq!(money(&incident, "/none"), "");
        assert_eq!(words("paid_without_access"), "paid without access");
    }
}
