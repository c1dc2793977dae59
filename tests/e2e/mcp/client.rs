//! The official client, and calls past it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use counterfoil_local::Environment;
use serde_json::{Value, json};

use super::super::calls::Answer;
use super::super::stage::{Stage, progress};

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What a call is answered that may be under way.
const UNDER_WAY: [&str; 2] = ["idempotency-in-flight", "outcome-unknown"];

/// Where a repair is that is being carried out.
const AT_IT: [&str; 2] = ["executing", "executed"];

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
        let mut client = Client::free();
        let answer = client.follows(&json!({
            "url": self.url, "credential": self.credential, "mode": self.mode, "steps": steps,
        }));
        client.put_back();
        let said = answer["said"].as_array();
        let said = said.unwrap_or_else(|| panic!("{}", answer["failed"]));
        assert_eq!(said.len(), steps.len());
        said.clone()
    }

    /// What one tool returned, or the code of its problem. What may be under way is asked for again, as
    /// docs/mcp.md says, for longer than whoever does it may take.
    pub(crate) fn calls(&self, tool: &str, arguments: &Value) -> Result<Value, String> {
        for _ in 0..90 {
            let said = result(&self.does(&[call(tool, arguments)])[0]);
            let code = said.as_ref().err().map(String::as_str);
            if !code.is_some_and(|code| UNDER_WAY.contains(&code)) {
                return said.map(|said| self.ended(tool, said));
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        panic!("{tool} was never answered");
    }
}

impl Agent<'_> {
    /// A repair as it is when it is over: what was asked for before may still be at it.
    fn ended(&self, tool: &str, mut said: Value) -> Value {
        let at_it = |said: &Value| {
            let state = said["state"].as_str();
            tool == "repair_execute" && state.is_some_and(|state| AT_IT.contains(&state))
        };
        for _ in 0..90 {
            if !at_it(&said) {
                return said;
            }
            std::thread::sleep(Duration::from_secs(1));
            let of = json!({ "action_id": said["action_id"] });
            said = self.calls("action_status", &of).unwrap();
        }
        panic!("a repair never ended: {said}");
    }
}

/// A process that follows one plan after the other.
struct Client {
    plans: ChildStdin,
    answers: BufReader<ChildStdout>,
    process: Child,
}

/// Those that follow none now. They end when their input does, with this process.
static FREE: Mutex<Vec<Client>> = Mutex::new(Vec::new());

impl Client {
    fn free() -> Self {
        let found = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        found.unwrap_or_else(Self::start)
    }

    fn put_back(self) {
        FREE.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self);
    }

    fn start() -> Self {
        let requirements = tests().join("mcp-requirements.txt");
        let python = Environment::ready("mcp", &requirements, &progress).unwrap();
        let mut process = Command::new(python.program("python"))
            .arg(tests().join("mcp_client.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            plans: process.stdin.take().unwrap(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    fn follows(&mut self, plan: &Value) -> Value {
        writeln!(self.plans, "{plan}").unwrap();
        let mut answer = String::new();
        let read = self.answers.read_line(&mut answer).unwrap();
        assert!(read > 0, "the client ended: {:?}", self.process.try_wait());
        serde_json::from_str(&answer).unwrap()
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
