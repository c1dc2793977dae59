//! A real Postgres server in a temporary folder.
//!
//! Not durable (`fsync` off), reachable on 127.0.0.1 only, passwords by SCRAM. Every statement is
//! logged, so that tests can say what was sent.

mod binaries;

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::emulator::free_port;
use crate::lifeline::{Account, Lifeline, Server};
use crate::{Progress, command};

const ADMIN: &str = "postgres";
const ATTEMPTS: usize = 3;
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// A running server; it ends when this is dropped or this process dies.
pub struct Postgres {
    binaries: PathBuf,
    port: u16,
    password: String,
    // Dropped before the folder that the server uses.
    lifeline: Lifeline,
    folder: TempDir,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Postgres {
    /// Makes a new cluster and starts it on a free port.
    ///
    /// # Errors
    /// One sentence that says what to install; or the end of the server's log.
    pub fn start(progress: Progress<'_>) -> Result<Self> {
        let binaries = binaries::find(progress)?;
        let account = binaries::account()?;
        progress("starting Postgres");
        let folder = tempfile::Builder::new()
            .prefix("counterfoil-postgres-")
            .tempdir()?;
        let password = random_password()?;
        initialise(&binaries, folder.path(), account, &password)?;
        let mut log = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port()?;
            let server = server(&binaries, folder.path(), port, account);
            let mut lifeline = Lifeline::start(&server)?;
            if ready(&mut lifeline, &server.log)? {
                return Ok(Self {
                    binaries,
                    port,
                    password,
                    lifeline,
                    folder,
                });
            }
            log = fs::read_to_string(&server.log).unwrap_or_default();
        }
        bail!("Postgres did not start:\n{log}")
    }

    /// Port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Log of the server, with every statement and its parameters.
    pub fn log_path(&self) -> PathBuf {
        log_path(self.folder.path())
    }

    /// Address for the superuser, with its password.
    pub fn admin_url(&self) -> String {
        self.url(ADMIN, &self.password, "postgres")
    }

    /// Address of a database for a role.
    pub fn url(&self, role: &str, password: &str, database: &str) -> String {
        format!(
            "postgres://{role}:{password}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Makes a database and answers its address for the superuser.
    ///
    /// # Errors
    /// When the name is not made of lower-case letters, digits and `_`, or is taken.
    pub fn create_database(&self, name: &str) -> Result<String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            bail!("database name {name:?}: use lower-case letters, digits and _");
        }
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(ADMIN, &self.password, name))
    }

    /// Runs statements as the superuser; answers rows as lines with `|` between columns.
    ///
    /// # Errors
    /// What Postgres said.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        let mut psql = self.psql(database);
        psql.args(["--tuples-only", "--no-align", "--command", statements]);
        command::quietly("psql", &mut psql)
    }

    /// Runs a psql script as the superuser. `variables` are psql's; `environment` is for secrets.
    ///
    /// # Errors
    /// What Postgres said.
    pub fn script(
        &self,
        database: &str,
        script: &Path,
        variables: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> Result<String> {
        let mut psql = self.psql(database);
        psql.envs(environment.iter().copied())
            .arg("--file")
            .arg(script);
        for (name, value) in variables {
            psql.arg("--variable").arg(format!("{name}={value}"));
        }
        command::quietly("psql", &mut psql)
    }

    /// Whether the server still runs.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(!self.lifeline.ended()?)
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("PGPASSWORD", &self.password)
            .args(["--no-psqlrc", "--quiet", "--variable", "ON_ERROR_STOP=1"])
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--username", ADMIN, "--dbname", database]);
        psql
    }
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("postgres.log")
}

/// Makes the cluster in `folder`/data.
fn initialise(
    binaries: &Path,
    folder: &Path,
    account: Option<Account>,
    password: &str,
) -> Result<()> {
    let secret = folder.join("password");
    fs::write(&secret, password)?;
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    if let Some(account) = account {
        for path in [folder, &secret] {
            chown(path, Some(account.uid), Some(account.gid))?;
        }
    }
    let mut initdb = Command::new(binaries.join("initdb"));
    initdb
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .args([
            "--no-sync",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
        ])
        .args(["--username", ADMIN, "--pwfile"])
        .arg(&secret)
        .arg("--pgdata")
        .arg(folder.join("data"));
    if let Some(account) = account {
        initdb.uid(account.uid).gid(account.gid);
    }
    command::quietly("initdb", &mut initdb)?;
    fs::remove_file(secret)?;
    Ok(())
}

fn server<'a>(
    binaries: &Path,
    folder: &'a Path,
    port: u16,
    account: Option<Account>,
) -> Server<'a> {
    let settings = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "log_statement=all",
        "log_line_prefix=%m [%p] %u@%d ",
        "log_timezone=UTC",
        "timezone=UTC",
        "lc_messages=C",
    ];
    let mut line: Vec<OsString> = vec![binaries.join("postgres").into(), "-D".into()];
    line.push(folder.join("data").into());
    line.extend(["-p".into(), port.to_string().into()]);
    line.extend(
        settings
            .iter()
            .flat_map(|setting| ["-c".into(), OsString::from(setting)]),
    );
    Server {
        line,
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        // Fast shutdown: open connections are ended.
        signal: "INT",
        folder,
        log: log_path(folder),
        account,
    }
}

/// Answers whether the server became ready; `false` when it ended instead.
fn ready(lifeline: &mut Lifeline, log: &Path) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let so_far = fs::read_to_string(log).unwrap_or_default();
        if so_far.contains("database system is ready to accept connections") {
            return Ok(true);
        }
        if lifeline.ended()? {
            return Ok(false);
        }
        thread::sleep(POLL);
    }
    Ok(false)
}

fn random_password() -> Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}
