//! The scenarios of a bundle, answered by the baseline and its rules; and where one is wrong.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::finding::cut;
use super::found::Found;
use super::scenario::{Scenario, said};
use super::{Finding, form, spans};
use crate::closest::closest;
use crate::effect::{Effect, Failure};
use crate::layer::{Layer, Layers, baseline};
use crate::verdict::Verdict;

const FIELDS: &str = "a scenario has name, principal, action, resource and want, and may have why, context, entities and real";

/// Characters of a word of a scenario that are told.
const LONGEST_WORD: usize = 120;
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
    let mut found = Found::default();
    for (file, text) in tests {
        let list = List { file, text };
        if let Some(broken) = list.broken() {
            found.error(|| broken);
            continue;
        }
        let whole = spans::value(text, 0).unwrap_or_default();
        for one in spans::children(text, &whole) {
            let answer = list.ask(layer, &one.value, &mut found);
            if let Some(answer) = answer.as_ref().filter(|it| !it.met) {
                found.error(|| list.other(layer, &one.value, answer));
            }
            answers.extend(answer);
        }
    }
    (answers, found.list())
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

    /// Asks the scenario at `within`, if it is one.
    fn ask(&self, layer: &Layer, within: &Range<usize>, found: &mut Found) -> Option<Answer> {
        let scenario = self.scenario(within, found)?;
        match scenario.ask(on_top(layer)) {
            Ok(verdict) => Some(Answer {
                met: scenario.is_met(&verdict),
                scenario,
                verdict,
            }),
            Err(faults) => {
                for fault in faults {
                    found.error(|| {
                        let place = spans::at(self.text, within.clone(), &fault.path());
                        self.at(place, fault.to_string(), fault.help())
                    });
                }
                None
            }
        }
    }

    fn scenario(&self, within: &Range<usize>, found: &mut Found) -> Option<Scenario> {
        if found.is_full() {
            let text = self.text.get(within.clone()).unwrap_or_default();
            let scenario = serde_json::from_str(text).ok();
            found.more(usize::from(scenario.is_none()));
            return scenario;
        }
        let (scenario, faults, more) = form::read::<Scenario>(self.text, within, &model());
        let scenario = scenario.filter(|_| faults.is_empty());
        for fault in faults {
            found.error(|| fault.finding(self.file, self.text, FIELDS));
        }
        found.more(usize::from(more));
        scenario
    }

    /// That the scenario at `within` gets another answer than it wants.
    fn other(&self, layer: &Layer, within: &Range<usize>, answer: &Answer) -> Finding {
        let Scenario {
            name, want, why, ..
        } = &answer.scenario;
        let (got, rule) = (said(&answer.verdict), &answer.verdict.rule);
        let (is_known, is_other) = (is_effect(want), got == *want);
        let (name, want) = (cut(name, LONGEST_WORD), cut(want, LONGEST_WORD));
        let known = known(layer);
        let is_rule = known.contains(&why.as_str());
        let why = cut(why, LONGEST_WORD);
        let by = if why.is_empty() {
            String::new()
        } else {
            format!(" by {why}")
        };
        let detail = format!("{name}: wanted {want}{by}, got {got} by {rule}");
        let (field, help) = if !is_known {
            let help =
                "`want` is ALLOW, DENY, or REQUIRE with a number of approvals, as REQUIRE(1)";
            ("want", help.to_owned())
        } else if !why.is_empty() && !is_rule {
            let help = match closest(&why, known.into_iter()) {
                Some(near) => format!("no rule has the id {why}: write \"why\": \"{near}\""),
                None => {
                    format!("no rule has the id {why}: write \"why\": \"{rule}\", or leave it out")
                }
            };
            ("why", help)
        } else if *rule == Failure::RequestInvalid.rule() {
            let help = "the question does not fit the schema: who asks, what about, or a fact of `context` or `entities` is of another kind";
            ("name", help.to_owned())
        } else if is_other {
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
