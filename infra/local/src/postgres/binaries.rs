//! Where the Postgres programs are, and whom they run as.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::lifeline::Account;
use crate::lock::Lock;
use crate::{Progress, debian};

/// Where Debian puts them, one folder per version and not on the PATH.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder with `initdb`, `postgres` and `psql`.
pub(crate) fn find(progress: Progress<'_>) -> Result<PathBuf> {
    if let Some(folder) = installed() {
        return Ok(folder);
    }
    if debian::can_install() {
        let _lock = Lock::take("postgres", progress)?;
        if installed().is_none() {
            debian::install(&["postgresql"], progress)?;
        }
    }
    installed().context(
        "the local cloud needs a Postgres server (initdb, postgres, psql): install it \
         (Debian: apt-get install postgresql) and start again",
    )
}

fn installed() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .find(|folder| complete(folder))
        .or_else(newest_of_debian)
}

fn newest_of_debian() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.flatten();
    versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            complete(&folder).then_some((version, folder))
        })
        .max()
        .map(|(_, folder)| folder)
}

fn complete(folder: &Path) -> bool {
    ["initdb", "postgres", "psql"]
        .iter()
        .all(|program| folder.join(program).is_file())
}

/// Postgres refuses to run as root: the account to run it as then, `None` otherwise.
pub(crate) fn account() -> Result<Option<Account>> {
    if !debian::is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    match named(&users, "postgres").or_else(|| named(&users, "nobody")) {
        Some(account) => Ok(Some(account)),
        None => bail!("Postgres does not run as root, and there is no user postgres or nobody"),
    }
}

fn named(users: &str, name: &str) -> Option<Account> {
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line
        .split(':')
        .skip(2)
        .map_while(|field| field.parse().ok());
    Some(Account {
        uid: ids.next()?,
        gid: ids.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\npostgres2:x:7:8::/:/x\npostgres:x:101:104::/:/x\n";
        let account = named(users, "postgres").unwrap();
        assert_eq!((account.uid, account.gid), (101, 104));
        assert!(named(users, "nobody").is_none());
    }
}
