//! What an empty installation answers.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::stage::stage;
use super::{STREAM, Says, files, says, text};

/// Requests to `api`.
const OF_API: [&str; 78] = [
    "find-run-evidence",
    "read-flow",
    "register-flow",
    "open-run",
    "complete-run",
    "preview-decision",
    "read-decision",
    "list-projects",
    "make-project",
    "read-project",
    "change-project",
    "read-me",
    "list-workspaces",
    "found-workspace",
    "read-workspace",
    "rename-workspace",
    "list-members",
    "read-member",
    "change-member",
    "remove-member",
    "list-invitations",
    "make-invitation",
    "revoke-invitation",
    "accept-invitation",
    "list-keys",
    "make-key",
    "read-key",
    "revoke-key",
    "rotate-key",
    "list-connections",
    "connect",
    "disconnect",
    "list-mappings",
    "add-mapping",
    "read-mapping",
    "activate-mapping",
    "read-project-deletion",
    "delete-project",
    "confirm-project-deletion",
    "keep-project",
    "read-workspace-deletion",
    "delete-workspace",
    "confirm-workspace-deletion",
    "keep-workspace",
    "read-policy",
    "register-policy-key",
    "list-policy-bundles",
    "upload-policy-bundle",
    "read-policy-bundle",
    "activate-policy-bundle",
    "revoke-policy-bundle",
    "shadow-policy-bundle",
    "policy-bundle-impact",
    "acknowledge-incident",
    "ask-check",
    "ignore-incident",
    "list-entries",
    "list-incidents",
    "list-runs",
    "read-entry",
    "read-ledger",
    "read-customer",
    "read-incident",
    "reopen-incident",
    "change-retention",
    "change-schedule",
    "declare-lost",
    "erase-customer",
    "erase-run",
    "list-changes",
    "list-holds",
    "read-retention",
    "read-schedule",
    "read-webhook-health",
    "read-run",
    "reject-change",
    "release-hold",
    "set-hold",
];

/// Requests of people and keys to `repair-approve`.
const OF_REPAIRS: &[&str] = &[
    "approve",
    "cancel",
    "execute",
    "inbox",
    "not-authenticated",
    "override",
    "propose-for-incident",
    "propose-in-run",
    "read-action",
    "reject",
    "report-action",
    "review-override",
    "undo",
];

/// What an empty installation says to the files as they are: cleanly, that there is no such thing.
fn nothing_there() -> Vec<(&'static str, &'static str, Says)> {
    let status = |function, status, names: &[&'static str]| {
        let says = |name: &&'static str| (function, *name, Says::Status(status));
        names.iter().map(says).collect::<Vec<_>>()
    };
    let mut all = status(
        "stripe-webhook",
        404,
        &[
            "altered-body",
            "not-signed",
            "secret-being-rolled",
            "subscription-updated",
            "subscription-updated-base64",
            "thin-event",
        ],
    );
    all.extend(status("repair-approve", 401, OF_REPAIRS));
    all.extend(status("export", 401, &["create", "download", "read"]));
    all.extend(status("api", 401, &OF_API));
    all.extend(status("api", 200, &["read-login", "read-security"]));
    all.extend(status("mcp", 401, &["call-tool"]));
    all.extend(status("repair-approve", 401, &["propose-by-agent"]));
    all.extend(status("export", 401, &["by-agent"]));
    all.extend(status("mcp", 405, &["no-stream"]));
    all.extend(status("mcp", 200, &["read-metadata"]));
    let idle = json!({
        "holds_finished": 0, "erasures_finished": 0, "deleted": 0, "removed": 0, "put_off": 0,
        "pruned": 0, "objects_deleted": 0, "held": 0,
    });
    let not_a_request = json!([{ "itemIdentifier": "059f36b4-87a3-44ab-83d2-661970000012" }]);
    let none = |name| {
        let none = Says::Answer(json!({ "runs": [] }));
        ("scheduled-reconcile", name, none)
    };
    all.extend(["due", "scan", "incremental"].map(none));
    let ended = json!({ "expired": 0, "aborted": 0, "ended": 0 });
    all.push(("scheduled-reconcile", "runs", Says::Answer(ended)));
    let rewraps = ["repair-approve", "scheduled-reconcile", "stripe-webhook"];
    all.extend(rewraps.map(|function| {
        let nothing = json!({ "done": 0, "gone": 0, "more": false });
        (function, "rewrap", Says::Answer(nothing))
    }));
    let third = json!([{ "itemIdentifier": "059f36b4-87a3-44ab-83d2-661970000003" }]);
    let last = json!([{ "itemIdentifier": "059f36b4-87a3-44ab-83d2-661970000014" }]);
    all.extend([
        ("stripe-webhook", "from-event-bus", Says::Failed),
        ("repair-approve", "propose-by-scan", Says::Failed),
        (
            "repair-approve",
            "sweep",
            Says::Answer(json!({ "finished": 0, "left": 0, "projects_left": 0 })),
        ),
        (
            "scheduled-reconcile",
            "probe",
            Says::Answer(json!({ "probed": 0, "failed": 0, "recorded": 0 })),
        ),
        (
            "scheduled-reconcile",
            "check-customer",
            Says::Answer(json!({ "batchItemFailures": [] })),
        ),
        (
            "scheduled-reconcile",
            "probe-key",
            Says::Answer(json!({ "batchItemFailures": [] })),
        ),
        (
            "scheduled-reconcile",
            "check-batch",
            Says::Answer(json!({ "batchItemFailures": third })),
        ),
        (
            "scheduled-reconcile",
            "scan-pieces",
            Says::Answer(json!({ "batchItemFailures": last })),
        ),
        (
            "export",
            "request",
            Says::Answer(json!({ "batchItemFailures": not_a_request })),
        ),
        ("api", "retention", Says::Answer(idle)),
    ]);
    all.extend(archive());
    all
}

/// What the archive of an empty installation says.
fn archive() -> Vec<(&'static str, &'static str, Says)> {
    let sealed = || Says::Answer(json!({ "sealed": [] }));
    let refused = || {
        let refused = json!([{ "stream": STREAM, "cause": "item_changed" }]);
        Says::Answer(json!({ "sealed": [], "refused": refused }))
    };
    vec![
        ("archive", "entries-appended", sealed()),
        ("archive", "seal", sealed()),
        ("archive", "seal-stream", sealed()),
        ("archive", "rotate", Says::Failed),
        ("archive", "recheck", Says::Failed),
        ("archive", "entry-changed", refused()),
        ("archive", "entry-removed", refused()),
    ]
}

#[test]
fn an_empty_installation_answers_every_event_cleanly() {
    let stage = stage();
    let stack = stage.other_stack();
    stage.run(async {
        let expected = nothing_there();
        let named = expected
            .iter()
            .map(|(function, name, _)| ((*function).to_owned(), (*name).to_owned()));
        assert_eq!(named.collect::<BTreeSet<_>>(), files());
        for (function, name, expected) in expected {
            let event = serde_json::from_str(&text(function, name)).unwrap();
            let said = says(&stack, function, &event).await;
            assert_eq!(said, expected, "events/{function}/{name}.json");
        }
    });
}
