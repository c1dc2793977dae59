//! A bundle as a folder: `policies/*.cedar`, `tests/*.json`, and once it is signed `manifest.json`
//! and `signature.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use counterfoil_policy::bundle::{Bundle, LARGEST_BUNDLE};

/// The manifest of a signed bundle.
pub(super) const MANIFEST: &str = "manifest.json";
/// The signature of a signed bundle.
pub(super) const SIGNATURE: &str = "signature.json";

/// A bundle's files.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) at: PathBuf,
    /// By path inside the bundle, with `/`.
    pub(super) files: BTreeMap<String, String>,
}

impl Folder {
    /// Reads the bundle that another one is compared with. One that was just made would prove nothing.
    pub(super) fn read_other(at: &Path) -> Result<Self> {
        if !at.is_dir() {
            bail!(
                "--against: {at} is no folder. `counterfoil policy pull active {at}` makes it of the bundle in \
                 force, and `counterfoil policy pull sha256:… {at}` of another one",
                at = at.display()
            );
        }
        let other = Self::read(at)?;
        if other.policies().is_empty() {
            bail!(
                "--against: {} holds no rules: policies/*.cedar",
                at.display()
            );
        }
        Ok(other)
    }

    /// The digest of the bundle that its manifest names, if its files are still those.
    pub(super) fn signed(&self) -> Option<String> {
        let manifest = fs::read(self.at.join(MANIFEST)).ok()?;
        let bundle = Bundle::read(&manifest, self.files.clone()).ok()?;
        Some(bundle.digest().to_owned())
    }

    /// Reads every file that belongs to a bundle. Others are named, because nobody should think that
    /// they count.
    pub(super) fn read(at: &Path) -> Result<Self> {
        if !at.is_dir() {
            bail!(
                "{} is no folder: make one with `counterfoil policy new {}`",
                at.display(),
                at.display()
            );
        }
        let mut files = BTreeMap::new();
        for (folder, extension) in [("policies", "cedar"), ("tests", "json")] {
            let inside = at.join(folder);
            if !inside.is_dir() {
                continue;
            }
            for entry in fs::read_dir(&inside).with_context(|| inside.display().to_string())? {
                let path = entry.with_context(|| inside.display().to_string())?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let named = format!("{folder}/{name}");
                if path.extension().is_none_or(|it| it != extension) {
                    bail!("{named} does not belong into a bundle: only {folder}/*.{extension} do");
                }
                let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                files.insert(named, text);
            }
        }
        let bytes: usize = files.values().map(String::len).sum();
        if bytes > LARGEST_BUNDLE {
            bail!("the files have {bytes} bytes, and a bundle has at most {LARGEST_BUNDLE}");
        }
        let at = at.to_path_buf();
        Ok(Self { at, files })
    }

    /// Policies, `(path, text)`.
    pub(super) fn policies(&self) -> Vec<(&str, &str)> {
        self.under("policies/")
    }

    /// Tests, `(path, text)`.
    pub(super) fn tests(&self) -> Vec<(&str, &str)> {
        self.under("tests/")
    }

    fn under(&self, folder: &str) -> Vec<(&str, &str)> {
        let files = self.files.iter();
        let inside = files.filter(|(path, _)| path.starts_with(folder));
        inside
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect()
    }
}
