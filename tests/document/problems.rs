//! Every type of problem: its status here, its words from docs/problems.md.

use std::path::Path;

/// A type of problem.
pub(super) struct ProblemType {
    pub(super) code: String,
    pub(super) status: u16,
    /// When it comes.
    pub(super) when: String,
}

const STATUSES: &[(u16, &[&str])] = &[
    (
        400,
        &[
            "invalid-request",
            "idempotency-key-missing",
            "credential-in-url",
            "delivery-refused",
        ],
    ),
    (
        401,
        &["unauthenticated", "insufficient_user_authentication"],
    ),
    (
        403,
        &["capability-missing", "action-denied", "insufficient-scope"],
    ),
    (404, &["not-found"]),
    (405, &["method-not-allowed"]),
    (
        409,
        &[
            "project-incomplete",
            "action-held",
            "wrong-state",
            "scan-needed",
            "incident-changed",
            "legal-hold",
            "run-open",
            "run-has-open-actions",
            "action-stale",
            "not-measured",
            "export-not-ready",
            "export-failed",
            "already-created",
            "idempotency-in-flight",
        ],
    ),
    (410, &["hold-expired", "erased", "export-expired"]),
    (412, &["precondition-failed"]),
    (413, &["body-too-large"]),
    (415, &["unsupported-media-type"]),
    (
        422,
        &[
            "idempotency-key-reused",
            "connection-refused",
            "mapping-invalid",
            "policy-invalid",
        ],
    ),
    (428, &["precondition-required"]),
    (429, &["rate-limited"]),
    (500, &["internal"]),
    (
        503,
        &["evidence-unavailable", "outcome-unknown", "not-finished"],
    ),
];

/// All of them, in the order of the page.
pub(super) fn problems() -> Vec<ProblemType> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/problems.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut lines = page.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(code) = line.strip_prefix("### ") else {
            continue;
        };
        let text = lines.next().unwrap();
        let (first, _) = text
            .split_once(". ")
            .unwrap_or((text.trim_end_matches('.'), ""));
        found.push(ProblemType {
            code: code.to_owned(),
            status: status(code),
            when: first.trim_end_matches('.').to_owned(),
        });
    }
    assert!(found.len() > 20, "{}", found.len());
    found
}

fn status(code: &str) -> u16 {
    let known = STATUSES.iter().find(|(_, codes)| codes.contains(&code));
    known
        .unwrap_or_else(|| panic!("which status has {code}?"))
        .0
}
