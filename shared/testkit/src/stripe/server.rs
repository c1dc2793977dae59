//! The HTTP side of the fake.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::serve::ListenerExt as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::answer::answer;
use super::catalog;
use super::crowd::Crowd;
use super::fault::{self, Fault, FaultKind};
use super::keys::{Holder, Keys, Permission};
use super::listing::no_such_cursor;
use super::query::Query;
use super::shop::{Shop, set};
use super::weather::Weather;

/// A request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query as sent; empty without one.
    pub query: String,
    /// `Stripe-Version`.
    pub version: Option<String>,
    /// The client takes gzip.
    pub takes_gzip: bool,
    /// When it came in.
    pub at: Instant,
}

/// A fake Stripe that listens on 127.0.0.1 until it is dropped.
#[derive(Debug)]
pub struct FakeStripe {
    base_url: String,
    connections: Arc<AtomicUsize>,
    account: Arc<Mutex<StripeAccount>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct StripeAccount {
    shop: Shop,
    crowd: Option<Arc<Crowd>>,
    weather: Weather,
    gzip: bool,
    keys: Keys,
    faults: Vec<Fault>,
    requests: Vec<Request>,
    secret_key_calls: usize,
}

impl FakeStripe {
    /// Serves the shop on a free port.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(shop: Shop) -> std::io::Result<Self> {
        Self::start_with(shop, None).await
    }

    /// Serves a crowd on a free port. Its catalogue is that of the sample. What is put into the shop
    /// under an id of the crowd is sent instead, in lists as well; other objects of the shop are
    /// found by their ids, and its events are listed.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start_crowd(crowd: Arc<Crowd>) -> std::io::Result<Self> {
        let mut shop = Shop::new();
        catalog::stock(&mut shop, crowd.opened());
        Self::start_with(shop, Some(crowd)).await
    }

    async fn start_with(shop: Shop, crowd: Option<Arc<Crowd>>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let account = Arc::new(Mutex::new(StripeAccount {
            shop,
            crowd,
            weather: Weather::default(),
            gzip: false,
            keys: Keys::default(),
            faults: Vec::new(),
            requests: Vec::new(),
            secret_key_calls: 0,
        }));
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let listener = listener.tap_io(move |_| {
            accepted.fetch_add(1, Ordering::SeqCst);
        });
        let router = Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&account));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the fake Stripe has stopped");
            }
        });
        Ok(Self {
            base_url,
            connections,
            account,
            task,
        })
    }

    /// `http://127.0.0.1:port`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// From now on everything is in live mode: keys that are issued, and objects.
    pub fn go_live(&self) {
        self.lock().keys.live = true;
    }

    /// Issues a restricted key that may read everything that the product reads.
    pub fn restricted_key(&self) -> String {
        self.restricted_key_with(&Permission::ALL)
    }

    /// Issues a restricted key with these permissions.
    pub fn restricted_key_with(&self, permissions: &[Permission]) -> String {
        self.lock().keys.issue(permissions)
    }

    /// Every restricted key that is issued now.
    pub fn keys(&self) -> Vec<String> {
        self.lock().keys.all()
    }

    /// Takes a key back.
    pub fn revoke(&self, key: &str) {
        self.lock().keys.revoke(key);
    }

    /// Lets requests fail.
    pub fn fail(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Lets requests fail now and then from here on.
    pub fn weather(&self, weather: Weather) {
        self.lock().weather = weather;
    }

    /// Compresses answers for clients that take gzip.
    pub fn compress(&self) {
        self.lock().gzip = true;
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Looks at the shop or changes it. Between two requests, like everything in the Dashboard.
    pub fn change<R>(&self, change: impl FnOnce(&mut Shop) -> R) -> R {
        change(&mut self.lock().shop)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// How many requests were not GET. Anything but 0 is a bug of the product.
    pub fn non_get_calls(&self) -> usize {
        self.lock()
            .requests
            .iter()
            .filter(|request| request.method != "GET")
            .count()
    }

    /// The most requests that came in within any span of this length.
    pub fn most_requests_within(&self, span: Duration) -> usize {
        let times: Vec<Instant> = self.lock().requests.iter().map(|it| it.at).collect();
        let (mut most, mut first) = (0, 0);
        for (last, at) in times.iter().enumerate() {
            let left = |first: usize| times.get(first).is_some_and(|it| *at - *it >= span);
            while left(first) {
                first += 1;
            }
            most = most.max(last - first + 1);
        }
        most
    }

    /// How many requests came with a secret key. Anything but 0 is a bug of the product.
    pub fn secret_key_calls(&self) -> usize {
        self.lock().secret_key_calls
    }

    fn lock(&self) -> MutexGuard<'_, StripeAccount> {
        lock(&self.account)
    }
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A test that panicked while it held the lock left nothing half done.
fn lock(account: &Mutex<StripeAccount>) -> MutexGuard<'_, StripeAccount> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    State(account): State<Arc<Mutex<StripeAccount>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response<Body> {
    let (fault, mut response) = lock(&account).take(&method, &uri, &headers);
    if let Some(FaultKind::Slow(delay)) = fault {
        sleep(delay).await;
    }
    if let Some(FaultKind::TooManyRequests {
        should_retry: Some(word),
    }) = fault
    {
        let word = HeaderValue::from_static(if word { "true" } else { "false" });
        response.headers_mut().insert("stripe-should-retry", word);
    }
    response
}

impl StripeAccount {
    fn take(
        &mut self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> (Option<FaultKind>, Response<Body>) {
        let named = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        self.requests.push(Request {
            method: method.to_string(),
            path: path.to_owned(),
            query: query.to_owned(),
            version: named("stripe-version").map(str::to_owned),
            takes_gzip: named("accept-encoding").is_some_and(|value| value.contains("gzip")),
            at: Instant::now(),
        });
        let holder = self.keys.holder(named("authorization"));
        self.secret_key_calls += usize::from(holder == Holder::Secret);
        if method != Method::GET {
            let message = "This account is read-only here.";
            let answer = Answer::json(405, &json!({"error": {"message": message}}));
            return (None, answer.send());
        }
        let number = u64::try_from(self.requests.len()).unwrap_or(u64::MAX);
        let fault = fault::take(&mut self.faults, path).or_else(|| self.weather.at(number));
        let takes_gzip = self
            .requests
            .last()
            .is_some_and(|request| request.takes_gzip);
        let mut response = self.respond(path, &Query::parse(query), &holder, fault);
        if self.gzip && takes_gzip {
            response.compress();
        }
        (fault, response.send())
    }

    fn respond(
        &self,
        path: &str,
        query: &Query,
        holder: &Holder,
        fault: Option<FaultKind>,
    ) -> Answer {
        let rest = match fault {
            Some(FaultKind::TooManyRequests { .. }) => {
                let message = "Too many requests hit the API too quickly.";
                let error = json!({"code": "rate_limit", "message": message,
                    "type": "invalid_request_error"});
                return Answer::json(429, &json!({"error": error}));
            }
            Some(FaultKind::Status(status)) => {
                let error = json!({"type": "api_error", "message": "Something went wrong."});
                return Answer::json(status, &json!({"error": error}));
            }
            Some(FaultKind::NoSuchCursor) => {
                let refusal = no_such_cursor(query.get("starting_after").unwrap_or_default());
                return Answer::json(refusal.status, &refusal.body);
            }
            Some(FaultKind::WrongShape) => return Answer::json(200, &json!({"object": "list"})),
            rest => rest,
        };
        let first_again = rest == Some(FaultKind::SameCursor);
        let query = if first_again {
            query.without_cursor()
        } else {
            query.clone()
        };
        let crowd = self.crowd.as_deref();
        let text = match answer(&self.shop, crowd, holder, path, &query) {
            Err(refusal) => return Answer::json(refusal.status, &refusal.body),
            Ok(text) if first_again => with_more(&text),
            Ok(text) => text,
        };
        let text = if self.keys.live {
            text.replace("\"livemode\":false", "\"livemode\":true")
        } else {
            text
        };
        let cut = matches!(rest, Some(FaultKind::HalfBody | FaultKind::BrokenOff));
        let mut bytes = text.into_bytes();
        if cut {
            bytes.truncate(bytes.len() / 2);
        }
        Answer {
            status: 200,
            bytes,
            broken_off: rest == Some(FaultKind::BrokenOff),
            gzip: false,
        }
    }
}

/// The same list, with more promised.
fn with_more(list: &str) -> String {
    let mut list: Value = serde_json::from_str(list).unwrap_or_default();
    set(&mut list, "has_more", json!(true));
    list.to_string()
}

/// What is sent.
struct Answer {
    status: u16,
    bytes: Vec<u8>,
    /// The connection ends behind these bytes.
    broken_off: bool,
    gzip: bool,
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            bytes: body.to_string().into_bytes(),
            broken_off: false,
            gzip: false,
        }
    }

    fn compress(&mut self) {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let written = gzip.write_all(&self.bytes).and_then(|()| gzip.finish());
        // Writing to memory cannot fail.
        if let Ok(bytes) = written {
            (self.bytes, self.gzip) = (bytes, true);
        }
    }

    fn send(self) -> Response<Body> {
        let body = if self.broken_off {
            let end = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            Body::from_stream(stream::iter([Ok(Bytes::from(self.bytes)), Err(end)]))
        } else {
            self.bytes.into()
        };
        let mut response = Response::new(body);
        let status = StatusCode::from_u16(self.status);
        *response.status_mut() = status.unwrap_or(StatusCode::BAD_GATEWAY);
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        // Tells whose account it is: nothing that belongs into a log.
        let account = HeaderValue::from_static("acct_1Sample");
        headers.insert("stripe-account", account);
        headers.insert("request-id", HeaderValue::from_static("req_Sample"));
        if self.gzip {
            let gzip = HeaderValue::from_static("gzip");
            headers.insert(header::CONTENT_ENCODING, gzip);
        }
        response
    }
}
