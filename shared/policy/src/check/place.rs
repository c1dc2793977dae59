//! Where policies and their annotations stand in a file. The engine keeps their text and not its place.

use std::collections::BTreeMap;
use std::ops::Range;

use cedar_policy::{PolicyId, PolicySet};

use super::Finding;
use crate::parse::{blank, policies, string};

/// The bytes of every policy and template of a file.
pub(super) fn places(set: &PolicySet, text: &str) -> BTreeMap<PolicyId, Range<usize>> {
    let policies = set.policies().map(|it| (it.id(), it.to_string()));
    let templates = set.templates().map(|it| (it.id(), it.to_string()));
    let mut sources: Vec<_> = policies.chain(templates).collect();
    // The engine counts them as they stand: `policy0`, `policy1`, ..
    sources.sort_by_key(|(id, _)| number(id));
    let mut from = 0;
    let placed = sources.into_iter().map(|(id, source)| {
        // Between two there is nothing else.
        let start = blank(text, from);
        let is_here = text.get(start..).is_some_and(|it| it.starts_with(&source));
        from = start.saturating_add(if is_here { source.len() } else { 0 });
        (id.clone(), start..from)
    });
    placed.collect()
}

/// The rule with this id; what is wrong with it, and what to do. Where no file holds it, of the whole
/// bundle.
pub fn of_rule(
    files: &[(&str, &str)],
    id: &str,
    detail: impl Into<String>,
    help: impl Into<String>,
) -> Finding {
    for (file, text) in files {
        let Ok(set) = policies(text) else {
            continue;
        };
        let rule = set.policies().find(|it| it.annotation("id") == Some(id));
        let place = rule.and_then(|rule| places(&set, text).remove(rule.id()));
        if let Some(place) = place {
            return Finding::at(file, text, place, detail, help);
        }
    }
    Finding::whole("", detail, help)
}

/// The bytes of an annotation of the policy at `policy`, where it has it.
pub(super) fn annotation(text: &str, policy: &Range<usize>, name: &str) -> Option<Range<usize>> {
    let mut at = policy.start;
    loop {
        at = blank(text, at);
        let rest = text.get(at..policy.end)?.strip_prefix('@')?;
        let named = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_');
        let named = rest.get(..named?)?;
        let mut end = at.saturating_add(1).saturating_add(named.len());
        let open = blank(text, end);
        if text.get(open..)?.starts_with('(') {
            let value = blank(text, open.saturating_add(1));
            let close = blank(text, value.saturating_add(string(text.get(value..)?)?));
            end = close.saturating_add(1);
        }
        if named == name {
            return Some(at..end);
        }
        at = end;
    }
}

fn number(id: &PolicyId) -> usize {
    let id: &str = id.as_ref();
    let counted = id.strip_prefix("policy").and_then(|it| it.parse().ok());
    counted.unwrap_or(usize::MAX)
}
