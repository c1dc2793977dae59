//! Installing Debian packages, where that is ours to do.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{Progress, command};

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Whether packages can be installed without asking anybody.
pub(crate) fn can_install() -> bool {
    is_root() && Path::new("/usr/bin/apt-get").exists()
}

/// Installs packages with apt-get.
pub(crate) fn install(packages: &[&str], progress: Progress<'_>) -> Result<()> {
    let names = packages.join(" ");
    progress(&format!("installing the Debian packages {names}"));
    if command::quietly("apt-get install", &mut apt_get("install", packages)).is_ok() {
        return Ok(());
    }
    // The lists are missing on a fresh machine and go stale on an old one.
    command::quietly("apt-get update", &mut apt_get("update", &[]))?;
    command::quietly("apt-get install", &mut apt_get("install", packages))?;
    Ok(())
}

fn apt_get(verb: &str, packages: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300", verb])
        .args(packages);
    command
}
