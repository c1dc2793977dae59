//! The scenarios of a bundle, answered by the baseline and its rules; and where one is wrong.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::scenario::{Scenario, said};
use super::{Finding, form, spans};
use crate::closest::closest;
use crate::effect::{Effect, Failure};
use crate::layer::{Layer, Layers, baseline};
use crate::verdict::Verdict;

const FIELDS: &str = "a scenario has name, principal, action, resource and want, and may have why, context, entities and real";

/// Failures that scenarios can show.
const FAILURES: [Failure; 4] = [
    Failure::DefaultDeny,
    Failure::RequestInvalid,
    Failure::EngineError,
    Failure::NotMonotone,
];

/// A scenario and what it got.
#[derive(Debug)]
pub struct Answer {
    /// What was asked.
    pub scenario: Scenario,
    /// What came.
    pub verdict: Verdict,
    /// It is what was wanted.
    pub met: bool,
}

/// What every scenario of a bundle's tests, `(path, text)`, gets from a layer on top of the baseline;
/// and what is wrong with those that get another answer than they want, or none.
pub fn answers<'a>(
    layer: &Layer,
    tests: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> (Vec<Answer>, Vec<Finding>) {
    let mut answers = Vec::new();
    let mut findings = Vec::new();
    for (file, text) in tests {
        let list = List { file, text };
        if let Some(broken) = list.broken() {
            findings.push(broken);
            continue;
        }
        let whole = spans::value(text, 0).unwrap_or_default();
        for one in spans::children(text, &whole) {
            match list.ask(layer, &one.value) {
                Ok(answer) => {
                    let wrong = (!answer.met).then(|| list.other(layer, &one.value, &answer));
                    findings.extend(wrong);
                    answers.push(answer);
                }
                Err(faults) => findings.extend(faults),
            }
        }
    }
    (answers, findings)
}

/// What is wrong with a bundle without scenarios.
pub fn untested() -> Finding {
    Finding::whole(
        "",
        "there is no scenario that says what the rules are for",
        "write at least one into tests/NAME.json; `counterfoil policy new` writes some to start from",
    )
}

/// A file of a bundle's tests.
struct List<'a> {
    file: &'a str,
    text: &'a str,
}

impl List<'_> {
    fn broken(&self) -> Option<Finding> {
        let what = "not a list of scenarios";
        let help =
            "a file of tests is JSON: a list, [...], of scenarios, {...}, with a comma between two";
        if let Some(broken) = form::broken(self.file, self.text, what, help) {
            return Some(broken);
        }
        let error = serde_json::from_str::<Vec<IgnoredAny>>(self.text).err()?;
        let whole = spans::value(self.text, 0).unwrap_or_default();
        let detail = format!("{what}: {}", spans::said(&error));
        Some(self.at(whole, detail, help))
    }

    fn at(
        &self,
        place: Range<usize>,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Finding {
        Finding::at(self.file, self.text, place, detail, help)
    }

    /// Asks the scenario at `within`.
    fn ask(&self, layer: &Layer, within: &Range<usize>) -> Result<Answer, Vec<Finding>> {
        let (scenario, faults) = form::read::<Scenario>(self.text, within, &model());
        let mut findings: Vec<Finding> = faults
            .into_iter()
            .map(|fault| fault.finding(self.file, self.text, FIELDS))
            .collect();
        let Some(scenario) = scenario.filter(|_| findings.is_empty()) else {
            return Err(findings);
        };
        match scenario.ask(on_top(layer)) {
            Ok(verdict) => Ok(Answer {
                met: scenario.is_met(&verdict),
                scenario,
                verdict,
            }),
            Err(faults) => {
                findings.extend(faults.into_iter().map(|fault| {
                    let place = spans::at(self.text, within.clone(), &fault.path());
                    self.at(place, fault.to_string(), fault.help())
                }));
                Err(findings)
            }
        }
    }

    /// That the scenario at `within` gets another answer than it wants.
    fn other(&self, layer: &Layer, within: &Range<usize>, answer: &Answer) -> Finding {
        let Scenario {
            name, want, why, ..
        } = &answer.scenario;
        let (got, rule) = (said(&answer.verdict), &answer.verdict.rule);
        let by = if why.is_empty() {
            String::new()
        } else {
            format!(" by {why}")
        };
        let detail = format!("{name}: wanted {want}{by}, got {got} by {rule}");
        let known = known(layer);
        let (field, help) = if !is_effect(want) {
            let help =
                "`want` is ALLOW, DENY, or REQUIRE with a number of approvals, as REQUIRE(1)";
            ("want", help.to_owned())
        } else if !why.is_empty() && !known.contains(&why.as_str()) {
            let help = match closest(why, known.into_iter()) {
                Some(near) => format!("no rule has the id {why}: write \"why\": \"{near}\""),
                None => {
                    format!("no rule has the id {why}: write \"why\": \"{rule}\", or leave it out")
                }
            };
            ("why", help)
        } else if *rule == Failure::RequestInvalid.rule() {
            let help = "the question does not fit the schema: who asks, what about, or a fact of `context` or `entities` is of another kind";
            ("name", help.to_owned())
        } else if got == *want {
            let help = format!(
                "write \"why\": \"{rule}\", or leave it out, if that rule may decide; otherwise change the rules"
            );
            ("why", help)
        } else {
            let help = format!(
                "`counterfoil policy explain` says why, rule by rule; write \"want\": \"{got}\" if that is right, or change the rules"
            );
            ("name", help)
        };
        let place = spans::at(self.text, within.clone(), &[field]);
        self.at(place, detail, help)
    }
}

fn on_top(layer: &Layer) -> Layers<'_> {
    Layers {
        baseline: baseline(),
        workspace: Ok(layer),
    }
}

fn known(layer: &Layer) -> Vec<&str> {
    let ours = baseline().into_iter().flat_map(|it| it.rules().keys());
    let rules = ours.chain(layer.rules().keys()).map(String::as_str);
    rules.chain(FAILURES.map(Failure::rule)).collect()
}

fn is_effect(want: &str) -> bool {
    let number = want
        .strip_prefix("REQUIRE(")
        .and_then(|it| it.strip_suffix(')'));
    number.is_some_and(|it| it.parse::<u8>().is_ok())
        || [Effect::Allow, Effect::Deny]
            .iter()
            .any(|it| it.name() == want)
}

/// A good scenario.
fn model() -> Value {
    json!({
        "name": "a viewer repairs",
        "principal": "User/viewer",
        "action": "repair.execute",
        "resource": "Incident/inc",
        "want": "DENY",
        "why": "",
        "context": {},
        "entities": {},
        "real": false,
    })
}
