//! Values of the evidence as people read them. What is shortened here is whole in the attachment.

use counterfoil_evidence::json::Json;

use crate::style::Style;
use crate::wrap::Span;

/// Longest text of one value on a page, in characters.
const MAX_TEXT: usize = 2_000;
/// Most values of one part on a page.
const MAX_VALUES: usize = 200;

/// A value in one line.
pub(crate) fn plain(value: &Json) -> String {
    shortened(&whole(value))
}

fn whole(value: &Json) -> String {
    match value {
        Json::Str(text) => text.clone(),
        Json::Array(items) if !items.iter().any(is_nested) => {
            let items: Vec<String> = items.iter().map(whole).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(fields) => {
            if let Some(money) = money(value) {
                return money;
            }
            // A typed value of a database row.
            match (fields.get("type"), fields.get("value"), fields.len()) {
                (Some(Json::Str(_)), Some(inner), 2) => whole(inner),
                (Some(Json::Str(kind)), None, 1) => kind.clone(),
                _ => value.canonical_text(),
            }
        }
        _ => value.canonical_text(),
    }
}

const fn is_nested(value: &Json) -> bool {
    matches!(value, Json::Array(_) | Json::Object(_))
}

/// Every value inside `value` with its path; `skip` names members of the top that are told
/// elsewhere.
pub(crate) fn flat(value: &Json, skip: &[&str]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    if let Json::Object(fields) = value {
        for (name, inner) in fields {
            if !skip.contains(&name.as_str()) {
                collect(&words(name), inner, &mut out);
            }
        }
    }
    if out.len() > MAX_VALUES {
        let more = out.len() - MAX_VALUES;
        out.truncate(MAX_VALUES);
        out.push((
            "…".to_owned(),
            format!("{more} more values are in the attached JSON"),
        ));
    }
    out
}

fn collect(path: &str, value: &Json, out: &mut Vec<(String, String)>) {
    match value {
        Json::Object(fields)
            if money(value).is_none() && !(fields.contains_key("type") && fields.len() <= 2) =>
        {
            for (name, inner) in fields {
                collect(&format!("{path} / {}", words(name)), inner, out);
            }
        }
        Json::Array(items) if items.iter().any(is_nested) => {
            for (index, inner) in items.iter().enumerate() {
                collect(&format!("{path} {}", index + 1), inner, out);
            }
        }
        _ => out.push((path.to_owned(), plain(value))),
    }
}

/// The name of a field in words.
pub(crate) fn words(name: &str) -> String {
    match name {
        "act" => "action".to_owned(),
        "action_hash" => "action digest".to_owned(),
        "request_sha256" => "request digest".to_owned(),
        "add" => "key added".to_owned(),
        "retire" => "key retired".to_owned(),
        "spki" => "public key".to_owned(),
        "commit" => "commitment".to_owned(),
        _ => name.replace('_', " "),
    }
}

/// Whoever or whatever `{"type","id"}` names, and the key that was used.
pub(crate) fn who(value: Option<&Json>) -> Option<Vec<Span>> {
    let value = value?;
    let (kind, id) = (value.get("type")?.as_str()?, value.get("id")?.as_str()?);
    let kind = shortened(&kind.replace('_', " "));
    let mut spans = vec![
        Style::Small.span(format!("{kind} ")),
        Style::Small.id(shortened(id)),
    ];
    if let Some(via) = value.get("via").and_then(Json::as_str) {
        spans.push(Style::Small.span(", with "));
        spans.push(Style::Small.id(shortened(via)));
    }
    Some(spans)
}

/// `{"currency","minor"}` as an amount.
pub(crate) fn money(value: &Json) -> Option<String> {
    let fields = value.as_object()?;
    let minor = fields
        .get("minor")
        .or_else(|| fields.get("amount_minor"))?
        .as_int()?;
    let currency = fields.get("currency")?.as_str()?;
    if fields.len() != 2 || currency.len() != 3 {
        return None;
    }
    Some(amount(minor, currency))
}

/// `-1,234.50 USD`; the number of decimals is that of ISO 4217.
fn amount(minor: i64, currency: &str) -> String {
    let currency = currency.to_ascii_uppercase();
    let decimals: u32 = match currency.as_str() {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    };
    let unit = 10_u64.pow(decimals);
    let sign = if minor < 0 { "-" } else { "" };
    let whole = grouped(minor.unsigned_abs() / unit);
    if decimals == 0 {
        return format!("{sign}{whole} {currency}");
    }
    let rest = minor.unsigned_abs() % unit;
    let places = usize::try_from(decimals).unwrap_or_default();
    format!("{sign}{whole}.{rest:0places$} {currency}")
}

/// `1,234,567`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 action`, `3 actions`.
pub(crate) fn count(number: u64, one: &str, more: &str) -> String {
    format!(
        "{} {}",
        grouped(number),
        if number == 1 { one } else { more }
    )
}

/// At most [`MAX_TEXT`] characters, and how many are left out.
pub(crate) fn shortened(text: &str) -> String {
    cut(text, MAX_TEXT)
}

/// At most `most` characters, and how many are left out.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => {
            let shown = text.get(..end).unwrap_or_default();
            let more = text.chars().count().saturating_sub(most);
            format!("{shown} … ({more} more characters are in the attached JSON)")
        }
    }
}

#[cfg(test)]
mod tests {
    use counterfoil_evidence::json::Json;

    use super::{amount, flat, plain, shortened};

    #[test]
    fn money_is_in_its_unit() {
        assert_eq!(amount(123_450, "usd"), "1,234.50 USD");
        assert_eq!(amount(-5, "eur"), "-0.05 EUR");
        assert_eq!(amount(1_500, "jpy"), "1,500 JPY");
        assert_eq!(amount(1_500, "kwd"), "1.500 KWD");
    }

    #[test]
    fn values_of_rows_lose_their_type() {
        let row =
            br#"[{"type":"text","value":"pro"},{"type":"list","value":["a","b"]},{"type":"null"}]"#;
        let values = Json::parse(row).unwrap();
        let shown: Vec<_> = values.as_array().unwrap().iter().map(plain).collect();
        assert_eq!(shown, ["pro", "[a, b]", "null"]);
    }

    #[test]
    fn nested_values_have_paths() {
        let json = Json::parse(
            br#"{"a":{"b_c":1},"d":[{"e":true}],"money":{"currency":"usd","minor":100},"x":2}"#,
        );
        let flat = flat(&json.unwrap(), &["x"]);
        let shown: Vec<_> = flat.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            shown,
            [("a / b c", "1"), ("d 1 / e", "true"), ("money", "1.00 USD")]
        );
    }

    #[test]
    fn long_text_says_what_is_left_out() {
        assert!(
            shortened(&"é".repeat(2_005))
                .ends_with("é … (5 more characters are in the attached JSON)")
        );
    }
}
