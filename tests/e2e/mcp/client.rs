//! The official client, and calls past it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use counterfoil_local::Environment;
use serde_json::{Value, json};

use super::super::calls::Answer;
use super::super::stage::{Stage, progress};

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// An agent that speaks through the official client.
pub(crate) struct Agent<'a> {
    url: String,
    credential: &'a str,
    mode: &'static str,
}

impl<'a> Agent<'a> {
    pub(crate) fn of(stage: &Stage, credential: &'a str) -> Self {
        Self {
            url: format!("{}/mcp", stage.cloud.api_url),
            credential,
            mode: "auto",
        }
    }

    pub(crate) fn legacy(self) -> Self {
        Self {
            mode: "legacy",
            ..self
        }
    }

    /// What each step said.
    pub(crate) fn does(&self, steps: &[Value]) -> Vec<Value> {
        let requirements = tests().join("mcp-requirements.txt");
        let python = Environment::ready("mcp", &requirements, &progress).unwrap();
        let plan = json!({
            "url": self.url, "credential": self.credential, "mode": self.mode, "steps": steps,
        });
        let mut client = Command::new(python.program("python"))
            .arg(tests().join("mcp_client.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = client.stdin.take().unwrap();
        stdin.write_all(plan.to_string().as_bytes()).unwrap();
        drop(stdin);
        let output = client.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let said: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said.len(), steps.len());
        said
    }

    /// What one tool returned, or the code of its problem.
    pub(crate) fn calls(&self, tool: &str, arguments: &Value) -> Result<Value, String> {
        let said = self.does(&[call(tool, arguments)]);
        result(&said[0])
    }
}

pub(crate) fn call(tool: &str, arguments: &Value) -> Value {
    json!({ "do": "call", "name": tool, "arguments": arguments })
}

/// The structured result of a call, or the code of its problem.
pub(crate) fn result(said: &Value) -> Result<Value, String> {
    let done = said.get("ok").ok_or_else(|| said["error"].to_string())?;
    if done["isError"] == json!(true) {
        let text = done["content"][0]["text"].as_str().unwrap();
        let problem: Value = serde_json::from_str(text).unwrap();
        assert!(done.get("structuredContent").is_none(), "{done}");
        return Err(problem["code"].as_str().unwrap().to_owned());
    }
    let text: Value = serde_json::from_str(done["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, done["structuredContent"]);
    Ok(text)
}

/// A call as the protocol writes it, past the official client.
pub(crate) struct Message {
    headers: Vec<(&'static str, String)>,
    body: Value,
}

impl Message {
    pub(crate) fn of(tool: &str, arguments: &Value) -> Self {
        let header = |name, value: &str| (name, value.to_owned());
        Self {
            headers: vec![
                header("content-type", "application/json"),
                header("accept", "application/json, text/event-stream"),
                header("mcp-protocol-version", "2026-07-28"),
                header("mcp-method", "tools/call"),
                header("mcp-name", tool),
            ],
            body: json!({
                "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": { "name": tool, "arguments": arguments, "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": { "name": "raw", "version": "1" },
                    "io.modelcontextprotocol/clientCapabilities": {},
                } },
            }),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) async fn sent(&self, stage: &Stage, key: Option<&str>) -> Answer {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let body = self.body.to_string();
        stage.raw(("POST", "/mcp"), key, &headers, body).await
    }
}
