//! Servers that end with us.
//!
//! A server runs under a small shell that waits on a pipe from this process. When the pipe closes,
//! because we drop it or because we are gone, the shell ends the server, waits for it and removes
//! its folder. A signal to the parent would not do: destructors do not run for statics or after
//! SIGKILL, and the system's parent-death signal follows threads, not processes.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result};

/// `$1` signal, `$2` folder to remove, the rest is the server. The watcher ends the shell when the
/// server dies by itself.
const SCRIPT: &str = r#"signal=$1 folder=$2; shift 2
"$@" & server=$!
(while kill -0 $server; do sleep 1; done; kill $$) </dev/null 2>/dev/null &
read _
kill -$signal $server; wait $server
rm -rf "$folder""#;

/// A user to run as.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Account {
    /// User id.
    pub(crate) uid: u32,
    /// Group id.
    pub(crate) gid: u32,
}

/// What to run.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    /// Program and arguments.
    pub(crate) line: Vec<OsString>,
    /// Its whole environment: nothing is inherited.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Signal that ends it in good order.
    pub(crate) signal: &'static str,
    /// Its folder, removed after its end.
    pub(crate) folder: &'a Path,
    /// Where its output goes.
    pub(crate) log: PathBuf,
    /// Who it runs as; `None` for ourselves.
    pub(crate) account: Option<Account>,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Lifeline {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Lifeline {
    pub(crate) fn start(server: &Server<'_>) -> Result<Self> {
        let log = File::create(&server.log)
            .with_context(|| format!("cannot make {}", server.log.display()))?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SCRIPT, "sh", server.signal])
            .arg(server.folder)
            .args(&server.line)
            .env_clear()
            .envs(server.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(server.folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for us alone: we decide when the servers end.
            .process_group(0);
        if let Some(account) = server.account {
            command.uid(account.uid).gid(account.gid);
        }
        let mut shell = command.spawn().context("cannot start /bin/sh")?;
        let pipe = shell.stdin.take();
        Ok(Self { shell, pipe })
    }

    /// Whether the server has ended by itself.
    pub(crate) fn ended(&mut self) -> Result<bool> {
        Ok(self.shell.try_wait()?.is_some())
    }
}

impl Drop for Lifeline {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // Nobody can be told of an error here; a shell that cannot be waited for is already gone.
        let _ = self.shell.wait();
    }
}
