//! The emulator process.

pub(crate) mod accounts;

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::deploy::{self, Deploy, Deployment, Target};
use crate::lifeline::{Lifeline, Server};
use crate::python::Environment;
use crate::{Progress, paths};

/// A port that was free a moment ago can be taken when the emulator binds it.
const ATTEMPTS: usize = 3;
/// Far above the 2.6 s that were measured on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

/// How the emulator is started.
#[derive(Debug, Clone, Default)]
pub struct EmulatorOptions {
    /// Variables that every function gets, over its own: settings that exist only here, for example
    /// the address of the fake Stripe. On AWS a function has none of them.
    pub extra_env: Vec<(String, String)>,
    /// Checks signatures and identity policies, and runs each function under its own role. Keys of
    /// 12 digits and `test` stay root. Conditions on `aws:SecureTransport` are taken out of what is
    /// deployed: everything here is plain HTTP.
    pub auth: bool,
}

/// A running emulator; it ends when this is dropped or this process dies.
#[derive(Debug)]
pub struct Emulator {
    endpoint: String,
    auth: bool,
    extra_env: Vec<(String, String)>,
    python: Environment,
    // Dropped before the folder that the server uses.
    lifeline: Lifeline,
    folder: TempDir,
}

impl Emulator {
    /// Starts an emulator on a free port of 127.0.0.1 and waits until it is ready.
    ///
    /// # Errors
    /// One sentence that says what to install; or the end of the emulator's log.
    pub fn start(options: &EmulatorOptions, progress: Progress<'_>) -> Result<Self> {
        let python = Environment::of_cloud(progress)?;
        progress("starting the emulated AWS services");
        let mut log = String::new();
        for _ in 0..ATTEMPTS {
            let folder = tempfile::Builder::new()
                .prefix("emulator-")
                .tempdir_in(paths::local("run")?)?;
            let port = free_port()?;
            let server = server(&python, folder.path(), port, options);
            let mut lifeline = Lifeline::start(&server)?;
            if ready(&mut lifeline, port)? {
                let endpoint = format!("http://127.0.0.1:{port}");
                return Ok(Self {
                    endpoint,
                    auth: options.auth,
                    extra_env: options.extra_env.clone(),
                    python,
                    lifeline,
                    folder,
                });
            }
            log = fs::read_to_string(&server.log).unwrap_or_default();
        }
        let end: Vec<&str> = log.lines().rev().take(12).collect();
        bail!(
            "the emulator did not start:\n{}",
            end.into_iter().rev().collect::<Vec<_>>().join("\n")
        )
    }

    /// Address of every AWS service.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What the emulator wrote.
    pub fn log_path(&self) -> PathBuf {
        log_path(self.folder.path())
    }

    /// Every different call that was judged under a role, a JSON object per line: `role`, `action`,
    /// `resource`, `family` (partition key), `purpose` (of a secret), `prefix` and `allowed`, with
    /// ids masked. Absent before the first one, and without [`EmulatorOptions::auth`].
    pub fn calls_path(&self) -> PathBuf {
        calls_path(self.folder.path())
    }

    /// Deploys `template.yaml`. Accounts do not see each other, so tests can share an emulator.
    ///
    /// # Errors
    /// The resource and property that could not be made as the template says.
    pub fn deploy(&self, deploy: &Deploy, progress: Progress<'_>) -> Result<Deployment> {
        let emulator = Target {
            python: &self.python,
            endpoint: &self.endpoint,
            auth: self.auth,
            extra_env: &self.extra_env,
        };
        deploy::deploy(&emulator, deploy, progress)
    }

    /// Whether the emulator still runs.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(!self.lifeline.ended()?)
    }
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("emulator.log")
}

fn calls_path(folder: &Path) -> PathBuf {
    folder.join("calls.jsonl")
}

fn server<'a>(
    python: &Environment,
    folder: &'a Path,
    port: u16,
    options: &EmulatorOptions,
) -> Server<'a> {
    // Functions inherit the emulator's whole environment; on AWS they do not. So it starts from
    // nothing: a variable that template.yaml forgot is missing here too.
    let endpoint = format!("http://127.0.0.1:{port}");
    let fixed: [(&str, OsString); 13] = [
        ("PATH", "/usr/bin:/bin".into()),
        ("HOME", folder.into()),
        ("TMPDIR", folder.into()),
        ("STATE_DIR", folder.join("state").into()),
        ("S3_DATA_DIR", folder.join("s3").into()),
        ("LOG_LEVEL", "WARNING".into()),
        ("BIND_HOST", "127.0.0.1".into()),
        ("GATEWAY_PORT", port.to_string().into()),
        ("MINISTACK_HOST", "127.0.0.1".into()),
        // Both would listen on all interfaces.
        ("IOT_MTLS_ENABLED", "0".into()),
        ("SFTP_ENABLED", "0".into()),
        ("PYTHONPATH", paths::here().join("py").into()),
        ("AWS_ENDPOINT_URL", endpoint.into()),
    ];
    let mut environment: Vec<(OsString, OsString)> = options
        .extra_env
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    if options.auth {
        environment.push(("AUTH".into(), "true".into()));
        environment.push(("COUNTERFOIL_CALLS".into(), calls_path(folder).into()));
    }
    environment.extend(fixed.into_iter().map(|(name, value)| (name.into(), value)));
    Server {
        line: vec![python.program("ministack").into()],
        environment,
        signal: "TERM",
        folder,
        log: log_path(folder),
        account: None,
    }
}

/// Answers whether the server became ready; `false` when it ended instead.
fn ready(lifeline: &mut Lifeline, port: u16) -> Result<bool> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if answers(port) {
            return Ok(true);
        }
        if lifeline.ended()? {
            return Ok(false);
        }
        thread::sleep(POLL);
    }
    Ok(false)
}

fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<Vec<u8>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(
            b"GET /_ministack/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200 "))
}

/// A port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?.port())
}
