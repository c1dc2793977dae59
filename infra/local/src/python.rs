//! Pinned Python environments under the target folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::lock::Lock;
use crate::{Progress, command, debian, paths};

/// What an interpreter must bring to be of use.
const PROBE: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";

/// An environment with exactly the packages of a file.
#[derive(Debug, Clone)]
pub struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// The environment of the emulator and the deploy tool.
    pub(crate) fn of_cloud(progress: Progress<'_>) -> Result<Self> {
        let requirements = paths::here().join("requirements.txt");
        Self::ready("venv", &requirements, progress)
    }

    /// The environment `name` with the packages of `requirements`, each of them named there; made on
    /// first use and after the file has changed.
    ///
    /// # Errors
    /// When the file cannot be read, there is no usable Python, or a package cannot be installed.
    pub fn ready(name: &str, requirements: &Path, progress: Progress<'_>) -> Result<Self> {
        let wanted = fs::read_to_string(requirements)
            .with_context(|| format!("cannot read {}", requirements.display()))?;
        let environment = Self {
            folder: paths::local("")?.join(name),
        };
        let _lock = Lock::take(&format!("python-{name}"), progress)?;
        if !environment.holds(&wanted) {
            environment.make(requirements, &wanted, progress)?;
            // Last of all: an interrupted installation has no mark and is made again.
            fs::write(environment.mark(), wanted)?;
        }
        Ok(environment)
    }

    /// A program of the environment.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    fn mark(&self) -> PathBuf {
        self.folder.join("counterfoil-requirements.txt")
    }

    fn holds(&self, wanted: &str) -> bool {
        let same = fs::read_to_string(self.mark()).is_ok_and(|held| held == wanted);
        // The interpreter it was made from may have been removed since.
        same && works(&self.program("python"), "pass")
    }

    fn make(&self, requirements: &Path, wanted: &str, progress: Progress<'_>) -> Result<()> {
        let python = interpreter(progress)?;
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder)
                .with_context(|| format!("cannot remove {}", self.folder.display()))?;
        }
        let packages = wanted.lines().filter(|line| line.contains("==")).count();
        progress("making a Python environment under target/");
        let mut make = Command::new(python);
        command::quietly(
            "python3 -m venv",
            make.args(["-m", "venv"]).arg(&self.folder),
        )?;
        progress(&format!("installing {packages} packages into it"));
        let mut pip = Command::new(self.program("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-input"])
            .args(["--disable-pip-version-check", "--requirement"])
            .arg(requirements);
        command::quietly("pip install", &mut pip)?;
        Ok(())
    }
}

fn interpreter(progress: Progress<'_>) -> Result<&'static Path> {
    // The one on the PATH may be somebody's own without venv; the system's may have it.
    let usable = || {
        let candidates = ["python3", "/usr/bin/python3"].map(Path::new);
        candidates.into_iter().find(|python| works(python, PROBE))
    };
    if let Some(python) = usable() {
        return Ok(python);
    }
    if debian::can_install() {
        debian::install(&["python3", "python3-venv"], progress)?;
    }
    usable().context(
        "the local cloud needs Python 3.10 or newer with its venv module: install it \
         (Debian: apt-get install python3 python3-venv) and start again",
    )
}

fn works(python: &Path, program: &str) -> bool {
    command::quietly("python3", Command::new(python).args(["-c", program])).is_ok()
}
