//! The id of a request, and the trace it belongs to.

use counterfoil_core::ports::Random;
use http::HeaderMap;

use crate::system::OsRandom;

/// Header of the id, in and out.
pub(super) const REQUEST_ID: &str = "x-request-id";
/// Characters of an id that a caller chose, at most.
const MAX_LEN: usize = 128;

/// The id of a request: the caller's, where it is 1 to 128 visible ASCII characters, otherwise a
/// new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(String);

impl RequestId {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let sent = headers.get(REQUEST_ID);
        let fits = |text: &&str| {
            (1..=MAX_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let kept = sent.and_then(|value| value.to_str().ok()).filter(fits);
        Self(kept.map_or_else(fresh, str::to_owned))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 128 random bits, hex.
fn fresh() -> String {
    let bytes = OsRandom.bytes32();
    let hex = bytes.iter().take(16).map(|byte| format!("{byte:02x}"));
    format!("req_{}", hex.collect::<String>())
}

/// The trace id of a `traceparent` (W3C Trace Context, section 3.2), if it is well formed.
pub(super) fn trace(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get("traceparent")?.to_str().ok()?.split('-');
    let (version, trace) = (fields.next()?, fields.next()?);
    let (parent, flags) = (fields.next()?, fields.next()?);
    let hex = |text: &str, len: usize| {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        text.len() == len && text.bytes().all(digit)
    };
    let formed = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    // Version 00 has four fields; a later one may have more. All zeros name nothing.
    let fits = version != "ff" && (version != "00" || fields.next().is_none());
    let names = |text: &str| text.bytes().any(|byte| byte != b'0');
    (formed && fits && names(trace) && names(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(name: &'static str, value: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value).unwrap());
        headers
    }

    #[test]
    fn a_usable_id_is_kept_and_any_other_is_replaced() {
        let kept = RequestId::of(&headers(REQUEST_ID, b"build-17/4"));
        assert_eq!(kept.as_str(), "build-17/4");
        let long = [b'a'; 129];
        for bad in [&b""[..], b"with space", b"tab\there", "ä".as_bytes(), &long] {
            let replaced = RequestId::of(&headers(REQUEST_ID, bad));
            assert!(replaced.as_str().starts_with("req_"), "{replaced:?}");
            assert_eq!(replaced.as_str().len(), 36);
        }
        let (one, other) = (HeaderMap::new(), HeaderMap::new());
        assert_ne!(RequestId::of(&one), RequestId::of(&other));
    }

    #[test]
    fn only_a_well_formed_traceparent_names_a_trace() {
        let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let good = format!("00-{trace_id}-00f067aa0ba902b7-01");
        assert_eq!(
            trace(&headers("traceparent", good.as_bytes())),
            Some(trace_id)
        );
        let later = format!("01-{trace_id}-00f067aa0ba902b7-01-more");
        assert_eq!(
            trace(&headers("traceparent", later.as_bytes())),
            Some(trace_id)
        );
        for bad in [
            format!("{good}-more"),
            good.to_uppercase(),
            good.replacen("00", "ff", 1),
            good.replace(trace_id, &"0".repeat(32)),
            good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            trace_id.to_owned(),
            String::new(),
        ] {
            assert_eq!(
                trace(&headers("traceparent", bad.as_bytes())),
                None,
                "{bad}"
            );
        }
    }
}
