//! Where this server is (RFC 9728). No authorization server is named: agents come with API keys.

use http::HeaderMap;
use http::header::HOST;
use serde_json::{Value, json};

/// The path of the tools.
pub(crate) const PATH: &str = "/mcp";
/// Where the document about them is (RFC 9728, section 3.1).
pub(crate) const DOCUMENT: &str = "/.well-known/oauth-protected-resource/mcp";

/// Where agents reach this server.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The public host; `None` where API Gateway's own name is used, and only API Gateway vouches for
    /// the `Host` header.
    pub host: Option<String>,
}

impl Place {
    fn host<'a>(&'a self, headers: &'a HeaderMap) -> &'a str {
        let asked = || headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = self.host.as_deref().or_else(asked);
        host.unwrap_or_default()
    }

    /// The document about this resource.
    pub(crate) fn document(&self, headers: &HeaderMap) -> Value {
        json!({
            "resource": format!("https://{}{PATH}", self.host(headers)),
            "resource_name": "Counterfoil",
            "bearer_methods_supported": ["header"],
        })
    }

    /// What a request without a valid credential is told (RFC 9728, section 5.1).
    pub(crate) fn challenge(&self, headers: &HeaderMap) -> String {
        let host = self.host(headers);
        // A host that a caller made up must not end the quoted text.
        let sound = host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte));
        if sound {
            format!("Bearer resource_metadata=\"https://{host}{DOCUMENT}\"")
        } else {
            "Bearer".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn asked(host: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        headers
    }

    #[test]
    fn the_configured_host_is_named_whatever_was_asked() {
        let place = Place {
            host: Some("mcp.example.com".to_owned()),
        };
        let headers = asked("evil.example.com");
        let document = place.document(&headers);
        assert_eq!(document["resource"], "https://mcp.example.com/mcp");
        let challenge = place.challenge(&headers);
        assert!(
            challenge.contains("https://mcp.example.com/.well-known/"),
            "{challenge}"
        );
    }

    #[test]
    fn without_a_configured_host_the_gateways_is_named() {
        let document = Place::default().document(&asked("a.execute-api.example.com"));
        assert_eq!(
            document["resource"],
            "https://a.execute-api.example.com/mcp"
        );
    }

    #[test]
    fn a_host_cannot_end_the_challenge() {
        let challenge = Place::default().challenge(&asked("a\", error=\"x"));
        assert_eq!(challenge, "Bearer");
    }
}
