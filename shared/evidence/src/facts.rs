//! The schema of `facts`, kind by kind (evidence-format section 6).
//!
//! Further fields are allowed and ignored. An optional field that is there must have its type.

use crate::base64 as b64;
use crate::hash::{parse_digest, sha256};
use crate::header::is_run_id;
use crate::json::{View, is_key};
use crate::kind::Kind;

/// What is wrong: field and rule.
type Wrong = String;

pub(crate) fn check(kind: Kind, facts: View<'_>) -> Result<(), Wrong> {
    if facts.members().is_none() {
        return Err("not an object".to_owned());
    }
    let fields = Fields(facts);
    fields.optional("actor", "an object with type and id", is_party)?;
    match kind {
        Kind::Genesis => fields.required("descriptor", "an object", |v| v.members().is_some()),
        Kind::StreamClose => {
            fields.text("reason", 256)?;
            fields.optional("successor", HEX64, is_hash)
        }
        Kind::KeyRotate => key_rotate(&fields),
        Kind::Redact => redact(&fields),
        Kind::HoldSet => {
            fields.text("hold", 64)?;
            fields.required(
                "target",
                "all, a run, or a range with from below to",
                is_hold_target,
            )
        }
        Kind::HoldRelease => fields.text("hold", 64),
        Kind::ExportIssued => {
            fields.uint("from")?;
            fields.uint("to")
        }
        Kind::PolicyActivated => {
            policy(&fields)?;
            fields.optional("previous", DIGEST, is_digest)
        }
        Kind::PolicyRevoked => policy(&fields),
        Kind::RunOpen => run_open(&fields),
        Kind::RunDecision => run_decision(&fields),
        Kind::RunResolution => {
            fields.hash("decision")?;
            fields.text("approver", 128)?;
            fields.one_of("effect", &["ALLOW", "DENY"])?;
            fields.optional("override", "true or false", |v| v.as_bool().is_some())
        }
        Kind::RunAction => {
            action(&fields)?;
            fields.one_of("status", &["executed", "failed"])
        }
        Kind::RepairStarted | Kind::RepairExecuted | Kind::RepairFailed => action(&fields),
        Kind::RepairVerified => {
            fields.hash("repair")?;
            fields.one_of("result", &["match", "mismatch"])
        }
        Kind::RunClose => run_close(&fields),
        Kind::ObservationRecorded => observation(&fields),
        Kind::IncidentOpened
        | Kind::IncidentChanged
        | Kind::IncidentIgnored
        | Kind::IncidentResolved
        | Kind::AccessGranted
        | Kind::AccessChanged
        | Kind::AccessRevoked
        | Kind::ConfigChanged
        | Kind::SecretChanged
        | Kind::SnapshotPruned
        | Kind::ProjectDeleted
        | Kind::WorkspaceDeleted => {
            fields.required("actor", PARTY, is_party)?;
            fields.required("target", PARTY, is_party)
        }
    }
}

const HEX64: &str = "64 lower-case hexadecimal digits";
const DIGEST: &str = "sha256: and 64 lower-case hexadecimal digits";
const PARTY: &str = "an object with type (at most 64 characters) and id (at most 128)";
const FILES: &str = "at most 1024 objects of bytes, hash and ref";

fn key_rotate(fields: &Fields<'_>) -> Result<(), Wrong> {
    fields.hash("add")?;
    fields.hash("retire")?;
    fields.required("spki", "base64 of the key whose hash is add", |value| {
        let Some(der) = value.as_str().and_then(|text| b64::decode(&text).ok()) else {
            return false;
        };
        fields.0.get("add").and_then(View::as_hash) == Some(sha256(&der))
    })
}

fn redact(fields: &Fields<'_>) -> Result<(), Wrong> {
    fields.uint("seq")?;
    fields.one_of("part", &["subject"])?;
    fields.hash("entry")?;
    fields.hash("commit")?;
    fields.required("reason", "a lower-case word", |value| {
        value.as_str().is_some_and(|text| is_key(&text))
    })
}

fn policy(fields: &Fields<'_>) -> Result<(), Wrong> {
    fields.one_of("layer", &["baseline", "workspace"])?;
    fields.digest("bundle")
}

fn run_open(fields: &Fields<'_>) -> Result<(), Wrong> {
    fields.digest("flow")?;
    fields.digest("artifact")?;
    fields.required("policy_bundles", "at most 16 digests", |value| {
        value
            .items()
            .is_some_and(|items| all_of_at_most(16, items, is_digest))
    })?;
    fields.required("inputs", FILES, is_files)?;
    fields.optional("cause", "an object with entry and seq", |value| {
        value.get("entry").is_some_and(is_hash) && value.get("seq").is_some_and(is_uint)
    })?;
    fields.optional("prior_run", HEX64, is_hash)
}

fn run_decision(fields: &Fields<'_>) -> Result<(), Wrong> {
    fields.text("action", 64)?;
    fields.digest("action_hash")?;
    fields.one_of("effect", &["ALLOW", "REQUIRE", "DENY"])?;
    fields.digest("policy")?;
    fields.digest("baseline")?;
    fields.text("rule", 256)?;
    fields.text("reason", 2048)?;
    fields.optional("approvals", "a number from 1 to 9", |value| {
        value
            .as_uint()
            .is_some_and(|count| (1..=9).contains(&count))
    })
}

fn action(fields: &Fields<'_>) -> Result<(), Wrong> {
    fields.hash("decision")?;
    fields.digest("action_hash")
}

fn run_close(fields: &Fields<'_>) -> Result<(), Wrong> {
    for count in [
        "decisions",
        "allow",
        "require",
        "deny",
        "unresolved",
        "overrides",
    ] {
        fields.uint(count)?;
    }
    fields.required("outputs", FILES, is_files)?;
    fields.one_of("status", &["completed", "failed", "aborted", "expired"])
}

fn observation(fields: &Fields<'_>) -> Result<(), Wrong> {
    fields.required("topic", "lower-case words joined by dots", |value| {
        value
            .as_str()
            .is_some_and(|topic| topic.len() <= 64 && topic.split('.').all(is_key))
    })?;
    fields.one_of("result", &["ok", "warning", "alarm"])?;
    fields.required("target", PARTY, is_party)?;
    fields.optional("decision", HEX64, is_hash)
}

struct Fields<'a>(View<'a>);

impl Fields<'_> {
    fn required(&self, name: &str, rule: &str, is: impl Fn(View<'_>) -> bool) -> Result<(), Wrong> {
        match self.0.get(name) {
            Some(value) if is(value) => Ok(()),
            Some(_) => Err(format!("{name} must be {rule}")),
            None => Err(format!("{name} is missing; it must be {rule}")),
        }
    }

    fn optional(&self, name: &str, rule: &str, is: impl Fn(View<'_>) -> bool) -> Result<(), Wrong> {
        match self.0.get(name) {
            Some(value) if !is(value) => Err(format!("{name} must be {rule}")),
            _ => Ok(()),
        }
    }

    fn text(&self, name: &str, most: usize) -> Result<(), Wrong> {
        match self.0.get(name) {
            Some(value) if is_text(value, most) => Ok(()),
            _ => self.required(
                name,
                &format!("a string of 1 to {most} characters"),
                |value| is_text(value, most),
            ),
        }
    }

    fn uint(&self, name: &str) -> Result<(), Wrong> {
        self.required(name, "a number that is not negative", is_uint)
    }

    fn hash(&self, name: &str) -> Result<(), Wrong> {
        self.required(name, HEX64, is_hash)
    }

    fn digest(&self, name: &str) -> Result<(), Wrong> {
        self.required(name, DIGEST, is_digest)
    }

    fn one_of(&self, name: &str, words: &[&str]) -> Result<(), Wrong> {
        let is = |value: View<'_>| {
            value
                .as_str()
                .is_some_and(|text| words.contains(&text.as_ref()))
        };
        match self.0.get(name) {
            Some(value) if is(value) => Ok(()),
            _ => self.required(name, &format!("one of {}", words.join(", ")), is),
        }
    }
}

fn is_text(value: View<'_>, most: usize) -> bool {
    value.as_str().is_some_and(|text| {
        !text.is_empty() && (text.len() <= most || text.chars().count() <= most)
    })
}

fn is_uint(value: View<'_>) -> bool {
    value.as_uint().is_some()
}

fn is_hash(value: View<'_>) -> bool {
    value.as_hash().is_some()
}

fn is_digest(value: View<'_>) -> bool {
    value
        .as_str()
        .is_some_and(|text| parse_digest(&text).is_some())
}

fn is_party(value: View<'_>) -> bool {
    value.get("type").is_some_and(|kind| is_text(kind, 64))
        && value.get("id").is_some_and(|id| is_text(id, 128))
}

fn is_files(value: View<'_>) -> bool {
    value
        .items()
        .is_some_and(|items| all_of_at_most(1024, items, is_file))
}

fn all_of_at_most<'a>(
    most: usize,
    items: impl Iterator<Item = View<'a>>,
    is: impl Fn(View<'a>) -> bool,
) -> bool {
    items
        .enumerate()
        .all(|(index, item)| index < most && is(item))
}

fn is_file(value: View<'_>) -> bool {
    value.members() == Some(3)
        && value.get("bytes").is_some_and(is_uint)
        && value.get("hash").is_some_and(is_digest)
        && value.get("ref").is_some_and(|name| is_text(name, 512))
}

fn is_hold_target(value: View<'_>) -> bool {
    let uint = |name| value.get(name).and_then(View::as_uint);
    match value.members() {
        Some(1) => {
            value.get("all").and_then(View::as_bool) == Some(true)
                || value
                    .get("run")
                    .and_then(View::as_str)
                    .is_some_and(|id| is_run_id(&id))
        }
        Some(2) => uint("from")
            .zip(uint("to"))
            .is_some_and(|(from, to)| from < to),
        _ => false,
    }
}
