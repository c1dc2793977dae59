//! Headers of answers: what each says, and which answers have it.

use serde_json::{Map, Value, json};

/// What of a route its headers depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Takes no credential.
    pub(super) open: bool,
    /// Takes an `Idempotency-Key`.
    pub(super) once: bool,
    /// May make a decision.
    pub(super) judged: bool,
}

impl Kind {
    /// Answers that many routes share.
    pub(super) const ANY: Self = Self {
        open: false,
        once: true,
        judged: true,
    };
}

/// Name of the header, of its component, and what it says.
const HEADERS: [(&str, &str, &str); 10] = [
    (
        "X-Request-Id",
        "RequestId",
        "Names this request in our logs",
    ),
    (
        "RateLimit-Policy",
        "RateLimitPolicy",
        "Requests that the credential may make in 60 seconds",
    ),
    (
        "RateLimit",
        "RateLimit",
        "Requests that are left, and seconds until the quota is whole again",
    ),
    (
        "Retry-After",
        "RetryAfter",
        "Seconds until it is worth another try",
    ),
    (
        "Idempotent-Replayed",
        "IdempotentReplayed",
        "`true` when the key came before, and its answer comes again",
    ),
    (
        "Counterfoil-Decision",
        "Decision",
        "The decision that was made",
    ),
    (
        "Counterfoil-Policy",
        "Policy",
        "Digest of the policy that made it",
    ),
    ("ETag", "ETag", "Version of the record, for `If-Match`"),
    ("Location", "Location", "Where to look for it"),
    (
        "WWW-Authenticate",
        "WwwAuthenticate",
        "What to send, and how old a sign-in may be (RFC 9470)",
    ),
];

/// Answers that have it always have it.
const ALWAYS: [&str; 4] = ["RequestId", "ETag", "Location", "WwwAuthenticate"];

fn schema(component: &str) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match component {
        "RequestId" => text("^[!-~]{1,128}$"),
        "RateLimitPolicy" => text("^\"credential\";q=[0-9]+;w=60$"),
        "RateLimit" => text("^\"credential\";r=[0-9]+;t=[0-9]+$"),
        "RetryAfter" => json!({ "type": "integer", "minimum": 0 }),
        "IdempotentReplayed" => json!({ "type": "string", "enum": ["true"] }),
        "Decision" => json!({ "$ref": "#/components/schemas/DecisionId" }),
        "Policy" => text("^sha256:[0-9a-f]{64}$"),
        "ETag" => text("^\"[0-9]{1,19}\"$"),
        "Location" => text("^/v1/"),
        "WwwAuthenticate" => text("^Bearer"),
        other => panic!("{other} has no schema"),
    }
}

pub(super) fn components() -> Value {
    let made = HEADERS.map(|(_, component, description)| {
        let header = json!({
            "description": description,
            "required": ALWAYS.contains(&component),
            "schema": schema(component),
        });
        (component.to_owned(), header)
    });
    Value::Object(made.into_iter().collect())
}

/// Adds what answers with this status have; what the route says of itself must be one of [`HEADERS`].
pub(super) fn complete(headers: &mut Map<String, Value>, status: &str, of: Kind) {
    let mut names: Vec<String> = headers.keys().cloned().collect();
    names.extend(by_status(status, of).map(str::to_owned));
    for name in names {
        let known = HEADERS.iter().find(|(known, _, _)| *known == name);
        let (_, component, _) = known.unwrap_or_else(|| panic!("which header is {name}?"));
        let reference = format!("#/components/headers/{component}");
        headers.insert(name, json!({ "$ref": reference }));
    }
}

fn by_status(status: &str, of: Kind) -> impl Iterator<Item = &'static str> {
    let kept = status.starts_with('2')
        || ["400", "403", "404", "409", "410", "412", "422"].contains(&status);
    let decided =
        status.starts_with('2') || ["401", "403", "409", "410", "412", "503"].contains(&status);
    let table = [
        ("X-Request-Id", true),
        // What is absent looks alike to the last header.
        ("RateLimit-Policy", !of.open && status != "404"),
        ("RateLimit", !of.open && status != "404"),
        ("Retry-After", ["409", "429", "503"].contains(&status)),
        ("Idempotent-Replayed", of.once && kept),
        ("Counterfoil-Decision", of.judged && decided),
        ("Counterfoil-Policy", of.judged && decided),
        ("WWW-Authenticate", status == "401"),
    ];
    table
        .into_iter()
        .filter_map(|(name, has)| has.then_some(name))
}
