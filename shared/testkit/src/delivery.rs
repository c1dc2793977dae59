//! The outer archive of a delivery (evidence-format section 12.5), as its receiver unpacks it.

use std::collections::BTreeMap;

use counterfoil_core::evidence::hash::digest_string;
use counterfoil_core::evidence::json::Json;

const BLOCK: usize = 512;

/// The members of an archive by name; `None` when it is not one, or has a name twice.
pub fn unpack(archive: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut members = BTreeMap::new();
    let mut rest = archive;
    while rest.iter().any(|byte| *byte != 0) {
        let (header, after) = rest.split_at_checked(BLOCK)?;
        let text = |from: usize, to: usize| {
            let field = header.get(from..to)?;
            let field = field.split(|byte| *byte == 0).next()?;
            String::from_utf8(field.to_vec()).ok()
        };
        let name = match text(345, 500)?.as_str() {
            "" => text(0, 100)?,
            folders => format!("{folders}/{}", text(0, 100)?),
        };
        let size = usize::from_str_radix(&text(124, 136)?, 8).ok()?;
        let content = after.get(..size)?.to_vec();
        if members.insert(name, content).is_some() {
            return None;
        }
        rest = after.get(size.next_multiple_of(BLOCK)..)?;
    }
    Some(members)
}

/// The manifest among `members`; `None` where it does not name exactly the others, each by its
/// digest.
pub fn manifest(members: &BTreeMap<String, Vec<u8>>) -> Option<Json> {
    let manifest = Json::parse(members.get("manifest.json")?).ok()?;
    let mut named = BTreeMap::new();
    for file in manifest.get("files")?.as_array()? {
        let text = |name: &str| Some(file.get(name)?.as_str()?.to_owned());
        named.insert(text("name")?, text("sha256")?);
    }
    let others = members.iter().filter(|(name, _)| *name != "manifest.json");
    let found: BTreeMap<String, String> = others
        .map(|(name, content)| (name.clone(), digest_string(content)))
        .collect();
    (named == found).then_some(manifest)
}
