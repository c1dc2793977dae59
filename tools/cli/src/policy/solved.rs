//! What a solver said of rules, in sentences.

use std::collections::BTreeMap;
use std::fmt;

use counterfoil_policy::check::{Finding, of_rule};
use serde_json::{Value, json};

use super::votes::Lowered;

/// What came of asking a solver.
#[derive(Debug)]
pub(super) enum Solved {
    /// There is no cvc5 on this machine.
    NoSolver,
    /// It did not answer a question; why.
    GaveUp(String),
    /// Every question was answered.
    Proved(Report),
}

/// Who, which action, on what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) principal: String,
    pub(super) action: String,
    pub(super) resource: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |name: &str| name.trim_start_matches("CF::").to_owned();
        let (principal, resource) = (short(&self.principal), short(&self.resource));
        write!(f, "{principal}, {}, {resource}", self.action)
    }
}

/// Something that is allowed and was not.
#[derive(Debug)]
pub(super) struct Loosened {
    pub(super) place: Place,
    /// The earlier rules that refuse the solver's example; empty where none permits it.
    pub(super) refused_by: Vec<String>,
}

/// The answers.
#[derive(Debug)]
pub(super) struct Report {
    solver: String,
    /// Rules that may fail, and where.
    failing: BTreeMap<String, Vec<Place>>,
    /// Places that are refused whatever the facts, by the rules that do it.
    denied: BTreeMap<Vec<String>, Vec<Place>>,
    /// The same by a rule that has no condition: it is meant.
    forbidden: Vec<Place>,
    /// The same of machines alone, which may be meant.
    machines: Vec<Place>,
    /// `None` where nothing was compared.
    loosened: Option<Vec<Loosened>>,
    /// Rules that want less of who approves.
    lowered: Vec<Lowered>,
}

impl Report {
    pub(super) fn new(solver: String, compares: bool) -> Self {
        Self {
            solver,
            failing: BTreeMap::new(),
            denied: BTreeMap::new(),
            forbidden: Vec::new(),
            machines: Vec::new(),
            loosened: compares.then(Vec::new),
            lowered: Vec::new(),
        }
    }

    pub(super) fn solver(&self) -> &str {
        &self.solver
    }

    pub(super) fn may_fail(&mut self, rule: String, place: Place) {
        self.failing.entry(rule).or_default().push(place);
    }

    /// `by` are the rules that together refuse it.
    pub(super) fn denies(&mut self, place: Place, by: Vec<String>) {
        self.denied.entry(by).or_default().push(place);
    }

    pub(super) fn forbids(&mut self, place: Place) {
        self.forbidden.push(place);
    }

    pub(super) fn denies_machines(&mut self, place: Place) {
        self.machines.push(place);
    }

    pub(super) fn lowers(&mut self, lowered: Vec<Lowered>) {
        self.lowered = lowered;
    }

    pub(super) fn loosens(&mut self, loosened: Loosened) {
        self.loosened.get_or_insert_default().push(loosened);
    }
}

impl Solved {
    /// Whether nothing is known that must be put right.
    pub(super) fn is_good(&self) -> bool {
        match self {
            Self::NoSolver | Self::GaveUp(_) => true,
            Self::Proved(report) => report.failing.is_empty() && report.denied.is_empty(),
        }
    }

    /// Whether the change counts as loosening: without a proof it does. `None` where nothing was to be
    /// compared.
    pub(super) fn loosening(&self, compared: bool) -> Option<bool> {
        match self {
            _ if !compared => None,
            Self::NoSolver | Self::GaveUp(_) => Some(true),
            Self::Proved(report) => {
                let wider = report.loosened.as_ref().map(|it| !it.is_empty());
                wider.map(|wider| wider || !report.lowered.is_empty())
            }
        }
    }

    /// What must be put right, in the files `(path, text)`.
    pub(super) fn findings(&self, files: &[(&str, &str)]) -> Vec<Finding> {
        match self {
            Self::NoSolver | Self::GaveUp(_) => Vec::new(),
            Self::Proved(report) => report.findings(files),
        }
    }

    /// For people.
    pub(super) fn sentences(&self, compared: bool) -> Vec<String> {
        let unproved = if compared {
            ": whether a rule may fail was not proved, and the change counts as loosening"
        } else {
            ": whether a rule may fail was not proved"
        };
        match self {
            Self::NoSolver => vec![format!("there is no cvc5 on this machine{unproved}")],
            Self::GaveUp(why) => vec![format!("the solver gave up ({why}){unproved}")],
            Self::Proved(report) => report.sentences(),
        }
    }

    /// For programs.
    pub(super) fn json(&self, compared: bool) -> Value {
        let loosening = self.loosening(compared);
        let Self::Proved(report) = self else {
            let Self::GaveUp(why) = self else {
                return json!({ "loosening": loosening, "solver": null });
            };
            return json!({ "loosening": loosening, "solver": null, "gave_up": why });
        };
        let denied: Vec<Place> = report.denied.values().flatten().cloned().collect();
        let names = |places: &[Place]| places.iter().map(Place::to_string).collect::<Vec<_>>();
        let failing = report.failing.iter();
        let failing = failing.map(|(rule, at)| json!({ "rule": rule, "at": names(at) }));
        let loosened = report.loosened.iter().flatten();
        let loosened =
            loosened.map(|it| json!({ "at": it.place.to_string(), "refused_by": it.refused_by }));
        let lowered = report.lowered.iter();
        let lowered = lowered.map(|it| json!({ "rule": it.rule, "how": it.how }));
        json!({
            "loosening": loosening,
            "solver": report.solver,
            "may_fail": failing.collect::<Vec<_>>(),
            "always_denied": names(&denied),
            "always_denied_to_machines": names(&report.machines),
            "always_forbidden": names(&report.forbidden),
            "loosened": loosened.collect::<Vec<_>>(),
            "lowered": lowered.collect::<Vec<_>>(),
        })
    }
}

impl Report {
    fn findings(&self, files: &[(&str, &str)]) -> Vec<Finding> {
        let failing = self.failing.iter().map(|(rule, places)| {
            let detail = format!(
                "`{rule}` may fail ({}), and a rule that fails denies everything",
                some(places)
            );
            let help = "rules must not calculate: compare a fact with a number, for example context.base.approvals.count >= 2";
            of_rule(files, rule, detail, help)
        });
        let denied = self.denied.iter().map(|(by, places)| {
            let places = some(places);
            let Some((first, others)) = by.split_first() else {
                let detail = format!("refused whatever the facts are: {places}");
                let help =
                    "let a rule permit it, or forbid it without a condition, if that is meant";
                return Finding::whole("", detail, help);
            };
            let with = match others {
                [] => String::new(),
                others => format!(", with `{}`", others.join("`, `")),
            };
            let detail = format!("refused whatever the facts are: {places}; by `{first}`{with}");
            let help =
                "change its condition, or take the condition away, if it is to refuse always";
            of_rule(files, first, detail, help)
        });
        failing.chain(denied).collect()
    }

    fn sentences(&self) -> Vec<String> {
        let solver = &self.solver;
        let mut lines = Vec::new();
        if self.failing.is_empty() && self.denied.is_empty() {
            lines.push(format!(
                "{solver} proves that no rule fails, and that conditions refuse no person always"
            ));
        }
        if !self.forbidden.is_empty() {
            let places = some(&self.forbidden);
            lines.push(format!(
                "refused by a rule without a condition, whatever the facts are: {places}"
            ));
        }
        if !self.machines.is_empty() {
            let places = some(&self.machines);
            lines.push(format!(
                "machines are refused whatever the facts are: {places}"
            ));
        }
        match self.loosened.as_deref() {
            None => {}
            Some([]) if self.lowered.is_empty() => lines.push(format!(
                "{solver} proves that nothing is allowed that was not, and who approves is as narrow: this tightens, or changes nothing"
            )),
            Some(loosened) => {
                lines.push("this loosens, and needs a second person:".to_owned());
                lines.extend(loosened.iter().map(|it| {
                    let by = match it.refused_by.as_slice() {
                        [] => "nothing permitted".to_owned(),
                        rules => format!("`{}` refused", rules.join("`, `")),
                    };
                    format!("  {}: allows what {by}", it.place)
                }));
                let lowered = self.lowered.iter();
                lines.extend(lowered.map(|it| format!("  `{}` {}", it.rule, it.how)));
            }
        }
        lines
    }
}

/// A few of them.
fn some(places: &[Place]) -> String {
    let shown: Vec<String> = places.iter().take(3).map(Place::to_string).collect();
    let shown = shown.join("; ");
    match places.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(action: &str) -> Place {
        Place {
            principal: "CF::User".to_owned(),
            action: action.to_owned(),
            resource: "CF::Incident".to_owned(),
        }
    }

    #[test]
    fn without_a_proof_a_change_counts_as_loosening_and_that_is_said() {
        for solved in [Solved::NoSolver, Solved::GaveUp("no time".to_owned())] {
            assert_eq!(solved.loosening(true), Some(true));
            assert_eq!(solved.loosening(false), None);
            let said = solved.sentences(true).join("\n");
            assert!(said.contains("counts as loosening"), "{said}");
            assert!(solved.is_good());
        }
    }

    #[test]
    fn what_was_proved_is_told_and_what_is_wrong_is_an_error() {
        let mut report = Report::new("cvc5 1.0.3".to_owned(), true);
        report.forbids(place("key.create"));
        let proved = Solved::Proved(report);
        assert_eq!(
            proved.json(true)["always_forbidden"][0],
            "User, key.create, Incident"
        );
        assert_eq!(proved.loosening(true), Some(false));
        assert!(proved.is_good());
        assert!(
            proved
                .sentences(true)
                .join("\n")
                .contains("nothing is allowed that was not")
        );
        report = Report::new("cvc5 1.0.3".to_owned(), true);
        report.lowers(vec![Lowered {
            rule: "ws.require.two".to_owned(),
            how: "wanted the role `owner`, and now `approver`".to_owned(),
        }]);
        let lowered = Solved::Proved(report);
        assert_eq!(lowered.loosening(true), Some(true));
        assert_eq!(lowered.json(true)["lowered"][0]["rule"], "ws.require.two");
        let said = lowered.sentences(true).join("\n");
        assert!(
            said.contains("needs a second person") && !said.contains("this tightens"),
            "{said}"
        );
        report = Report::new("cvc5 1.0.3".to_owned(), true);
        report.may_fail("ws.forbid.sum".to_owned(), place("repair.execute"));
        let by = vec!["ws.forbid.always".to_owned(), "ws.forbid.other".to_owned()];
        report.denies(place("repair.execute"), by);
        report.loosens(Loosened {
            place: place("repair.execute"),
            refused_by: vec!["ws.require.two".to_owned()],
        });
        let wrong = Solved::Proved(report);
        assert!(!wrong.is_good());
        assert_eq!(wrong.loosening(true), Some(true));
        let said = wrong.sentences(true).join("\n");
        let part = "User, repair.execute, Incident: allows what `ws.require.two` refused";
        assert!(said.contains(part), "{said}");
        let files = [(
            "policies/a.cedar",
            "// one\n@id(\"ws.forbid.always\")\nforbid (principal, action, resource);\n",
        )];
        let found = wrong.findings(&files);
        assert_eq!(
            found[0].detail,
            "`ws.forbid.sum` may fail (User, repair.execute, Incident), and a rule that fails denies everything"
        );
        assert_eq!(
            found[1].detail,
            "refused whatever the facts are: User, repair.execute, Incident; by `ws.forbid.always`, with `ws.forbid.other`"
        );
        assert_eq!(
            (found[1].file.as_str(), found[1].line, found[1].column),
            ("policies/a.cedar", 2, 1)
        );
        assert_eq!(
            wrong.json(true)["loosened"][0]["refused_by"][0],
            "ws.require.two"
        );
    }
}
