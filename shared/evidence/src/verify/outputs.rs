//! Step 16: files that were given are the outputs that a run recorded.

use super::Evidence;
use crate::code::{Code, Fault};

pub(super) fn check(evidence: &Evidence<'_>) -> Result<(), Fault> {
    let given = evidence.trust.outputs.iter();
    match given
        .zip(&evidence.entries.outputs)
        .find(|(_, found)| !**found)
    {
        Some(((name, _), _)) => {
            let what = format!("the file given for {name} is not an output of a run");
            Err(Fault::new(Code::OutputHash, what))
        }
        None => Ok(()),
    }
}
