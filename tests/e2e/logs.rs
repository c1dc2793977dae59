//! What the functions have logged, as `CloudWatch` Logs keeps it.
//!
//! The product reads no logs, so it has no client for them: one signed request is all this needs
//! (Signature Version 4, docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html).

use counterfoil_core::time::Timestamp;
use counterfoil_local::FUNCTIONS;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::stage::{Stack, now};

const TARGET: &str = "Logs_20140328.FilterLogEvents";
const TYPE: &str = "application/x-amz-json-1.1";
const SIGNED: &str = "content-type;host;x-amz-date;x-amz-target";

/// Of one function, the latest.
const MOST_COMPLAINTS: usize = 40;

/// A warning or an error of ours, or a line of the platform about a function that ended.
fn is_complaint(line: &str) -> bool {
    let said: Option<Value> = serde_json::from_str(line).ok();
    match said.as_ref().and_then(|said| said["level"].as_str()) {
        Some(level) => ["WARN", "ERROR"].contains(&level),
        None => ["timed out", "panicked", "exit"]
            .iter()
            .any(|it| line.contains(it)),
    }
}

impl Stack {
    /// Every line that a function has logged so far, oldest first.
    pub(crate) async fn logged(&self, function: &str) -> Vec<String> {
        self.logged_since(function, Timestamp::from_millis(0)).await
    }

    /// Those since then: of all that a function logs for other tests, an answer does not hold the latest.
    pub(crate) async fn logged_since(&self, function: &str, from: Timestamp) -> Vec<String> {
        let group = format!("/aws/lambda/{}-{function}", self.name);
        let mut lines = Vec::new();
        let mut request = json!({ "logGroupName": group, "startTime": from.as_millis() });
        loop {
            let page = self.logs(&request).await;
            let events = page["events"].as_array().unwrap();
            lines.extend(events.iter().map(|event| {
                let message = event["message"].as_str().unwrap();
                message.to_owned()
            }));
            let Some(next) = page.get("nextToken") else {
                return lines;
            };
            request["nextToken"] = next.clone();
        }
    }

    /// Prints what the functions complained of since then, in this test and in those beside it: why
    /// a function answered as it did is in its log alone, and the log ends with this process.
    pub(crate) async fn tell_complaints(&self, from: Timestamp) {
        for function in FUNCTIONS {
            let lines = self.logged_since(function, from).await;
            let complaints: Vec<_> = lines.iter().filter(|line| is_complaint(line)).collect();
            let first = complaints.len().saturating_sub(MOST_COMPLAINTS);
            for line in &complaints[first..] {
                eprintln!("{function}: {}", line.trim_end());
            }
        }
    }

    async fn logs(&self, request: &Value) -> Value {
        let endpoint = &self.deployment.endpoint;
        let host = endpoint.trim_start_matches("http://");
        let body = request.to_string();
        // 2026-11-23T00:01:40.123Z -> 20261123T000140Z
        let mut time = now().to_string().replace(['-', ':'], "");
        time.truncate("20261123T000140".len());
        time.push('Z');
        let account = &self.deployment.account;
        let answer = Client::new()
            .request(Method::POST, endpoint)
            .header("content-type", TYPE)
            .header("x-amz-date", &time)
            .header("x-amz-target", TARGET)
            .header("authorization", authorization(account, host, &time, &body))
            .body(body)
            .send()
            .await
            .unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

fn authorization(account: &str, host: &str, time: &str, body: &str) -> String {
    let digest = |text: &str| hex::encode(Sha256::digest(text.as_bytes()));
    let day = time.split('T').next().unwrap();
    let scope = format!("{day}/us-east-1/logs/aws4_request");
    let canonical = format!(
        "POST\n/\n\ncontent-type:{TYPE}\nhost:{host}\nx-amz-date:{time}\nx-amz-target:{TARGET}\n\n\
         {SIGNED}\n{}",
        digest(body)
    );
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", digest(&canonical));
    let mut key = b"AWS4test".to_vec();
    for part in [day, "us-east-1", "logs", "aws4_request", &text] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(part.as_bytes());
        key = mac.finalize().into_bytes().to_vec();
    }
    let signature = hex::encode(key);
    format!(
        "AWS4-HMAC-SHA256 Credential={account}/{scope}, SignedHeaders={SIGNED}, Signature={signature}"
    )
}
