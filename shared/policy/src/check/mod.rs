//! Whether policies are good: what an author is told before anything is activated.
//!
//! Parsing, what every rule says about itself, and types, strictly, against the schema: all findings at
//! once. Then the bundle's own tests ([`answers()`]). [`Claim`] does all of it for a signed bundle that
//! somebody brings. Every finding says what to do.

mod answers;
mod claim;
mod finding;
mod form;
mod hint;
mod listing;
mod lockout;
mod place;
mod rules;
pub mod scenario;
mod spans;
mod types;

pub use answers::{Answer, answers, untested};
pub use claim::{Checked, Claim};
pub use finding::{Finding, Severity};
pub use listing::read;
pub use lockout::locks_out;
pub use place::of_rule;

use crate::effect::LayerName;
use crate::layer::Layer;

/// Checks the policies of a layer, `(path, text)`. What is returned beside a layer are warnings.
///
/// # Errors
/// Everything that is wrong with them, and what is to be looked at. Nothing is said of the types of a
/// file that cannot be parsed.
pub fn check(
    name: LayerName,
    digest: &str,
    version: u64,
    files: &[(&str, &str)],
) -> Result<(Layer, Vec<Finding>), Vec<Finding>> {
    let (placed, mut findings) = rules::rules(name, files);
    findings.extend(types::types(name, &placed));
    let mut findings = once_each(findings);
    let fatal = |finding: &Finding| finding.severity == Severity::Error;
    if findings.iter().any(fatal) {
        return Err(findings);
    }
    match Layer::of(name, digest, version, files) {
        Ok(layer) => Ok((layer, findings)),
        Err(error) => {
            let help = "this is a mistake of the product: report it with the file";
            findings.push(Finding::whole("", error.to_string(), help));
            Err(findings)
        }
    }
}

/// In the order of the files. What the engine says for each action anew is said once.
fn once_each(mut findings: Vec<Finding>) -> Vec<Finding> {
    fn key(it: &Finding) -> (&str, usize, usize, &str) {
        let what = it.detail.split(" in context for ").next();
        (&it.file, it.offset, it.length, what.unwrap_or_default())
    }
    findings.sort_by(|one, other| (&one.file, one.offset).cmp(&(&other.file, other.offset)));
    let mut once: Vec<(Finding, usize)> = Vec::new();
    for finding in findings {
        let same = |(it, _): &&mut (Finding, usize)| key(it) == key(&finding);
        match once.iter_mut().rev().find(same) {
            Some((first, _)) if first.detail == finding.detail => {}
            Some((first, more)) => {
                *more = more.saturating_add(1);
                // Which action the engine comes to first is left to chance.
                first.detail = finding.detail.min(std::mem::take(&mut first.detail));
            }
            None => once.push((finding, 0)),
        }
    }
    let told = once.into_iter().map(|(mut finding, more)| {
        if more > 0 {
            finding.detail = format!("{}, and for {more} more", finding.detail);
        }
        finding
    });
    told.collect()
}
