//! Which functions judge: nothing else has the policy engine in it, whatever the crates depend on.

use std::collections::BTreeSet;

use counterfoil_local::{FUNCTIONS, Functions};

use super::stage::progress;

/// In the symbols of whatever evaluates a policy, in either of the compiler's ways of naming them.
const ENGINE: &[u8] = b"cedar_policy_core9evaluator";

/// ARCHITECTURE.md, "Who may depend on whom": only these four link the policy engine.
#[test]
fn only_functions_that_judge_link_the_engine() {
    let built = Functions::build(&progress).unwrap();
    assert_eq!(built.len(), FUNCTIONS.len());
    // What is deployed is stripped; what it is made of lies beside the tests.
    let here = std::env::current_exe().unwrap();
    let folder = here.parent().unwrap().parent().unwrap();
    let mut linked = BTreeSet::new();
    for name in FUNCTIONS {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        if memchr::memmem::find(&bytes, ENGINE).is_some() {
            linked.insert(name);
        }
    }
    let judging = BTreeSet::from(["api", "export", "mcp", "repair-approve"]);
    assert_eq!(linked, judging);
}
