//! Opening one connection.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{CancelToken, Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address;
use crate::error::PostgresError;
use crate::tls;
use crate::url::{PostgresUrl, Transport};

/// How long one address may take to accept the connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long everything up to the first statement may take, over all addresses.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long sent bytes may stay without acknowledgement, and when silence is probed.
const SILENCE: Duration = Duration::from_secs(30);

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
    connector: Connector,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Connects and authenticates.
    pub(crate) async fn open(url: &PostgresUrl) -> Result<Self, PostgresError> {
        let config = config(url, &address::pin(url).await?);
        let connector = connector(url)?;
        let connecting = connect(&config, connector.clone());
        let client = match timeout(HANDSHAKE, connecting).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(classify(&error, url)),
            Err(_) => return Err(PostgresError::Unreachable { place: url.place() }),
        };
        Ok(Self { client, connector })
    }

    /// What stops the statement that runs; made before the statement takes the session.
    pub(crate) fn stopper(&self) -> Stopper {
        Stopper {
            token: self.client.cancel_token(),
            connector: self.connector.clone(),
        }
    }
}

/// Stops a running statement from outside.
pub(crate) struct Stopper {
    token: CancelToken,
    connector: Connector,
}

impl Stopper {
    /// Asks the server to stop. Best effort: the statement's own timeout ends it otherwise.
    pub(crate) async fn stop(self) {
        let asked = async {
            match self.connector {
                Connector::Plain => self.token.cancel_query(NoTls).await,
                Connector::Tls(tls) => self.token.cancel_query(*tls).await,
            }
        };
        if !matches!(timeout(CONNECT, asked).await, Ok(Ok(()))) {
            tracing::debug!("the database took no cancel request");
        }
    }
}

fn config(url: &PostgresUrl, addresses: &[std::net::IpAddr]) -> Config {
    let host = url.host.to_string();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut config = Config::new();
    config
        .user(url.user.reveal().as_str())
        .dbname(url.database.as_str())
        .port(url.port);
    if let Some(password) = &url.password {
        config.password(password.reveal());
    }
    for address in addresses {
        config.host(host).hostaddr(*address);
    }
    config
        .application_name("counterfoil")
        .connect_timeout(CONNECT)
        .tcp_user_timeout(SILENCE)
        .keepalives_idle(SILENCE)
        .ssl_mode(if url.transport == Transport::Plain {
            SslMode::Disable
        } else {
            SslMode::Require
        });
    config
}

fn connector(url: &PostgresUrl) -> Result<Connector, PostgresError> {
    let Transport::VerifyFull { root_certificates } = &url.transport else {
        return Ok(Connector::Plain);
    };
    let tls =
        tls::connector(root_certificates.as_deref()).map_err(|reason| PostgresError::Tls {
            place: url.place(),
            reason,
        })?;
    Ok(Connector::Tls(Box::new(tls)))
}

async fn connect(config: &Config, connector: Connector) -> Result<Client, tokio_postgres::Error> {
    match connector {
        Connector::Plain => {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(run(connection));
            Ok(client)
        }
        Connector::Tls(tls) => {
            let (client, connection) = config.connect(*tls).await?;
            tokio::spawn(run(connection));
            Ok(client)
        }
    }
}

/// Every call on the client sees the end of the connection itself; here it is only noted.
async fn run(connection: impl Future<Output = Result<(), tokio_postgres::Error>>) {
    if connection.await.is_err() {
        tracing::debug!("a connection to the database ended early");
    }
}

fn classify(error: &tokio_postgres::Error, url: &PostgresUrl) -> PostgresError {
    if let Some(code) = error.code() {
        let class = code.code();
        return if class.starts_with("28") {
            PostgresError::Authentication
        } else if *code == SqlState::INVALID_CATALOG_NAME {
            PostgresError::NoDatabase {
                database: url.database.clone(),
            }
        } else if class.starts_with("53") || class.starts_with("57") {
            PostgresError::Busy
        } else {
            PostgresError::Rejected {
                code: class.to_owned(),
                at: String::new(),
            }
        };
    }
    // The library has no other way to tell these two apart from a failed connection.
    let shown = error.to_string();
    if shown.starts_with("error performing TLS handshake") {
        let reason = match std::error::Error::source(error) {
            Some(cause) if cause.to_string().contains("does not support TLS") => {
                "the server offers no TLS: turn `ssl` on there"
            }
            _ => {
                "its certificate is not valid for this host: check the host name, or name the \
                  server's certificate authority in sslrootcert"
            }
        };
        return PostgresError::Tls {
            place: url.place(),
            reason,
        };
    }
    if shown.starts_with("authentication error") || shown.starts_with("invalid configuration") {
        return PostgresError::Authentication;
    }
    PostgresError::Unreachable { place: url.place() }
}
