//! Somebody at a terminal with the binary that people install.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::stage::Stage;

/// A person, or a program that has a key, with a home of their own.
pub(crate) struct Terminal {
    stage: &'static Stage,
    subject: String,
    home: TempDir,
    given: Vec<(&'static str, String)>,
}

/// What the command line said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

impl Terminal {
    /// Of whoever signs in as `subject`.
    pub(crate) fn of(stage: &'static Stage, subject: &str) -> Self {
        Self {
            stage,
            subject: subject.to_owned(),
            home: tempfile::tempdir().unwrap(),
            given: Vec::new(),
        }
    }

    /// Of a program.
    pub(crate) fn with_key(stage: &'static Stage, key: &str) -> Self {
        let given = vec![("COUNTERFOIL_API_KEY", key.to_owned())];
        Self {
            given,
            ..Self::of(stage, "")
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(cli());
        command
            .env_clear()
            .env("XDG_CONFIG_HOME", self.home.path())
            .env("COUNTERFOIL_API", &self.stage.cloud.api_url)
            .envs(self.given.iter().map(|(name, value)| (name, value)))
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        let output = self.command(words).output().unwrap();
        Said {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same, where it must be done.
    pub(crate) fn done(&self, words: &[&str]) -> Said {
        let said = self.run(words);
        assert_eq!(said.status, 0, "{words:?}: {said:?}");
        said
    }

    /// `counterfoil login`; this test is the browser. The issuer lets in one person at a time.
    pub(crate) async fn sign_in(&self) {
        static TURN: Mutex<()> = Mutex::const_new(());
        let _turn = TURN.lock().await;
        self.stage.issuer.let_in(&self.subject);
        let mut child = self.command(&["login", "--no-browser"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut page = String::new();
        while !page.starts_with("http") {
            page.clear();
            assert!(lines.read_line(&mut page).unwrap() > 0, "no page");
        }
        let answer = reqwest::get(page.trim()).await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert!(child.wait().unwrap().success(), "{rest}");
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// The binary that people install, built by the cargo that runs the tests.
pub(crate) fn cli() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let output = Command::new(cargo)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .args(["build", "--bin", "counterfoil"])
            .arg("--message-format=json-render-diagnostics")
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let messages = String::from_utf8(output.stdout).unwrap();
        let mut messages = messages.lines().filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let named = message["target"]["name"] == "counterfoil";
            let executable = message["executable"].as_str().filter(|_| named)?;
            Some(PathBuf::from(executable))
        });
        messages.next_back().unwrap()
    })
}
