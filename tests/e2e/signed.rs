//! Signed requests to the emulator, for calls that the product never makes, under any role.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::{Client, Method};
use serde_json::Value;

/// One request.
pub(crate) struct Request {
    pub(crate) service: &'static str,
    pub(crate) method: Method,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Request {
    /// A call of a service that speaks JSON.
    pub(crate) fn json(service: &'static str, target: &str, body: &Value) -> Self {
        let version = if service == "dynamodb" { "1.0" } else { "1.1" };
        Self {
            service,
            method: Method::POST,
            path: "/".to_owned(),
            headers: vec![
                ("x-amz-target", target.to_owned()),
                ("content-type", format!("application/x-amz-json-{version}")),
            ],
            body: body.to_string(),
        }
    }

    /// A call of a service that speaks forms (IAM, STS).
    pub(crate) fn form(service: &'static str, fields: &[(&str, &str)]) -> Self {
        let encode = |text: &str| -> String {
            let byte = |byte: u8| match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            };
            text.bytes().map(byte).collect()
        };
        let pairs = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encode(value)));
        let kind = "application/x-www-form-urlencoded".to_owned();
        Self {
            service,
            method: Method::POST,
            path: "/".to_owned(),
            headers: vec![("content-type", kind)],
            body: pairs.collect::<Vec<_>>().join("&"),
        }
    }

    /// A call that is its method and path.
    pub(crate) const fn rest(service: &'static str, method: Method, path: String) -> Self {
        Self {
            service,
            method,
            path,
            headers: Vec::new(),
            body: String::new(),
        }
    }
}

/// Somebody with credentials.
pub(crate) struct Caller {
    endpoint: String,
    credentials: Credentials,
    client: Client,
}

impl Caller {
    pub(crate) fn new(endpoint: &str, key: &str, secret: &str, token: Option<&str>) -> Self {
        let token = token.map(str::to_owned);
        Self {
            endpoint: endpoint.to_owned(),
            credentials: Credentials::new(key, secret, token, None, "test"),
            client: Client::new(),
        }
    }

    /// Status and text of the answer.
    #[expect(
        clippy::disallowed_methods,
        reason = "the signature names the time of the call"
    )]
    pub(crate) async fn send(&self, request: &Request) -> (u16, String) {
        let url = format!("{}{}", self.endpoint, request.path);
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name(request.service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let headers = request
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let body = SignableBody::Bytes(request.body.as_bytes());
        let signable = SignableRequest::new(request.method.as_str(), &url, headers, body);
        let (instructions, _) = sign(signable.unwrap(), &parameters).unwrap().into_parts();
        let mut sent = self.client.request(request.method.clone(), &url);
        for (name, value) in &request.headers {
            sent = sent.header(*name, value);
        }
        for (name, value) in instructions.headers() {
            sent = sent.header(name, value);
        }
        let answer = sent.body(request.body.clone()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}
