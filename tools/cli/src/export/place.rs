//! Where a file will be put: looked at before anything is asked for.

use std::io;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

/// Says before the first request that a file could not be written.
pub(crate) fn check(option: &str, out: &Path) -> Result<()> {
    ensure!(
        !out.is_dir() && out.file_name().is_some(),
        "{option} {} is a folder; give the name of a file",
        out.display()
    );
    let new = temporary(folder(out));
    new.map(drop).with_context(|| {
        format!(
            "{option} {} cannot be written; give a file in a folder that is there and that you may write",
            out.display()
        )
    })
}

/// A new file beside `out`, which takes its place when all of it has come.
pub(super) fn beside(out: &Path) -> Result<NamedTempFile> {
    temporary(folder(out)).with_context(|| format!("writing {}", out.display()))
}

/// A new file in a folder. The error names no file that nobody has asked for.
pub(crate) fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(folder).map_err(|error| error.kind().into())
}

fn folder(out: &Path) -> &Path {
    match out.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_named_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check("--out", &folder.path().join("new.tar")).is_ok());
        let missing = folder.path().join("nothing/here.tar");
        let error = format!("{:#}", check("--out", &missing).unwrap_err());
        assert!(
            error.starts_with(&format!("--out {}", missing.display())),
            "{error}"
        );
        let temporary = error.replace(&missing.display().to_string(), "");
        assert!(!temporary.contains(".tmp"), "{error}");
        let error = check("--keep", folder.path()).unwrap_err().to_string();
        assert!(error.contains("is a folder"), "{error}");
    }
}
