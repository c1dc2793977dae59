//! Policies to start from, each with the scenarios that show what it does.

/// Policies to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Its policies, as Cedar.
    pub policies: &'static str,
    /// Its scenarios, as JSON.
    pub scenarios: &'static str,
}

macro_rules! template {
    ($name:literal, $summary:literal) => {
        Template {
            name: $name,
            summary: $summary,
            policies: include_str!(concat!("../rules/templates/", $name, "/policies.cedar")),
            scenarios: include_str!(concat!("../rules/templates/", $name, "/scenarios.json")),
        }
    };
}

/// Every template; the first is what a workspace has before it brings its own bundle.
pub const TEMPLATES: [Template; 9] = [
    template!("default", "nothing beyond the baseline"),
    template!(
        "four-eyes-live",
        "every change in live needs a second person"
    ),
    template!("revoke-two", "taking access away in live needs two people"),
    template!(
        "no-owner-approval",
        "whoever made a key does not approve what it proposes"
    ),
    template!("big-by-hand", "large amounts are repaired by hand"),
    template!("old-incidents", "old incidents need an approval"),
    template!("no-machine-revoke", "machines never take access away"),
    template!("no-break-glass", "there is no break-glass"),
    template!("no-approver-keys", "no key approves as a person"),
];
