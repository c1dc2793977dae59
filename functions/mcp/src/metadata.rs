//! Where this server is, who gives out tokens for it (RFC 9728), and what whoever comes without one is
//! told (RFC 6750, section 3).

use counterfoil_lambda::Problem;
use counterfoil_lambda::oidc::OidcOptions;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HOST};
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
    /// Who gives out tokens for this server, and with which scope; `None` where agents have keys only.
    pub issuer: Option<OidcOptions>,
}

impl Place {
    fn host<'a>(&'a self, headers: &'a HeaderMap) -> &'a str {
        let asked = || headers.get(HOST).and_then(|host| host.to_str().ok());
        let host = self.host.as_deref().or_else(asked);
        host.unwrap_or_default()
    }

    /// The document about this resource.
    pub(crate) fn document(&self, headers: &HeaderMap) -> Value {
        let mut document = json!({
            "resource": format!("https://{}{PATH}", self.host(headers)),
            "resource_name": "Counterfoil",
            "bearer_methods_supported": ["header"],
        });
        if let (Some(issuer), Value::Object(fields)) = (&self.issuer, &mut document) {
            let servers = json!([issuer.issuer]);
            fields.insert("authorization_servers".to_owned(), servers);
            fields.insert("scopes_supported".to_owned(), json!([issuer.scope]));
        }
        document
    }

    /// What whoever is refused with `problem` is told about credentials, where those are what is wrong
    /// (RFC 9728, section 5.1). Without any credential no error is named (RFC 6750, section 3.1).
    pub(crate) fn challenge(&self, headers: &HeaderMap, problem: &Problem) -> Option<String> {
        let error = match problem.code() {
            "unauthenticated" if headers.contains_key(AUTHORIZATION) => Some("invalid_token"),
            "unauthenticated" => None,
            "insufficient-scope" => Some("insufficient_scope"),
            _ => return None,
        };
        let host = self.host(headers);
        // A host that a caller made up must not end the quoted text.
        let sound = host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte));
        let document = sound.then(|| format!("https://{host}{DOCUMENT}"));
        let scope = self.issuer.as_ref().map(|issuer| issuer.scope.clone());
        let said = [
            ("error", error.map(str::to_owned)),
            ("resource_metadata", document),
            ("scope", scope),
        ];
        let said = said.into_iter();
        let said = said.filter_map(|(name, value)| Some(format!("{name}=\"{}\"", value?)));
        let said = said.collect::<Vec<_>>().join(", ");
        Some(format!("Bearer {said}").trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, StatusCode};

    fn asked(host: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static(host));
        headers
    }

    fn with_issuer() -> Place {
        Place {
            host: Some("mcp.example.com".to_owned()),
            issuer: Some(OidcOptions {
                issuer: "https://login.example.com".to_owned(),
                audiences: vec!["https://mcp.example.com/mcp".to_owned()],
                scope: "counterfoil".to_owned(),
            }),
        }
    }

    #[test]
    fn the_configured_host_is_named_whatever_was_asked() {
        let place = with_issuer();
        let headers = asked("evil.example.com");
        let document = place.document(&headers);
        assert_eq!(document["resource"], "https://mcp.example.com/mcp");
        let challenge = place.challenge(&headers, &Problem::unauthenticated());
        let challenge = challenge.unwrap();
        assert!(
            challenge.contains("https://mcp.example.com/.well-known/"),
            "{challenge}"
        );
    }

    #[test]
    fn the_issuer_is_named_where_there_is_one() {
        let document = with_issuer().document(&HeaderMap::new());
        let servers = json!(["https://login.example.com"]);
        assert_eq!(document["authorization_servers"], servers);
        assert_eq!(document["scopes_supported"], json!(["counterfoil"]));
        let document = Place::default().document(&HeaderMap::new());
        assert_eq!(document.get("authorization_servers"), None);
        assert_eq!(document.get("scopes_supported"), None);
    }

    #[test]
    fn a_credential_that_came_is_told_what_is_wrong_with_it() {
        let place = with_issuer();
        let mut headers = HeaderMap::new();
        let document = "resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\", scope=\"counterfoil\"";
        let none = place.challenge(&headers, &Problem::unauthenticated());
        assert_eq!(none.unwrap(), format!("Bearer {document}"));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        let invalid = place.challenge(&headers, &Problem::unauthenticated());
        let wanted = format!("Bearer error=\"invalid_token\", {document}");
        assert_eq!(invalid.unwrap(), wanted);
        let lacking = Problem::new(StatusCode::FORBIDDEN, "insufficient-scope", "");
        let lacking = place.challenge(&headers, &lacking);
        let wanted = format!("Bearer error=\"insufficient_scope\", {document}");
        assert_eq!(lacking.unwrap(), wanted);
        let incapable = Problem::new(StatusCode::FORBIDDEN, "capability-missing", "");
        assert_eq!(place.challenge(&headers, &incapable), None);
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
        let headers = asked("a\", error=\"x");
        let challenge = Place::default().challenge(&headers, &Problem::unauthenticated());
        assert_eq!(challenge.unwrap(), "Bearer");
    }
}
