//! A deployment that answers over HTTP what it was told to, in the shapes of the API, and notes what
//! came.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::document;

pub(crate) const KEY: &str = "cfk_test_0123456789_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA3Vcbjn";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// `GET /v1/incidents?state=open`.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// One after the other; the last one stays.
type Answers = VecDeque<(u16, Value)>;

#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<BTreeMap<String, Answers>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Requests that the committed document does not know.
    wrong: Arc<Mutex<Vec<String>>>,
}

async fn answer(
    State(script): State<Script>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let line = format!("{method} {uri}");
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let wrong = document::wrong(&method, &uri, &headers, &body);
    script.wrong.lock().unwrap().extend(wrong);
    script.seen.lock().unwrap().push(Seen {
        line: line.clone(),
        headers,
        body,
    });
    let mut answers = script.answers.lock().unwrap();
    let turn = answers.get_mut(&line).and_then(|turns| {
        let stays = turns.len() < 2;
        let turn = turns.front().cloned();
        turn.filter(|_| stays).or_else(|| turns.pop_front())
    });
    let (status, mut body) = turn.unwrap_or_else(|| {
        let problem =
            json!({"title": "There is no such record", "status": 404, "code": "not-found"});
        (404, problem)
    });
    // The product says in this header alone how old a sign-in may be.
    let fields = body.as_object_mut();
    let challenge = fields.and_then(|fields| fields.remove("max_age"));
    let challenge = challenge.map(|age| {
        let said = format!("Bearer error=\"insufficient_user_authentication\", max_age=\"{age}\"");
        HeaderValue::from_str(&said).unwrap()
    });
    let unknown = document::unknown(&method, &uri, status, &body);
    script.wrong.lock().unwrap().extend(unknown);
    let status = StatusCode::from_u16(status).unwrap();
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::ETAG, "\"7\""),
    ];
    let mut response = (status, headers, body.to_string()).into_response();
    if let Some(challenge) = challenge {
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The deployment and a user of it, with an empty home.
pub(crate) struct Stage {
    pub(crate) url: String,
    script: Script,
    pub(crate) home: TempDir,
}

#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let script = Script::default();
        let router = Router::new().fallback(answer).with_state(script.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            script,
            home: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn answers(&self, line: &str, status: u16, body: Value) -> &Self {
        self.answers_in_turn(line, [(status, body)])
    }

    /// The same request again gets the next answer.
    pub(crate) fn answers_in_turn(
        &self,
        line: &str,
        turns: impl IntoIterator<Item = (u16, Value)>,
    ) -> &Self {
        let mut answers = self.script.answers.lock().unwrap();
        answers.insert(line.to_owned(), turns.into_iter().collect());
        self
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.script.seen.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().unwrap()
    }

    /// Runs a command as a person who has signed in here.
    pub(crate) async fn as_person(&self, words: &[&str]) -> Said {
        let folder = self.home.path().join("counterfoil");
        std::fs::create_dir_all(&folder).unwrap();
        let login = json!({
            "api": self.url, "issuer": "https://issuer.example.com", "subject": "ada",
            "signed_in_at": 1_795_392_000_000_u64, "client_id": "cli",
            "token_endpoint": "https://issuer.example.com/token", "access_token": "token-of-ada",
            "refresh_token": "refresh-of-ada", "expires_at": 4_102_444_800_000_u64,
        });
        let mut logins = serde_json::Map::new();
        logins.insert(self.url.clone(), login);
        let sheet = json!({ "current": self.url, "logins": logins });
        let file = folder.join("credentials.json");
        if !file.exists() {
            std::fs::write(&file, sheet.to_string()).unwrap();
            for (path, mode) in [(&folder, 0o700), (&file, 0o600)] {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        self.run(words, &[], "").await
    }

    /// Runs a command with a key.
    pub(crate) async fn with_key(&self, words: &[&str]) -> Said {
        self.run_with_key(words, "").await
    }

    pub(crate) async fn run_with_key(&self, words: &[&str], input: &str) -> Said {
        let given = [
            ("COUNTERFOIL_API", self.url.as_str()),
            ("COUNTERFOIL_API_KEY", KEY),
        ];
        self.run(words, &given, input).await
    }

    pub(crate) async fn run(&self, words: &[&str], given: &[(&str, &str)], input: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        command
            .env_clear()
            .env("XDG_CONFIG_HOME", self.home.path())
            .envs(given.iter().copied())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may be gone by now.
        drop(stdin.write_all(input.as_bytes()).await);
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let wrong = self.script.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{wrong:#?}");
        Said {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn incident(number: u32) -> Value {
    json!({
        "id": format!("inc_{number}"), "state": "open", "kind": "paid_without_access", "field": null,
        "customers": [format!("cus_{number}")], "promised": "plan pro", "granted": "plan free", "rule": "price",
        "repairable": true, "at_risk": {"minor": 2900, "currency": "usd"},
        "opened_at": "2026-11-23T00:00:00Z", "opened_by": "run_1", "seen_at": "2026-11-24T00:00:00Z",
        "seen_by": "run_2", "resolved_at": null, "action": null, "ignored": null, "acknowledged": null,
    })
}

pub(crate) fn workspace(id: &str) -> Value {
    json!({ "id": id, "name": "Acme", "role": "owner" })
}

pub(crate) fn list(items: &[Value]) -> Value {
    json!({ "items": items, "next_cursor": null })
}
