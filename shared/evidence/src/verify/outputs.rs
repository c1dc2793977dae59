//! Step 16: files that were given are the outputs that a run recorded.

use super::Evidence;
use crate::code::{Code, Fault};
use crate::hash::{Hash, parse_digest};
use crate::json::Json;
use crate::kind::Kind;

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), Fault> {
    for (name, digest) in &evidence.trust.outputs {
        if !recorded(evidence, name).any(|recorded| recorded == *digest) {
            let what = format!("the file given for {name} is not an output of a run");
            return Err(Fault::new(Code::OutputHash, what));
        }
    }
    Ok(())
}

fn recorded<'a>(evidence: &'a Evidence<'_>, name: &'a str) -> impl Iterator<Item = Hash> + 'a {
    let closes = evidence
        .entries
        .iter()
        .filter(|item| item.header.kind == Kind::RunClose);
    let outputs = closes
        .filter_map(|item| item.facts.get("outputs")?.as_array())
        .flatten();
    outputs
        .filter(move |output| output.get("ref").and_then(Json::as_str) == Some(name))
        .filter_map(|output| {
            output
                .get("hash")
                .and_then(Json::as_str)
                .and_then(parse_digest)
        })
}
