//! One process at a time, across processes.

use std::fs::{File, TryLockError};

use anyhow::{Context, Result};

use crate::{Progress, paths};

/// Held until dropped; the system lets go of it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "its lifetime is the lock")] File);

impl Lock {
    /// Waits for the lock `name`, and says so when it has to.
    pub(crate) fn take(name: &str, progress: Progress<'_>) -> Result<Self> {
        let path = paths::local("locks")?.join(name);
        let file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                progress(&format!("waiting for another process that prepares {name}"));
                file.lock()
                    .with_context(|| format!("cannot lock {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        Ok(Self(file))
    }
}
