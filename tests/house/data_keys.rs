//! Wrapped data keys lie in `ws_...#prj_...#<purpose>`: a role reaches those that it may open.

use std::collections::BTreeSet;

use super::rights::{Right, rights};

/// Purposes that a function's rights on a resource name.
fn purposes(function: &str, resource: &str, of: impl Fn(&Right) -> bool) -> BTreeSet<String> {
    let own = |right: &Right| right.function == function && right.resource == resource;
    let rights = rights().into_iter().filter(|right| own(right) && of(right));
    let values = rights.flat_map(|right| right.only.into_iter().skip(1));
    let purpose = |value: String| value.strip_prefix("ws_*#").unwrap_or(&value).to_owned();
    values.map(purpose).collect()
}

fn may(action: &'static str) -> impl Fn(&Right) -> bool {
    move |right| right.actions.iter().any(|found| found == action)
}

#[test]
fn a_function_reaches_the_data_keys_of_the_purposes_that_it_opens_and_no_others() {
    for function in [
        "stripe-webhook",
        "scheduled-reconcile",
        "repair-approve",
        "export",
        "mcp",
    ] {
        let bound = |right: &Right| {
            right.function != function || right.resource != "DataKeys" || !right.only.is_empty()
        };
        assert!(rights().iter().all(bound), "{function}");
        let opens = purposes(function, "SecretsKey", |_| true);
        assert!(!opens.is_empty(), "{function}");
        assert_eq!(
            purposes(function, "DataKeys", |_| true),
            opens,
            "{function}"
        );
    }
}

/// Who overwrites a wrapped key destroys it: one function per purpose of a credential, the one that
/// wraps it anew.
#[test]
fn the_data_keys_of_a_credential_are_wrapped_anew_by_one_function_per_purpose() {
    let wraps = [
        ("stripe-webhook", vec!["webhook"]),
        ("scheduled-reconcile", vec!["pseudonym", "read"]),
        ("repair-approve", vec!["repair"]),
        ("export", vec![]),
        ("api", vec![]),
        ("mcp", vec![]),
        ("archive", vec![]),
    ];
    for (function, expected) in wraps {
        let encrypts = purposes(function, "SecretsKey", may("kms:Encrypt"));
        assert_eq!(encrypts.iter().collect::<Vec<_>>(), expected, "{function}");
        let mut puts = purposes(function, "DataKeys", may("dynamodb:PutItem"));
        puts.remove("snapshot");
        assert_eq!(puts, encrypts, "{function}");
    }
    assert!(
        !rights()
            .iter()
            .any(|right| right.actions.iter().any(|it| it.contains("ReEncrypt")))
    );
}
