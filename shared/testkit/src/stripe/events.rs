//! Webhook events: making, signing and delivering them.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sha2::Sha256;

/// A snapshot event around `object`. `created` is in seconds since 1970.
pub fn event(id: &str, kind: &str, created: i64, object: &Value) -> Vec<u8> {
    let livemode = object
        .get("livemode")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    json!({
        "id": id, "object": "event", "api_version": "2026-09-30.endive", "created": created,
        "data": {"object": object}, "livemode": livemode, "pending_webhooks": 1,
        "request": {"id": null, "idempotency_key": null}, "type": kind,
    })
    .to_string()
    .into_bytes()
}

/// The `Stripe-Signature` header: one `v1` per secret, as while a secret is being rolled.
pub fn sign_event(secrets: &[&str], payload: &[u8], at: i64) -> String {
    let mut header = format!("t={at}");
    for secret in secrets {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
            continue;
        };
        mac.update(format!("{at}.").as_bytes());
        mac.update(payload);
        header.push_str(",v1=");
        header.push_str(&hex::encode(mac.finalize().into_bytes()));
    }
    header
}

/// What a webhook endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: String,
}

/// Sends an event to a webhook endpoint, once, as Stripe does.
///
/// # Errors
/// When there is no answer.
pub async fn deliver(
    url: &str,
    payload: Vec<u8>,
    signature: &str,
) -> Result<Delivery, reqwest::Error> {
    let answer = Client::new()
        .request(Method::POST, url)
        .header("content-type", "application/json; charset=utf-8")
        .header("stripe-signature", signature)
        .header(
            "user-agent",
            "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        )
        .body(payload)
        .send()
        .await?;
    let status = answer.status().as_u16();
    Ok(Delivery {
        status,
        body: answer.text().await?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_signed_as_stripes_libraries_do() {
        // printf '1614556800.{}' | openssl dgst -sha256 -hmac whsec_test_secret
        let digest = "abb0b905e130a1185b747822884803b510d0e61726b7bfaab61b84669c35f791";
        let header = sign_event(&["whsec_test_secret"], b"{}", 1_614_556_800);
        assert_eq!(header, format!("t=1614556800,v1={digest}"));
        let rolled = sign_event(&["whsec_new", "whsec_test_secret"], b"{}", 1_614_556_800);
        assert!(
            rolled.starts_with("t=1614556800,v1=") && rolled.ends_with(digest),
            "{rolled}"
        );
    }
}
