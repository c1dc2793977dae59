//! Whether policies are good: what an author is told before anything is activated.
//!
//! Parsing, what every rule says about itself, and types, strictly, against the schema: all findings at
//! once. Then the bundle's own tests ([`answers()`]). [`Claim`] does all of it for a signed bundle that
//! somebody brings. Every finding says what to do.

mod answers;
mod claim;
mod finding;
mod form;
mod found;
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

use found::Found;

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
    let mut found = Found::default();
    let placed = rules::rules(name, files, &mut found);
    types::types(name, &placed, &mut found);
    if !found.is_good() {
        return Err(found.list());
    }
    match Layer::of(name, digest, version, files) {
        Ok(layer) => Ok((layer, found.list())),
        Err(error) => {
            let help = "this is a mistake of the product: report it with the file";
            found.error(|| Finding::whole("", error.to_string(), help));
            Err(found.list())
        }
    }
}
