//! Files by reference and digest: their contents stay on this machine.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::Failure;

/// The longest reference that the API takes.
const LONGEST: usize = 512;

/// `FILE`, or `REF=FILE` where it is kept under another name.
///
/// # Errors
/// When it cannot be read, or its name is no reference.
pub(super) fn reference(given: &str) -> Result<Value, Failure> {
    let named = given.rsplit_once('=');
    let (name, path) = named.map_or((None, given), |(name, path)| (Some(name), path));
    let path = Path::new(path);
    let own = || path.file_name().and_then(|name| name.to_str());
    let name = name.or_else(own).unwrap_or_default();
    let visible = name.chars().all(|letter| letter.is_ascii_graphic());
    if name.is_empty() || !visible || name.len() > LONGEST {
        let what = "a reference has 1 to 512 visible letters of ASCII; say under which name the file is kept: \
                    REF=FILE, such as s3://results/1042.json=receipt.json";
        return Err(Failure::Unknown(anyhow!(what)));
    }
    let (sha256, bytes) = read(path)?;
    Ok(json!({ "ref": name, "sha256": sha256, "bytes": bytes }))
}

/// The digest of a file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn digest(path: &Path) -> Result<String, Failure> {
    Ok(read(path)?.0)
}

fn read(path: &Path) -> Result<(String, u64), Failure> {
    let hashed = || {
        let mut hash = Hashing(Sha256::new());
        let bytes = io::copy(&mut File::open(path)?, &mut hash)?;
        let digest = hex::encode(hash.0.finalize());
        io::Result::Ok((format!("sha256:{digest}"), bytes))
    };
    hashed()
        .with_context(|| format!("reading {}", path.display()))
        .map_err(Failure::Unknown)
}

struct Hashing(Sha256);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4's example of one block.
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_is_its_name_its_digest_and_its_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipt.json");
        std::fs::write(&path, "abc").unwrap();
        let path = path.to_str().unwrap();
        let own = json!({ "ref": "receipt.json", "sha256": ABC, "bytes": 3 });
        assert_eq!(reference(path).unwrap(), own);
        let kept = reference(&format!("s3://results/a=1.json={path}")).unwrap();
        assert_eq!(kept["ref"], "s3://results/a=1.json");
        assert_eq!(kept["sha256"], ABC);
    }

    #[test]
    fn what_is_no_file_or_no_reference_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("a b");
        std::fs::write(&odd, "abc").unwrap();
        let odd = odd.to_str().unwrap();
        let error = reference(odd).unwrap_err();
        assert!(error.to_string().contains("REF=FILE"), "{error}");
        assert!(reference(&format!("fine={odd}")).is_ok());
        let error = reference("/nowhere/x").unwrap_err();
        assert!(error.to_string().contains("reading /nowhere/x"), "{error}");
        assert_eq!(error.status(), 2);
    }
}
