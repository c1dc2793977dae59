//! Reading Stripe's error objects (`{"error": {"type", "code", "message"}}`).

use serde::Deserialize;

use crate::error::StripeError;

#[derive(Deserialize, Default)]
struct Body {
    #[serde(default)]
    error: Details,
}

#[derive(Deserialize, Default)]
struct Details {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// The error behind an answer that is not 2xx.
pub(crate) fn classify(status: u16, body: &[u8], what: &'static str) -> StripeError {
    let Body { error } = serde_json::from_slice(body).unwrap_or_default();
    match status {
        401 => StripeError::Key,
        403 => StripeError::Permission {
            what,
            permission: permission(error.message.as_deref()),
        },
        429 => StripeError::RateLimited,
        409 | 500..=599 => StripeError::Status { status },
        _ => {
            let code = error.code.or(error.r#type).filter(|code| is_word(code));
            StripeError::Refused {
                what,
                status,
                code: code.unwrap_or_else(|| "no code".to_owned()),
            }
        }
    }
}

/// The permission that the message names between single quotes. The key stands there as well, in
/// part, so nothing but a permission's name is taken.
fn permission(message: Option<&str>) -> String {
    let named = message
        .into_iter()
        .flat_map(|message| message.split('\''))
        .find(|part| part.starts_with("rak_") && is_word(part));
    named
        .unwrap_or("that Stripe's log of requests names")
        .to_owned()
}

fn is_word(text: &str) -> bool {
    text.len() <= 100
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(message: &str) -> Vec<u8> {
        serde_json::json!({"error": {"type": "invalid_request_error", "message": message}})
            .to_string()
            .into_bytes()
    }

    #[test]
    fn a_403_names_the_missing_permission_and_not_the_key() {
        let body = error(
            "The provided key 'rk_live_***abc' does not have the required permissions for this \
             endpoint. Having the 'rak_customer_read' permission would allow this request.",
        );
        let error = classify(403, &body, "customers");
        assert_eq!(
            error.to_string(),
            "the key may not read customers: add the permission rak_customer_read (read) to it in \
             the Dashboard"
        );
    }

    #[test]
    fn nothing_of_a_message_but_a_code_is_passed_on() {
        let error = classify(
            400,
            &error("No such customer: 'ada@example.com'"),
            "customers",
        );
        assert_eq!(
            error.to_string(),
            "Stripe refused to list customers with status 400 (invalid_request_error)"
        );
        assert_eq!(
            classify(502, b"<html>", "customers"),
            StripeError::Status { status: 502 }
        );
        assert_eq!(classify(401, b"", "customers"), StripeError::Key);
    }
}
