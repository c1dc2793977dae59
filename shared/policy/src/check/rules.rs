//! Parsing, and what every rule says about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cedar_policy::{Policy, Template};

use super::Finding;
use super::found::Found;
use super::hint::{Asked, free};
use super::place::{annotation, places};
use crate::bundle::MOST_RULES;
use crate::effect::LayerName;
use crate::layer::prefix;
use crate::parse::{Unread, policies};
use crate::rule::Rule;

const SYNTAX: &str = "a rule is permit or forbid (principal, action, resource) when { ... }; `counterfoil policy new` writes some";
const DEEP: &str = "write several rules, or ask a list for several values: [\"a\", \"b\"].contains(context.base.x)";

/// A policy and where it stands.
pub(super) struct Placed<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) place: Range<usize>,
    pub(super) policy: Policy,
}

impl Placed<'_> {
    pub(super) fn finding(&self, detail: impl Into<String>, help: impl Into<String>) -> Finding {
        Finding::at(self.file, self.text, self.place.clone(), detail, help)
    }

    /// At one of its annotations.
    fn annotated(&self, name: &str, detail: impl Into<String>, help: impl Into<String>) -> Finding {
        let place = annotation(self.text, &self.place, name);
        let place = place.unwrap_or_else(|| self.place.clone());
        Finding::at(self.file, self.text, place, detail, help)
    }

    /// Its id as it is written, whatever that is.
    pub(super) fn id(&self) -> &str {
        self.policy.annotation("id").unwrap_or_default()
    }
}

/// The policies of every file that can be parsed, in order, as many as a bundle has; and what is wrong
/// with the files, or with what policies say about themselves.
pub(super) fn rules<'a>(
    name: LayerName,
    files: &[(&'a str, &'a str)],
    found: &mut Found,
) -> Vec<Placed<'a>> {
    let mut placed = Vec::new();
    for &(file, text) in files {
        let set = match policies(text) {
            Ok(set) => set,
            Err(deep @ Unread::Deep(_)) => {
                let Unread::Deep(place) = &deep else { continue };
                found.error(|| Finding::at(file, text, place.clone(), deep.to_string(), DEEP));
                continue;
            }
            Err(Unread::Syntax(errors)) => {
                for error in errors.iter() {
                    found.error(|| Finding::of(file, text, 0..0, error, SYNTAX));
                }
                continue;
            }
        };
        let mut places = places(&set, text);
        let mut place = |id| places.remove(id).unwrap_or_default();
        for template in set.templates() {
            let place = place(template.id());
            found.error(|| of_template(file, text, &place, template));
        }
        let policies = set.policies().map(|policy| Placed {
            file,
            text,
            place: place(policy.id()),
            policy: policy.clone(),
        });
        let mut policies: Vec<Placed<'a>> = policies.collect();
        policies.sort_by_key(|it| it.place.start);
        placed.extend(policies);
    }
    if let Some(one_too_many) = placed.get(MOST_RULES) {
        let (rules, more) = (placed.len(), placed.len().saturating_sub(MOST_RULES));
        let detail = format!("{rules} rules, and a bundle has at most {MOST_RULES}");
        let help = format!("take {more} away: one rule can name several actions, action in [..]");
        found.error(|| one_too_many.finding(detail, help));
    }
    placed.truncate(MOST_RULES);
    faults(name, &placed, found);
    placed
}

fn faults(name: LayerName, placed: &[Placed<'_>], found: &mut Found) {
    let mut taken: BTreeSet<String> = placed.iter().map(|it| it.id().to_owned()).collect();
    let mut first: BTreeMap<&str, &Placed<'_>> = BTreeMap::new();
    for it in placed {
        let mut offered = None;
        if let Err(faults) = Rule::of(&it.policy, prefix(name)) {
            let asked = Asked {
                policy: &it.policy,
                file: it.file,
                prefix: prefix(name),
                taken: &taken,
            };
            for fault in faults {
                found.error(|| {
                    let (help, id) = asked.instead_of(&fault);
                    offered = offered.take().or(id);
                    it.annotated(fault.annotation(), fault.to_string(), help)
                });
            }
        } else if let Some(other) = first.get(it.id()) {
            found.error(|| {
                let line = other.finding("", "").line;
                let (id, file) = (it.id(), other.file);
                let detail = format!("`{id}` is the id of a rule in `{file}` already, line {line}");
                let free = free(id, &taken);
                let help = format!("write @id(\"{free}\"), or take one of the two away");
                offered = Some(free);
                it.annotated("id", detail, help)
            });
        } else {
            first.insert(it.id(), it);
        }
        taken.extend(offered);
    }
}

fn of_template(file: &str, text: &str, place: &Range<usize>, template: &Template) -> Finding {
    let slots = template.slots().map(ToString::to_string);
    let slot = slots.min().unwrap_or_default();
    let source = text.get(place.clone()).unwrap_or_default();
    let at = source.find(&slot).map(|at| place.start.saturating_add(at));
    let place = at.map_or_else(|| place.clone(), |at| at..at.saturating_add(slot.len()));
    let detail = "templates are not taken: write the policy without ?principal and ?resource";
    let help = match slot.as_str() {
        "?resource" => "name a type, for example resource is CF::Incident",
        _ => "name a type, for example principal is CF::User",
    };
    Finding::at(file, text, place, detail, help)
}
