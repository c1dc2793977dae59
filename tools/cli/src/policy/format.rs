//! Canonical text: how the engine's own formatter writes a policy. Two people who write the same rule
//! have the same bytes then, and a comparison of two bundles shows what is different.

use std::fs;

use anyhow::{Context as _, Result};
use cedar_policy_formatter::{Config, policies_str_to_pretty};
use counterfoil_policy::check::{Finding, Severity};

use super::folder::Folder;

/// The canonical text; `None` of what the formatter cannot read or would not leave as it means.
pub(super) fn canonical(text: &str) -> Option<String> {
    policies_str_to_pretty(text, &Config::default()).ok()
}

/// Policies that are written in another way, with how they would be written.
fn others(folder: &Folder) -> Vec<(String, String)> {
    let policies = folder.policies().into_iter();
    let others = policies.filter_map(|(path, text)| {
        let wanted = canonical(text).filter(|wanted| wanted.trim() != text.trim())?;
        Some((path.to_owned(), wanted))
    });
    others.collect()
}

/// A warning for each of them, at the first line that would be another one.
pub(super) fn warnings(folder: &Folder) -> Vec<Finding> {
    let warning = |(path, wanted): (String, String)| {
        let text = folder.files.get(&path).map_or("", String::as_str);
        let both = text.lines().zip(wanted.lines());
        let same = both.take_while(|(is, wanted)| is == wanted).count();
        let detail = "this is not how the formatter writes it";
        let help = format!("counterfoil policy check {} --fix", folder.at.display());
        Finding {
            severity: Severity::Warning,
            line: same.saturating_add(1),
            excerpt: text.lines().nth(same).unwrap_or_default().to_owned(),
            ..Finding::whole(&path, detail, help)
        }
    };
    others(folder).into_iter().map(warning).collect()
}

/// Gives them their canonical text, in memory; their paths.
pub(super) fn format(folder: &mut Folder) -> Vec<String> {
    let others = others(folder);
    let paths = others.iter().map(|(path, _)| path.clone()).collect();
    folder.files.extend(others);
    paths
}

/// Writes some of the files.
///
/// # Errors
/// When one cannot be written.
pub(super) fn write(folder: &Folder, paths: &[String]) -> Result<()> {
    for path in paths {
        let (file, text) = (folder.at.join(path), folder.files.get(path));
        let text = text.map_or("", String::as_str);
        fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
