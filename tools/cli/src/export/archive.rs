//! The outer archive of a delivery (evidence-format section 12.5): its manifest names every other
//! file by its digest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use counterfoil_evidence::json::Json;
use sha2::{Digest, Sha256};

use crate::client::Failure;

const BLOCK: usize = 512;
const MANIFEST: &str = "manifest.json";
/// Most bytes of a member that is kept in memory.
const LARGEST: u64 = 64 << 20;

/// A member of an archive.
pub(crate) struct Member {
    pub(crate) name: String,
    /// `sha256:…`.
    pub(crate) digest: String,
    /// The content, where it was asked for.
    pub(crate) content: Option<Vec<u8>>,
}

/// Checks an archive against its manifest.
pub(super) fn check(archive: &Path) -> Result<(), Failure> {
    let members = members(archive, |_| false).map_err(Failure::Unknown)?;
    compare(&members).map_err(|error| Failure::Different(format!("{error:#}")))
}

/// Reads an archive: every member by its digest, and the content of those that `keep` names.
pub(crate) fn members(archive: &Path, keep: impl Fn(&str) -> bool) -> Result<Vec<Member>> {
    let file = File::open(archive).with_context(|| format!("reading {}", archive.display()))?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut members = Vec::new();
    loop {
        let mut block = [0_u8; BLOCK];
        file.read_exact(&mut block).context("the archive is cut")?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(members);
        }
        let (name, size) = header(&block)?;
        let kept = name == MANIFEST || keep(&name);
        ensure!(!kept || size <= LARGEST, "{name} is too large to be read");
        let mut hash = Sha256::new();
        let mut content = kept.then(Vec::new);
        let mut left = size;
        let mut buffer = vec![0_u8; 1 << 16];
        while left > 0 {
            let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
            let part = buffer.get_mut(..most).unwrap_or_default();
            file.read_exact(part).context("the archive is cut")?;
            hash.update(&*part);
            if let Some(content) = &mut content {
                content.extend_from_slice(part);
            }
            left = left.saturating_sub(u64::try_from(most).unwrap_or(left));
        }
        let block = u64::try_from(BLOCK)?;
        let padding = size.next_multiple_of(block).saturating_sub(size);
        std::io::copy(&mut (&mut file).take(padding), &mut std::io::sink())?;
        members.push(Member {
            name,
            digest: format!("sha256:{}", hex::encode(hash.finalize())),
            content,
        });
    }
}

/// Name and size of a member.
fn header(block: &[u8; BLOCK]) -> Result<(String, u64)> {
    let field = |from: usize, to: usize| {
        let field = block.get(from..to).unwrap_or_default();
        field.split(|byte| *byte == 0).next().unwrap_or_default()
    };
    ensure!(field(257, 262) == b"ustar", "not a tar archive");
    let name = whole_name(field(345, 500), field(0, 100)).context("a name is not text")?;
    let size = std::str::from_utf8(field(124, 136)).context("a size is not a number")?;
    let size = u64::from_str_radix(size.trim(), 8).context("a size is not a number")?;
    Ok((name, size))
}

/// A name whose first folders may lie in a field of their own.
pub(crate) fn whole_name(folders: &[u8], rest: &[u8]) -> Option<String> {
    let (folders, rest) = (std::str::from_utf8(folders), std::str::from_utf8(rest));
    Some(match (folders.ok()?, rest.ok()?) {
        ("", rest) => rest.to_owned(),
        (folders, rest) => format!("{folders}/{rest}"),
    })
}

/// Every member but the manifest is in the manifest, with its digest, and nothing else is.
pub(crate) fn compare(members: &[Member]) -> Result<()> {
    let manifest = members.iter().find(|member| member.name == MANIFEST);
    let manifest = manifest.and_then(|member| member.content.as_deref());
    let manifest = Json::parse(manifest.context("there is no manifest.json")?)?;
    let files = manifest.get("files").and_then(Json::as_array);
    let mut named = BTreeMap::new();
    for file in files.context("manifest.json lists no files")? {
        let text = |name: &str| file.get(name).and_then(Json::as_str);
        let name = text("name").context("manifest.json has a file without a name")?;
        named.insert(name, text("sha256").unwrap_or_default());
    }
    for member in members.iter().filter(|member| member.name != MANIFEST) {
        let name = member.name.as_str();
        let digest = named.remove(name);
        let digest = digest.with_context(|| format!("{name} is not in manifest.json"))?;
        ensure!(
            digest == member.digest,
            "{name} is {}, manifest.json says {digest}",
            member.digest
        );
    }
    let missing: Vec<&str> = named.into_keys().collect();
    ensure!(missing.is_empty(), "missing: {}", missing.join(", "));
    Ok(())
}
