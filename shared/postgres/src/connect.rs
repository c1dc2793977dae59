//! Opening one connection.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_postgres::config::{self, SslMode};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{self, Resolver};
use crate::error::PostgresError;
use crate::network::Network;
use crate::refused;
use crate::tls;
use crate::url::{Host, PostgresUrl, Transport};
use crate::watch::{Bounds, Login, Watched, WatchedTls};

/// How long one address may take to accept the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long sent bytes may stay without acknowledgement, and when silence is probed.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a server may take to notice that the client is gone.
const GOODBYE: Duration = Duration::from_secs(5);

/// How a connection of this URL is protected.
#[derive(Clone)]
enum Connector {
    Plain,
    Tls(Box<MakeRustlsConnect>),
}

/// An open connection whose I/O runs in a task of its own, until the client is dropped.
pub(crate) struct Session {
    /// Sends statements.
    pub(crate) client: Client,
    /// What the server may send.
    pub(crate) bounds: Arc<Bounds>,
    connector: Connector,
    address: SocketAddr,
    host: String,
    _alive: oneshot::Sender<()>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Connects to the first of the checked addresses that answers, and authenticates,
    /// both within `patience`.
    pub(crate) async fn open(
        url: &PostgresUrl,
        network: &Network,
        resolver: &dyn Resolver,
        patience: Duration,
    ) -> Result<Self, PostgresError> {
        let late = || PostgresError::Unreachable { place: url.place() };
        let opening = async {
            let addresses = address::pin(url, network, resolver).await?;
            let connector = connector(url)?;
            let (stream, address) = reach(&addresses).await.ok_or_else(late)?;
            Self::log_in(url, connector, stream, address).await
        };
        timeout(patience, opening).await.map_err(|_| late())?
    }

    async fn log_in(
        url: &PostgresUrl,
        connector: Connector,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Result<Self, PostgresError> {
        let host = tls_name(&url.host);
        let config = config(url);
        let bounds = Bounds::new();
        let login = url.login();
        let (alive, gone) = oneshot::channel();
        let failed = |error| refused::classify(&error, &bounds, url);
        let client = match &connector {
            Connector::Plain => {
                let stream = Watched::new(stream, login, &bounds);
                let opened = config.connect_raw(stream, NoTls).await;
                let (client, connection) = opened.map_err(failed)?;
                tokio::spawn(run(connection, gone));
                client
            }
            Connector::Tls(tls) => {
                let tls = watched(tls, &host, login, &bounds)?;
                let opened = config.connect_raw(stream, tls).await;
                let (client, connection) = opened.map_err(failed)?;
                tokio::spawn(run(connection, gone));
                client
            }
        };
        Ok(Self {
            client,
            bounds,
            connector,
            address,
            host,
            _alive: alive,
        })
    }

    /// The reason why the connection was cut, where an error only says that it ended.
    pub(crate) fn told<T>(&self, result: Result<T, PostgresError>) -> Result<T, PostgresError> {
        match (result, self.bounds.refusal()) {
            (Err(PostgresError::Lost | PostgresError::Protocol), Some(refusal)) => {
                Err(refusal.clone())
            }
            (result, _) => result,
        }
    }

    /// What stops the statement that runs; made before the statement takes the session.
    pub(crate) fn stopper(&self) -> Stopper {
        Stopper {
            token: self.client.cancel_token(),
            connector: self.connector.clone(),
            address: self.address,
            host: self.host.clone(),
        }
    }
}

/// Stops a running statement from outside.
pub(crate) struct Stopper {
    token: CancelToken,
    connector: Connector,
    address: SocketAddr,
    host: String,
}

impl Stopper {
    /// Asks the server to stop. Best effort: the statement's own timeout ends it otherwise.
    pub(crate) async fn stop(self) {
        let asked = async {
            let stream = TcpStream::connect(self.address).await.ok()?;
            match self.connector {
                Connector::Plain => self.token.cancel_query_raw(stream, NoTls).await.ok(),
                Connector::Tls(tls) => {
                    let bounds = Bounds::new();
                    let tls = watched(&tls, &self.host, Login::Open, &bounds).ok()?;
                    self.token.cancel_query_raw(stream, tls).await.ok()
                }
            }
        };
        if !matches!(timeout(CONNECT, asked).await, Ok(Some(()))) {
            tracing::debug!("the database took no cancel request");
        }
    }
}

async fn reach(addresses: &[SocketAddr]) -> Option<(TcpStream, SocketAddr)> {
    for address in addresses {
        let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect(address)).await else {
            continue;
        };
        if settle(&stream).is_err() {
            tracing::debug!("the system does not watch over the connection to the database");
        }
        return Some((stream, *address));
    }
    None
}

fn settle(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(SILENCE))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(SILENCE))?;
    Ok(())
}

/// The name that the certificate must be valid for.
fn tls_name(host: &Host) -> String {
    match host {
        Host::Name(name) => name.clone(),
        Host::Address(address) => address.to_string(),
    }
}

fn config(url: &PostgresUrl) -> Config {
    let mut config = Config::new();
    config
        .user(url.user.reveal().as_str())
        .dbname(url.database.as_str())
        .application_name("counterfoil")
        .ssl_mode(if url.transport == Transport::Plain {
            SslMode::Disable
        } else {
            SslMode::Require
        });
    if url.channel_binding {
        config.channel_binding(config::ChannelBinding::Require);
    }
    if let Some(password) = &url.password {
        config.password(password.reveal());
    }
    config
}

fn connector(url: &PostgresUrl) -> Result<Connector, PostgresError> {
    let Transport::VerifyFull { roots } = &url.transport else {
        return Ok(Connector::Plain);
    };
    let tls = tls::connector(roots.as_ref()).map_err(|reason| PostgresError::Tls {
        place: url.place(),
        reason,
    })?;
    Ok(Connector::Tls(Box::new(tls)))
}

type RustlsConnect = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::TlsConnect;

fn watched(
    tls: &MakeRustlsConnect,
    host: &str,
    login: Login,
    bounds: &Arc<Bounds>,
) -> Result<WatchedTls<RustlsConnect>, PostgresError> {
    let mut tls = tls.clone();
    let tls = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, host);
    Ok(WatchedTls {
        tls: tls.map_err(|_| PostgresError::Protocol)?,
        login,
        bounds: Arc::clone(bounds),
    })
}

/// Every call on the client sees the end of the connection itself; here it is only noted.
async fn run(
    connection: impl Future<Output = Result<(), tokio_postgres::Error>>,
    gone: oneshot::Receiver<()>,
) {
    let limit = async {
        let _ = gone.await;
        sleep(GOODBYE).await;
    };
    let (connection, limit) = (pin!(connection), pin!(limit));
    let ended = select(connection, limit).await;
    if !matches!(ended, Either::Left((Ok(()), _))) {
        tracing::debug!("a connection to the database ended early");
    }
}
