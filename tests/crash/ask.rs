//! Requests, and who sends them.

use serde_json::{Value, json};

use super::stage::number;

/// Who sends a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    /// A key of Ann's: a machine.
    Ann,
    /// Ben, by an approver key.
    Ben,
    /// Ann, who has just signed in with a second factor.
    Owner,
    /// Cleo, likewise.
    OtherOwner,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) who: Who,
    method: &'static str,
    pub(crate) path: String,
    /// `Idempotency-Key`, where it creates or executes.
    key: Option<String>,
    etag: Option<String>,
    body: Value,
}

impl Ask {
    pub(crate) fn post(who: Who, path: String, body: Value) -> Self {
        Self {
            who,
            method: "POST",
            path,
            key: Some(format!("key-{}", number())),
            etag: None,
            body,
        }
    }

    pub(crate) fn patch(who: Who, path: String, body: Value) -> Self {
        Self {
            method: "PATCH",
            key: None,
            ..Self::post(who, path, body)
        }
    }

    /// The same of somebody else.
    pub(crate) fn by(self, who: Who) -> Self {
        Self { who, ..self }
    }

    /// About this version of a record.
    pub(crate) fn of(self, version: u64) -> Self {
        Self {
            etag: Some(format!("\"{version}\"")),
            ..self
        }
    }

    /// As API Gateway hands it on (payload format 2.0).
    pub(crate) fn event(&self, bearer: &str, project: &str) -> Value {
        let (method, path) = (self.method, &self.path);
        let mut headers = json!({
            "authorization": format!("Bearer {bearer}"), "content-type": "application/json",
            "host": "api.example.com", "counterfoil-project": project,
        });
        for (name, value) in [("idempotency-key", &self.key), ("if-match", &self.etag)] {
            if let Some(value) = value {
                headers[name] = json!(value);
            }
        }
        let body = match &self.body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        json!({
            "version": "2.0", "routeKey": format!("{method} {path}"), "rawPath": path, "rawQueryString": "",
            "headers": headers,
            "requestContext": {
                "accountId": "111122223333", "apiId": "api", "domainName": "api.example.com", "domainPrefix": "api",
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t" },
                "requestId": "request", "routeKey": format!("{method} {path}"), "stage": "$default",
                "time": "23/Nov/2026:00:01:40 +0000", "timeEpoch": 1_795_392_100_000_u64,
            },
            "body": body, "isBase64Encoded": false,
        })
    }
}
