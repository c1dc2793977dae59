//! A proxy in front of Postgres that loses COMMIT, or the answer to it.
//!
//! It understands just enough of the protocol to see a message's borders (PostgreSQL documentation,
//! "Message Formats"), and speaks no TLS.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// COMMIT reaches the server and takes effect; the answer does not come back.
    Answer,
    /// The same, and from then on no connection gets through until [`CommitProxy::recover`].
    AnswerAndServer,
    /// COMMIT does not reach the server.
    Commit,
    /// The connection ends at the first UPDATE, which does not reach the server.
    Update,
}

/// A proxy on a free port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub struct CommitProxy {
    port: u16,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

/// What has happened so far, and what is to happen.
#[derive(Debug, Default)]
struct Seen {
    lost: AtomicU32,
    down: AtomicBool,
    plan: Mutex<Option<Plan>>,
}

/// What happens besides, at the moment at which something is lost.
type Besides = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone)]
struct Plan {
    loss: Loss,
    /// Only the next one is lost.
    once: bool,
    besides: Besides,
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("loss", &self.loss)
            .field("once", &self.once)
            .finish_non_exhaustive()
    }
}

impl Seen {
    /// The plan, where it is about this message of the client.
    fn planned(&self, message: &[u8]) -> Option<Plan> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let part: &[u8] = match plan.as_ref()?.loss {
            Loss::Answer | Loss::AnswerAndServer | Loss::Commit => b"COMMIT\0",
            Loss::Update => b"UPDATE \"",
        };
        if !contains(message, part) {
            return None;
        }
        let planned = plan.clone();
        if planned.as_ref().is_some_and(|planned| planned.once) {
            *plan = None;
        }
        planned
    }
}

impl CommitProxy {
    /// Passes connections on to the server at `port` of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(port: u16, loss: Loss) -> std::io::Result<Self> {
        let proxy = Self::faithful(port).await?;
        proxy.plan(Some(Plan {
            loss,
            once: false,
            besides: Arc::new(|| ()),
        }));
        Ok(proxy)
    }

    /// Passes everything on, until it is told what to lose.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn faithful(port: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let own_port = listener.local_addr()?.port();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            // Dropping the set ends the connections with the proxy.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if shared.down.load(Ordering::SeqCst) {
                    continue;
                }
                let seen = Arc::clone(&shared);
                connections.spawn(async move {
                    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                    if let Err(error) = pass(client, server, &seen).await {
                        tracing::debug!(%error, "a proxied connection ended");
                    }
                });
            }
        });
        Ok(Self {
            port: own_port,
            seen,
            task,
        })
    }

    /// The port to connect to.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Loses this the next time, and only then. `besides` happens at that moment: when COMMIT has come
    /// and goes no further, or when the server has answered it and nobody has heard.
    pub fn lose_once(&self, loss: Loss, besides: impl Fn() + Send + Sync + 'static) {
        self.plan(Some(Plan {
            loss,
            once: true,
            besides: Arc::new(besides),
        }));
    }

    fn plan(&self, plan: Option<Plan>) {
        let planned = self.seen.plan.lock();
        *planned.unwrap_or_else(PoisonError::into_inner) = plan;
    }

    /// How often something was lost.
    pub fn losses(&self) -> u32 {
        self.seen.lost.load(Ordering::SeqCst)
    }

    /// Lets connections through again after [`Loss::AnswerAndServer`].
    pub fn recover(&self) {
        self.seen.down.store(false, Ordering::SeqCst);
    }
}

impl Drop for CommitProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(client: TcpStream, server: SocketAddr, seen: &Seen) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (mute, muted) = watch::channel(None);
    let answers = answers(from_server, to_client, muted);
    tokio::select! {
        sent = requests(from_client, to_server, &mute, seen) => sent?,
        ended = answers => return ended,
    }
    Ok(())
}

/// Client to server, message by message. Returns, and so ends the connection, when the client is
/// gone or a message is lost.
async fn requests(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    mute: &watch::Sender<Option<Besides>>,
    seen: &Seen,
) -> std::io::Result<()> {
    let startup = message(&mut client, false).await?;
    server.write_all(&startup).await?;
    loop {
        let message = message(&mut client, true).await?;
        let Some(plan) = seen.planned(&message) else {
            server.write_all(&message).await?;
            continue;
        };
        seen.lost.fetch_add(1, Ordering::SeqCst);
        match plan.loss {
            Loss::Commit | Loss::Update => {
                (plan.besides)();
                return Ok(());
            }
            Loss::AnswerAndServer => seen.down.store(true, Ordering::SeqCst),
            Loss::Answer => {}
        }
        mute.send_replace(Some(plan.besides));
        server.write_all(&message).await?;
        // The other direction ends the connection as soon as the server has answered.
        std::future::pending::<()>().await;
    }
}

/// Server to client, until the answer that is lost.
async fn answers(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    muted: watch::Receiver<Option<Besides>>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        let count = server.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let besides = muted.borrow().clone();
        if let Some(besides) = besides {
            besides();
            return Ok(());
        }
        client
            .write_all(buffer.get(..count).unwrap_or_default())
            .await?;
    }
}

/// One message of the client with its header. The first one of a connection has no type byte.
async fn message(client: &mut OwnedReadHalf, typed: bool) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if typed {
        bytes.push(client.read_u8().await?);
    }
    let length = client.read_u32().await?;
    bytes.extend(length.to_be_bytes());
    let rest = u64::from(length.saturating_sub(4));
    client.take(rest).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn contains(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|window| window == part)
}
