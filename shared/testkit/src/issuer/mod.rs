//! A fake OIDC issuer: a real HTTP server on this machine.
//!
//! It has a discovery document, keys, an authorization endpoint that lets a chosen person in without
//! asking, and a token endpoint (PKCE with S256, refresh tokens that are used once). Access tokens
//! are those of RFC 9068. Tests mint tokens of their own, rotate keys, and let it fail.
//!
//! It has no passwords, no consent and no client secrets: it is nothing to sign people in with.

mod keys;
mod server;
mod tokens;

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use counterfoil_core::ports::Clock;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use server::Desk;

/// The client that may ask for codes, and whom access tokens are meant for.
pub const CLIENT_ID: &str = "counterfoil-cli";
/// The scope of the API.
pub const SCOPE: &str = "counterfoil";

/// What goes wrong at the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerFault {
    /// Every answer is a 503.
    Down,
    /// Every answer comes after this time.
    Slow(Duration),
    /// The set of keys has more than a megabyte.
    HugeKeys,
    /// The discovery document has more than a megabyte.
    HugeDiscovery,
    /// The discovery document names another issuer.
    OtherIssuer,
    /// The discovery document names keys at a plain http address of another machine.
    PlainKeys,
}

/// A fake issuer that listens on 127.0.0.1 until it is dropped.
pub struct FakeIssuer {
    url: String,
    desk: Arc<Mutex<Desk>>,
    task: JoinHandle<()>,
}

impl fmt::Debug for FakeIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeIssuer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl FakeIssuer {
    /// Opens on a free port; its tokens carry the times of `clock`.
    ///
    /// # Errors
    /// When there is no free port, or no key can be made.
    pub async fn start(clock: Arc<dyn Clock>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let desk = Arc::new(Mutex::new(Desk::new(url.clone(), clock)?));
        let router = server::router(Arc::clone(&desk));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the fake issuer has stopped");
            }
        });
        Ok(Self { url, desk, task })
    }

    /// The issuer's name: `http://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// An access token for `subject`, signed with ES256. `edit` changes its claims before that.
    pub fn mint(&self, subject: &str, edit: impl FnOnce(&mut Map<String, Value>)) -> String {
        self.mint_with(Algorithm::ES256, subject, edit)
    }

    /// The same with another algorithm: RS256, PS256 or `EdDSA`.
    pub fn mint_with(
        &self,
        algorithm: Algorithm,
        subject: &str,
        edit: impl FnOnce(&mut Map<String, Value>),
    ) -> String {
        let desk = self.lock();
        let mut claims = desk.access_claims(subject, desk.now());
        edit(&mut claims);
        desk.sign(
            algorithm,
            &desk.header(algorithm),
            &Value::Object(claims).to_string(),
        )
    }

    /// An ID token for `subject`, as the client of a sign-in gets it.
    pub fn mint_id(&self, subject: &str) -> String {
        let desk = self.lock();
        desk.id_token(subject, "", "", desk.now())
    }

    /// Signs any header and any text of claims, sense or nonsense.
    pub fn sign(&self, algorithm: Algorithm, header: &Value, claims: &str) -> String {
        self.lock().sign(algorithm, header, claims)
    }

    /// The header of a token that is signed with this algorithm now.
    pub fn header(&self, algorithm: Algorithm) -> Value {
        self.lock().header(algorithm)
    }

    /// The claims of an access token that is minted now.
    pub fn claims(&self, subject: &str) -> Map<String, Value> {
        let desk = self.lock();
        desk.access_claims(subject, desk.now())
    }

    /// New keys; the old ones are published no more.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn rotate(&self) -> io::Result<()> {
        self.lock().rotate()
    }

    /// The public keys as they are published.
    pub fn public_keys(&self) -> Vec<Value> {
        self.lock().published()
    }

    /// Publishes these keys instead of its own.
    pub fn publish(&self, keys: Vec<Value>) {
        self.lock().publish(keys);
    }

    /// Lets it fail from here on; `None` is over.
    pub fn fail(&self, fault: Option<IssuerFault>) {
        self.lock().fault = fault;
    }

    /// Who is let in from here on.
    pub fn let_in(&self, subject: &str) {
        subject.clone_into(&mut self.lock().person);
    }

    /// The paths that were asked for so far, in order.
    pub fn requests(&self) -> Vec<String> {
        self.lock().requests.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }
}

impl Drop for FakeIssuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A test that panicked while it held the lock left nothing half done.
fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}
