//! Last, by its name: the calls that the functions made in the whole run, beside infra/rights.csv.
//! Every call has a row, and every row was needed, except where it says why not.
//!
//! With a filter only the first half is looked at: what was left out cannot have been called.

use std::collections::BTreeSet;
use std::env;
use std::fs;

use serde::Deserialize;

use super::roles::SESSION;
use super::stage::stage;
use crate::rights::{Right, rights};

/// A line of [`counterfoil_local::Emulator::calls_path`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Call {
    role: String,
    action: String,
    resource: String,
    family: Option<String>,
    purpose: Option<String>,
    prefix: Option<String>,
    allowed: bool,
}

impl Call {
    /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`.
    fn role(&self) -> (&str, &str) {
        let (_, role) = self.role.split_once(":assumed-role/").unwrap();
        role.split_once('/').unwrap()
    }

    /// Name of the binary that has the role `<stack>-ApiFunctionRole-<suffix>`.
    fn function(&self) -> String {
        let name = logical(self.role().0);
        let name = name.strip_suffix("Role").unwrap();
        let name = name.strip_suffix("Function").unwrap_or(name);
        let mut kebab = String::new();
        for letter in name.chars() {
            if letter.is_ascii_uppercase() && !kebab.is_empty() {
                kebab.push('-');
            }
            kebab.push(letter.to_ascii_lowercase());
        }
        kebab
    }

    /// What the template calls the resource, in lower case: names of buckets have no other.
    fn resource(&self) -> String {
        let (service, _) = self.action.split_once(':').unwrap();
        if service == "kms" {
            let seals = ["kms:Sign", "kms:GetPublicKey"].contains(&self.action.as_str());
            return if seals { "sealkey" } else { "secretskey" }.to_owned();
        }
        let name = self.resource.splitn(6, ':').last().unwrap();
        let name = name.strip_prefix("table/").unwrap_or(name);
        let name = name.strip_prefix("function:").unwrap_or(name);
        let (own, rest) = name
            .split_once('/')
            .map_or((name, None), |(own, rest)| (own, Some(rest)));
        let own = logical(own).to_lowercase();
        rest.map_or_else(|| own.clone(), |rest| format!("{own}/{rest}"))
    }

    fn value(&self) -> Option<&str> {
        let values = [&self.family, &self.purpose, &self.prefix];
        values.into_iter().find_map(Option::as_deref)
    }

    fn needs(&self, right: &Right) -> bool {
        let same = Right {
            resource: right.resource.to_lowercase(),
            ..right.clone()
        };
        right.function == self.function()
            && same.covers(&self.action, &self.resource(), self.value())
    }
}

/// `counterfoil-State-9D117C80B4BAD` or `counterfoil-<account>-State-9D117C80B4BAD` is `State`.
fn logical(name: &str) -> &str {
    let (rest, _) = name.rsplit_once('-').unwrap_or((name, ""));
    rest.rsplit_once('-').map_or(rest, |(_, own)| own)
}

fn calls() -> BTreeSet<Call> {
    let text = fs::read_to_string(stage().cloud.emulator.calls_path()).unwrap_or_default();
    let calls = text
        .lines()
        .map(|line| serde_json::from_str::<Call>(line).unwrap());
    calls
        .filter(|call| call.role.contains(":assumed-role/") && call.role().1 != SESSION)
        .collect()
}

/// Whether every test of this binary was asked for.
fn complete() -> bool {
    let harmless = |argument: &String| {
        let known = [
            "--nocapture",
            "--no-capture",
            "--show-output",
            "--quiet",
            "-q",
        ];
        known.contains(&argument.as_str())
            || argument.starts_with("--test-threads")
            || argument.bytes().all(|byte| byte.is_ascii_digit())
    };
    env::args().skip(1).all(|argument| harmless(&argument))
}

#[test]
fn the_calls_of_the_whole_run_are_the_rights_of_the_table() {
    let stage = stage();
    stage.wait_for_the_others();
    let (calls, rights) = (calls(), rights());
    let mut wrong = Vec::new();
    for call in &calls {
        let (_, session) = call.role();
        if !call.allowed {
            wrong.push(format!(
                "{session} was refused {} on {} {:?}",
                call.action,
                call.resource(),
                call.value()
            ));
        } else if !rights.iter().any(|right| call.needs(right)) {
            wrong.push(format!(
                "no row: {session} {} on {} {:?}",
                call.action,
                call.resource(),
                call.value()
            ));
        }
    }
    if complete() {
        for right in rights.iter().filter(|right| right.unseen.is_empty()) {
            let used: Vec<&Call> = calls.iter().filter(|call| call.needs(right)).collect();
            let Right {
                function, resource, ..
            } = right;
            for action in &right.actions {
                if !used.iter().any(|call| call.action == *action) {
                    wrong.push(format!(
                        "never: {function} {action} on {resource} {:?}",
                        right.only
                    ));
                }
            }
            let conditional = ["families", "purposes", "prefixes"];
            let asks = right
                .only
                .first()
                .is_some_and(|kind| conditional.contains(&kind.as_str()));
            for pattern in right.values().iter().filter(|_| asks) {
                let hit = |call: &&&Call| {
                    call.value()
                        .is_some_and(|it| crate::rights::like(pattern, it))
                };
                if !used.iter().any(|call| hit(&call)) {
                    wrong.push(format!("never: {function} on {resource} {pattern}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} calls\n{}",
        wrong.len(),
        calls.len(),
        wrong.join("\n")
    );
}
