//! A proxy in front of emulated AWS services that loses, delays and replaces what passes.
//!
//! It speaks plain HTTP/1.1, takes one request per connection and forwards each on a connection of
//! its own. Faults are planned by operation. Point only the client under test at it, and look at the result through another one.

mod message;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use self::message::{Reply, Request};
use crate::memory::SeededRandom;
use counterfoil_core::ports::Random;

/// When a request takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Never: the server does not see it.
    Never,
    /// At once.
    Now,
    /// At [`FaultProxy::release`].
    Later,
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it passes, and a plan goes on with the request after it.
    None,
    /// The client gets no answer and its connection stays open, until the client gives up or is
    /// gone.
    Silence(Effect),
    /// The server never sees it; the connection ends.
    DropRequest,
    /// It takes effect; the connection ends without a reply.
    DropReply,
    /// It takes effect; the last byte of the reply is missing.
    TruncateReply,
    /// It takes effect; the reply ends inside the status line.
    CutStatus,
    /// It takes effect; the answer is a 500.
    ErrorAfterWrite,
    /// It takes effect at once; the reply comes later.
    Delay(Duration),
    /// It takes effect later, whether or not the client still waits for the reply.
    Slow(Duration),
    /// The connection ends; it takes effect at [`FaultProxy::release`].
    HoldBack,
    /// It waits for [`FaultProxy::go_on`], then passes as if nothing had been.
    Wait,
    /// The server never sees it; this error is the answer: status and code, or the reason for which
    /// a transaction is cancelled.
    Answer(u16, &'static str),
}

impl Fault {
    /// Another transaction was busy with an item.
    pub const CONFLICT: Self = Self::Answer(400, "TransactionConflict");
    /// A condition does not hold.
    pub const CONDITION: Self = Self::Answer(400, "ConditionalCheckFailed");
    /// Too many requests.
    pub const THROTTLED: Self = Self::Answer(400, "ThrottlingException");
    /// Too many requests for the table.
    pub const THROUGHPUT: Self = Self::Answer(400, "ProvisionedThroughputExceededException");
    /// The same transaction is being worked on.
    pub const IN_PROGRESS: Self = Self::Answer(400, "TransactionInProgressException");
    /// No permission.
    pub const DENIED: Self = Self::Answer(400, "AccessDeniedException");
    /// S3: too many requests.
    pub const SLOW_DOWN: Self = Self::Answer(503, "SlowDown");
    /// S3: another conditional write of the same key is being worked on.
    pub const CONDITIONAL: Self = Self::Answer(409, "ConditionalRequestConflict");
}

/// One request that passed, or did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Last word of `x-amz-target`, or method and path.
    pub operation: String,
    /// What was done to it.
    pub fault: Option<Fault>,
    /// `ClientRequestToken`, where there is one.
    pub token: Option<String>,
}

#[derive(Debug)]
struct Chances {
    operation: &'static str,
    per_mille: u16,
    faults: Vec<Fault>,
    random: SeededRandom,
}

#[derive(Debug, Default)]
struct Inner {
    planned: Vec<(&'static str, VecDeque<Fault>)>,
    chances: Vec<Chances>,
    log: Vec<Passed>,
    held: Vec<Request>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    inner: Mutex<Inner>,
    under_way: watch::Sender<usize>,
    waiting: watch::Sender<usize>,
    passes: watch::Sender<u64>,
}

/// A proxy on a free port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Passes requests on to `endpoint`, an `http://` address with a port.
    ///
    /// # Errors
    /// When the address is not one, or there is no free port.
    pub async fn start(endpoint: &str) -> std::io::Result<Self> {
        let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
        let server = address
            .parse()
            .map_err(|_| std::io::Error::other(format!("{endpoint} is no http address")))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            server,
            inner: Mutex::default(),
            under_way: watch::Sender::new(0),
            waiting: watch::Sender::new(0),
            passes: watch::Sender::new(0),
        });
        let served = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            // Dropping the set ends the connections with the proxy.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&served);
                connections.spawn(async move {
                    if let Err(error) = shared.serve(client).await {
                        tracing::debug!(%error, "a proxied connection ended");
                    }
                });
            }
        });
        Ok(Self { port, shared, task })
    }

    /// The address to give to the client under test.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Plans faults for the next requests of an operation, one each, after those that are planned
    /// already. `operation` is the beginning of its name.
    pub fn plan(&self, operation: &'static str, faults: impl IntoIterator<Item = Fault>) {
        let faults = faults.into_iter().collect();
        self.shared.lock().planned.push((operation, faults));
    }

    /// Gives every further request of an operation one of `faults` with a chance of `per_mille`.
    pub fn chances(
        &self,
        operation: &'static str,
        per_mille: u16,
        faults: impl IntoIterator<Item = Fault>,
        seed: u64,
    ) {
        self.shared.lock().chances.push(Chances {
            operation,
            per_mille,
            faults: faults.into_iter().collect(),
            random: SeededRandom::new(seed),
        });
    }

    /// Plans nothing any more.
    pub fn calm(&self) {
        let mut inner = self.shared.lock();
        inner.planned.clear();
        inner.chances.clear();
    }

    /// Every request so far, in the order in which they came.
    pub fn log(&self) -> Vec<Passed> {
        self.shared.lock().log.clone()
    }

    /// How many requests of an operation came so far.
    pub fn count(&self, operation: &str) -> usize {
        let log = &self.shared.lock().log;
        let of_operation = log
            .iter()
            .filter(|passed| passed.operation.starts_with(operation));
        of_operation.count()
    }

    /// Returns when a request meets [`Fault::Wait`] or [`Fault::Silence`].
    pub async fn somebody_waits(&self) {
        let mut waiting = self.shared.waiting.subscribe();
        // The sender lives as long as this proxy.
        let _ = waiting.wait_for(|count| *count > 0).await;
    }

    /// Lets pass what waits.
    pub fn go_on(&self) {
        self.shared.passes.send_modify(|count| *count += 1);
    }

    /// Forwards what was held back, oldest first, waits until nothing is under way any more, and
    /// returns what the server said to what was held back.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn release(&self) -> std::io::Result<Vec<Option<u16>>> {
        let held = std::mem::take(&mut self.shared.lock().held);
        let mut answers = Vec::new();
        for request in held {
            answers.push(request.forward(self.shared.server).await?.status());
        }
        let mut under_way = self.shared.under_way.subscribe();
        let none = under_way.wait_for(|count| *count == 0).await;
        none.map_err(std::io::Error::other)?;
        Ok(answers)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let request = Request::read(&mut client).await?;
        let fault = self.lock().next(&request);
        self.under_way.send_modify(|count| *count += 1);
        let reply = match fault {
            None => request
                .forward(self.server)
                .await
                .map(|reply| reply.bytes()),
            Some(fault) => self.afflict(&request, fault).await,
        };
        self.under_way.send_modify(|count| *count -= 1);
        let reply = reply?;
        if let Some(Fault::Silence(_)) = fault {
            self.waiting.send_modify(|count| *count += 1);
            // Nobody sends a second request before the first is answered.
            let gone = client.read_u8().await;
            self.waiting.send_modify(|count| *count -= 1);
            return gone.map(drop);
        }
        client.write_all(&reply).await?;
        client.shutdown().await
    }

    /// What the client gets; nothing at all ends its connection.
    async fn afflict(&self, request: &Request, fault: Fault) -> std::io::Result<Vec<u8>> {
        let cut = |mut reply: Vec<u8>, length: usize| {
            reply.truncate(length);
            reply
        };
        match fault {
            Fault::None => Ok(request.forward(self.server).await?.bytes()),
            Fault::DropRequest | Fault::Silence(Effect::Never) => Ok(Vec::new()),
            Fault::HoldBack | Fault::Silence(Effect::Later) => {
                self.lock().held.push(request.clone());
                Ok(Vec::new())
            }
            Fault::Wait => {
                let mut passes = self.passes.subscribe();
                self.waiting.send_modify(|count| *count += 1);
                let passed = passes.changed().await;
                self.waiting.send_modify(|count| *count -= 1);
                passed.map_err(std::io::Error::other)?;
                Ok(request.forward(self.server).await?.bytes())
            }
            Fault::Answer(status, code) => Ok(answer(request, status, code).bytes()),
            Fault::DropReply | Fault::Silence(Effect::Now) => {
                request.forward(self.server).await?;
                Ok(Vec::new())
            }
            Fault::TruncateReply => {
                let reply = request.forward(self.server).await?.bytes();
                let length = reply.len().saturating_sub(1);
                Ok(cut(reply, length))
            }
            Fault::CutStatus => Ok(cut(request.forward(self.server).await?.bytes(), 7)),
            Fault::ErrorAfterWrite => {
                request.forward(self.server).await?;
                Ok(answer(request, 500, "InternalServerError").bytes())
            }
            Fault::Slow(time) => {
                tokio::time::sleep(time).await;
                Ok(request.forward(self.server).await?.bytes())
            }
            Fault::Delay(time) => {
                let reply = request.forward(self.server).await?;
                tokio::time::sleep(time).await;
                Ok(reply.bytes())
            }
        }
    }
}

impl Inner {
    /// Takes the next fault for a request, and writes both down.
    fn next(&mut self, request: &Request) -> Option<Fault> {
        let operation = request.operation();
        let concerns = |of: &str| operation.starts_with(of);
        let planned = self
            .planned
            .iter_mut()
            .filter(|(of, _)| concerns(of))
            .find_map(|(_, faults)| faults.pop_front());
        let by_chance = || {
            let chances = self.chances.iter().find(|some| concerns(some.operation))?;
            chances.draw()
        };
        let fault = planned.or_else(by_chance);
        let fault = fault.filter(|fault| *fault != Fault::None);
        self.log.push(Passed {
            operation,
            fault,
            token: request.token(),
        });
        fault
    }
}

impl Chances {
    fn draw(&self) -> Option<Fault> {
        let bits = self.random.bits128();
        let hit = bits % 1_000 < u128::from(self.per_mille);
        let count = u128::try_from(self.faults.len()).ok()?;
        let index = (bits >> 64).checked_rem(count)?;
        let fault = self.faults.get(usize::try_from(index).ok()?)?;
        hit.then_some(*fault)
    }
}

/// An error as the service would word it.
fn answer(request: &Request, status: u16, code: &str) -> Reply {
    if request.speaks_json() {
        let reason = match code {
            "TransactionConflict" | "ConditionalCheckFailed" => code,
            _ => "",
        };
        let (code, reasons) = if reason.is_empty() {
            (code, String::new())
        } else {
            let reasons = format!("[{{\"Code\":\"{reason}\"}},{{\"Code\":\"None\"}}]");
            let reasons = format!(",\"CancellationReasons\":{reasons}");
            ("TransactionCanceledException", reasons)
        };
        let body = format!(
            "{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{code}\",\"Message\":\"injected\"{reasons}}}"
        );
        Reply::own(status, "application/x-amz-json-1.0", &body)
    } else {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>injected</Message></Error>"
        );
        Reply::own(status, "application/xml", &body)
    }
}
