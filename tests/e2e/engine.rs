//! Which functions judge: nothing else has the policy engine in it, whatever the crates depend on.

use std::collections::BTreeSet;

use counterfoil_local::{FUNCTIONS, Functions};

use super::stage::progress;

/// In the symbols of whatever evaluates a policy, in either of the compiler's ways of naming them.
const ENGINE: &[u8] = b"cedar_policy_core9evaluator";

/// ARCHITECTURE.md, "Who may depend on whom": only these four link the policy engine.
#[test]
fn only_functions_that_judge_link_the_engine() {
    // What is deployed is stripped of them.
    let built = Functions::with_symbols(&progress).unwrap();
    let linked = FUNCTIONS.into_iter().filter(|name| {
        let bytes = std::fs::read(&built[*name]).unwrap();
        memchr::memmem::find(&bytes, ENGINE).is_some()
    });
    let linked: BTreeSet<&str> = linked.collect();
    let judging = BTreeSet::from(["api", "export", "mcp", "repair-approve"]);
    assert_eq!(linked, judging);
}
