//! Signing in, as a process against an issuer and an API over HTTP. The browser is this test's client.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use counterfoil_testkit::issuer::{CLIENT_ID, FakeIssuer, IssuerFault, SCOPE};
use counterfoil_testkit::memory::RealClock;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// A deployment that says where people sign in, and refuses everybody, after it has noted who asked.
struct Deployment {
    url: String,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Deployment {
    async fn start(place: Value) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new()
            .route("/v1/login", get(async move || Json(place)))
            .route("/v1/exports", post(refuse))
            .with_state(Arc::clone(&seen));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    fn last(&self) -> HeaderMap {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

async fn refuse(
    State(seen): State<Arc<Mutex<Vec<HeaderMap>>>>,
    headers: HeaderMap,
) -> impl IntoResponse {
    seen.lock().unwrap().push(headers);
    let problem = json!({"title": "No rule permits it", "status": 403, "code": "action-denied"});
    (StatusCode::FORBIDDEN, Json(problem))
}

struct Stage {
    issuer: FakeIssuer,
    deployment: Deployment,
    home: TempDir,
}

struct Said {
    status: i32,
    out: String,
    err: String,
}

impl Stage {
    async fn new() -> Self {
        let issuer = FakeIssuer::start(Arc::new(RealClock)).await.unwrap();
        let place = json!({"issuer": issuer.url(), "client_id": CLIENT_ID, "scope": SCOPE});
        Self {
            deployment: Deployment::start(place).await,
            issuer,
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
        command
            .env_clear()
            .env("XDG_CONFIG_HOME", self.home.path())
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, words: &[&str]) -> Said {
        let output = self.command(words).output().await.unwrap();
        Said {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts `login`; gives the page's address.
    async fn begin(&self) -> (Child, BufReader<tokio::process::ChildStderr>, String) {
        self.begin_at(&["--api", &self.deployment.url]).await
    }

    async fn begin_at(
        &self,
        place: &[&str],
    ) -> (Child, BufReader<tokio::process::ChildStderr>, String) {
        let mut words = vec!["login", "--no-browser"];
        words.extend(place);
        let mut child = self.command(&words).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut page = String::new();
        while !page.starts_with("http") {
            page.clear();
            let read = lines.read_line(&mut page).await.unwrap();
            assert!(read > 0, "login ended without a page");
        }
        (child, lines, page.trim().to_owned())
    }

    async fn end(mut child: Child, mut lines: BufReader<tokio::process::ChildStderr>) -> Said {
        let (mut out, mut err) = (String::new(), String::new());
        lines.read_to_string(&mut err).await.unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_to_string(&mut out).await.unwrap();
        let status = child.wait().await.unwrap().code().unwrap();
        Said { status, out, err }
    }

    async fn sign_in(&self) -> Said {
        let (child, lines, page) = self.begin().await;
        let answer = reqwest::get(&page).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("You are signed in"));
        Self::end(child, lines).await
    }

    fn file(&self) -> PathBuf {
        self.home.path().join("counterfoil/credentials.json")
    }

    fn stored(&self) -> Value {
        let mut sheet: Value = serde_json::from_slice(&fs::read(self.file()).unwrap()).unwrap();
        sheet["logins"][&self.deployment.url].take()
    }

    /// Any command that asks the API.
    async fn ask(&self) -> Said {
        let out = self.home.path().join("all.tar");
        let words = [
            "export",
            "--api",
            &self.deployment.url,
            "--project",
            "prj_1",
        ];
        let words = words.into_iter().chain(["--all", "--out"]);
        let words: Vec<&str> = words.chain(out.to_str()).collect();
        self.run(&words).await
    }
}

/// Where a command says "sign in again", it names `counterfoil login`; and a session at the issuer that
/// goes on is no new sign-in.
#[tokio::test]
async fn whoever_signs_in_again_names_no_address_and_proves_again_who_they_are() {
    let stage = Stage::new().await;
    let nowhere = stage.run(&["login", "--no-browser"]).await;
    assert_eq!(nowhere.status, 2, "{}", nowhere.err);
    assert!(nowhere.err.contains("login --api URL"), "{}", nowhere.err);
    assert_eq!(stage.sign_in().await.status, 0);
    let (child, lines, page) = stage.begin_at(&[]).await;
    assert!(page.contains("&prompt=login"), "{page}");
    assert_eq!(reqwest::get(&page).await.unwrap().status(), 200);
    let said = Stage::end(child, lines).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(said.out.contains(&stage.deployment.url), "{}", said.out);
}

#[tokio::test]
async fn whoever_signs_in_is_known_and_speaks_with_their_token_until_they_sign_out() {
    let stage = Stage::new().await;
    stage.issuer.let_in("ada");
    let said = stage.ask().await;
    assert_eq!(said.status, 2, "{}", said.err);
    assert!(
        said.err.contains("counterfoil login --api URL"),
        "{}",
        said.err
    );

    let said = stage.sign_in().await;
    assert_eq!(said.status, 0, "{}", said.err);
    let told = format!(
        "signed in to {} as ada at {}\n",
        stage.deployment.url,
        stage.issuer.url()
    );
    assert_eq!(said.out, told);

    let stored = stage.stored();
    for kind in ["access_token", "refresh_token"] {
        let token = stored[kind].as_str().unwrap();
        assert!(
            !said.out.contains(token) && !said.err.contains(token),
            "{kind}"
        );
    }
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(stage.file()), 0o600);
    assert_eq!(mode(stage.home.path().join("counterfoil")), 0o700);

    let said = stage.ask().await;
    assert_eq!(said.status, 1, "{}", said.err);
    assert!(said.err.contains("No rule permits it"), "{}", said.err);
    let sent = stage.deployment.last();
    let bearer = format!("Bearer {}", stored["access_token"].as_str().unwrap());
    assert_eq!(sent[header::AUTHORIZATION], bearer.as_str());
    assert!(sent.contains_key("idempotency-key"));

    let asked = stage.issuer.requests().len();
    let who = stage.run(&["whoami", "--json"]).await;
    let who: Value = serde_json::from_str(&who.out).unwrap();
    assert_eq!(who["subject"], "ada");
    assert_eq!(who["issuer"], stage.issuer.url());
    assert_eq!(stage.issuer.requests().len(), asked, "nobody is asked");

    assert_eq!(stage.run(&["logout"]).await.status, 0);
    assert_eq!(stage.run(&["whoami"]).await.status, 1);
    assert_eq!(stage.ask().await.status, 2);
    let left = fs::read_to_string(stage.file()).unwrap();
    assert!(!left.contains(stored["refresh_token"].as_str().unwrap()));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires_and_a_dead_sign_in_says_so() {
    let stage = Stage::new().await;
    assert_eq!(stage.sign_in().await.status, 0);
    let first = stage.stored();
    let expire = |stage: &Stage| {
        let mut sheet: Value = serde_json::from_slice(&fs::read(stage.file()).unwrap()).unwrap();
        sheet["logins"][&stage.deployment.url]["expires_at"] = json!(0);
        fs::write(stage.file(), sheet.to_string()).unwrap();
    };
    expire(&stage);
    assert_eq!(stage.ask().await.status, 1);
    let second = stage.stored();
    assert_ne!(first["access_token"], second["access_token"]);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let bearer = format!("Bearer {}", second["access_token"].as_str().unwrap());
    assert_eq!(
        stage.deployment.last()[header::AUTHORIZATION],
        bearer.as_str()
    );

    // The issuer is away: what is stored stays, for the next time.
    expire(&stage);
    stage.issuer.fail(Some(IssuerFault::Down));
    let said = stage.ask().await;
    assert_eq!(said.status, 2, "{}", said.err);
    stage.issuer.fail(None);
    assert_eq!(stage.ask().await.status, 1);

    // A refresh token that was used is dead, as it is after it was stolen and used.
    let mut sheet: Value = serde_json::from_slice(&fs::read(stage.file()).unwrap()).unwrap();
    sheet["logins"][&stage.deployment.url]["refresh_token"] = first["refresh_token"].clone();
    fs::write(stage.file(), sheet.to_string()).unwrap();
    expire(&stage);
    let said = stage.ask().await;
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("sign in again: counterfoil login"),
        "{}",
        said.err
    );
    let token = first["refresh_token"].as_str().unwrap();
    assert!(!said.err.contains(token));
}

#[tokio::test]
async fn what_is_not_the_way_back_of_this_sign_in_changes_nothing() {
    let stage = Stage::new().await;
    let (child, lines, page) = stage.begin().await;
    let named = |url: &reqwest::Url, name: &str| {
        let mut pairs = url.query_pairs().filter(|(given, _)| given == name);
        pairs.next().unwrap().1.into_owned()
    };
    let url: reqwest::Url = page.parse().unwrap();
    assert_eq!(named(&url, "code_challenge_method"), "S256");
    assert_eq!(named(&url, "scope"), "openid counterfoil");
    let back = named(&url, "redirect_uri");
    for query in [
        "code=forged",
        "code=forged&state=forged",
        "error=access_denied",
    ] {
        let answer = reqwest::get(format!("{back}?{query}")).await.unwrap();
        assert_eq!(answer.status(), 404, "{query}");
    }
    assert_eq!(reqwest::get(&page).await.unwrap().status(), 200);
    assert_eq!(Stage::end(child, lines).await.status, 0);

    // A code that was forged together with the right state is nothing to the issuer.
    let (child, lines, page) = stage.begin().await;
    let url: reqwest::Url = page.parse().unwrap();
    let (back, state) = (named(&url, "redirect_uri"), named(&url, "state"));
    let forged = format!("{back}?code=forged&state={state}");
    assert_eq!(reqwest::get(forged).await.unwrap().status(), 200);
    let said = Stage::end(child, lines).await;
    assert_eq!(said.status, 1, "{}", said.err);

    // Whoever says no is not signed in.
    let (child, lines, page) = stage.begin().await;
    let url: reqwest::Url = page.parse().unwrap();
    let (back, state) = (named(&url, "redirect_uri"), named(&url, "state"));
    let denied = format!("{back}?error=access_denied&state={state}");
    assert_eq!(reqwest::get(denied).await.unwrap().status(), 200);
    let said = Stage::end(child, lines).await;
    assert_eq!(said.status, 1);
    assert!(said.err.contains("access_denied"), "{}", said.err);
}

#[tokio::test]
async fn an_id_token_of_another_sign_in_is_refused_and_nothing_is_kept() {
    let stage = Stage::new().await;
    let (child, lines, page) = stage.begin().await;
    let mut url: reqwest::Url = page.parse().unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let other = pairs.iter().map(|(name, value)| match name.as_str() {
        "nonce" => (name.as_str(), "another"),
        _ => (name.as_str(), value.as_str()),
    });
    url.query_pairs_mut().clear().extend_pairs(other);
    assert_eq!(reqwest::get(url).await.unwrap().status(), 200);
    let said = Stage::end(child, lines).await;
    assert_eq!(said.status, 1);
    assert!(said.err.contains("another sign-in"), "{}", said.err);
    assert!(!stage.file().exists());
}

#[tokio::test]
async fn an_issuer_that_is_not_the_one_named_or_is_away_is_not_signed_in_at() {
    let stage = Stage::new().await;
    for fault in [
        IssuerFault::OtherIssuer,
        IssuerFault::Down,
        IssuerFault::HugeDiscovery,
    ] {
        stage.issuer.fail(Some(fault));
        let said = stage
            .run(&["login", "--api", &stage.deployment.url, "--no-browser"])
            .await;
        assert_eq!(said.status, 2, "{fault:?}: {}", said.err);
    }
    let plain = [
        "login",
        "--api",
        &stage.deployment.url,
        "--no-browser",
        "--issuer",
        "http://issuer.example.com",
        "--client-id",
        "x",
    ];
    let said = stage.run(&plain).await;
    assert_eq!(said.status, 2);
    assert!(said.err.contains("https"), "{}", said.err);
}
