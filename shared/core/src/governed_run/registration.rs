//! What a flow may do, as an admin has registered it. A caller says which kind of action it wants;
//! what is known of that kind comes from here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::input::{InvalidRun, check_kind};

/// Kinds of action that one flow may register.
pub const MAX_KINDS: usize = 100;

/// What is registered of one kind of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// It cannot be undone, or takes something away.
    pub destructive: bool,
}

/// What the rules are told of a kind of action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownKind {
    /// The run's own flow registered it.
    pub registered: bool,
    /// Some flow of the project registered it as destructive.
    pub destructive: bool,
}

impl KnownKind {
    /// What is known of `kind` in a run of `flow`. The caller names the flow, so that alone makes nothing
    /// harmless: what any flow of the project registered as destructive is destructive in each.
    pub fn of<'a>(
        flow: &str,
        kind: &str,
        flows: impl IntoIterator<Item = &'a FlowActions>,
    ) -> Self {
        let mut known = Self {
            registered: false,
            destructive: false,
        };
        for other in flows {
            let Some(it) = other.actions.get(kind) else {
                continue;
            };
            known.registered |= other.id == flow;
            known.destructive |= it.destructive;
        }
        known
    }
}

/// What a flow may do. Version 0 is a flow that nobody registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowActions {
    /// The flow.
    pub id: String,
    /// Its kinds of action.
    #[serde(default)]
    pub actions: BTreeMap<String, Registered>,
}

impl FlowActions {
    /// What the ids of such records begin with.
    pub const ROWS: &'static str = "flow#";

    /// The id of the record of a flow, among the other settings of its project.
    pub fn row(flow: &str) -> String {
        format!("{}{flow}", Self::ROWS)
    }

    /// A flow that nobody registered.
    pub fn none(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            actions: BTreeMap::new(),
        }
    }

    /// Whether a kind can become harmless somewhere in the project: in runs of this flow, where
    /// `wanted` says so; and in those of every other flow that has it as harmless, where this one does
    /// not say any more that it destroys.
    pub fn loosened_by(&self, wanted: &BTreeMap<String, Registered>) -> bool {
        let is = |actions: &BTreeMap<String, Registered>, kind: &str, destructive: bool| {
            let known = actions.get(kind);
            known.is_some_and(|known| known.destructive == destructive)
        };
        let harmless = wanted
            .keys()
            .any(|kind| is(wanted, kind, false) && !is(&self.actions, kind, false));
        let unmarked = self
            .actions
            .keys()
            .any(|kind| is(&self.actions, kind, true) && !is(wanted, kind, true));
        harmless || unmarked
    }
}

/// Changes with every registration of any flow of a project: there is one. What is known of a kind comes
/// from all of them, so a judgement holds this row instead of theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registrations {
    /// The flow that registered last.
    pub last: String,
}

impl Registrations {
    /// The id of the record among the other settings of its project.
    pub const ID: &'static str = "flows";
}

/// Whether a registration keeps its rules.
///
/// # Errors
/// [`InvalidRun`] with the field.
pub fn check_flow(id: &str, actions: &BTreeMap<String, Registered>) -> Result<(), InvalidRun> {
    check_kind("/flow_id", id)?;
    if actions.len() > MAX_KINDS {
        let rule = "must have at most 100 kinds of action";
        return Err(InvalidRun::new("/actions", rule));
    }
    for kind in actions.keys() {
        check_kind(&format!("/actions/{kind}"), kind)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const FLOWS: [&str; 3] = ["refunds", "sandbox", "mails"];
    const KINDS: [&str; 2] = ["refund.create", "mail.send"];

    /// A registration of each kind: not at all, as harmless, or as destructive.
    fn actions(of: &[Option<bool>]) -> BTreeMap<String, Registered> {
        let known = KINDS.iter().zip(of);
        let known = known.filter_map(|(kind, it)| {
            it.map(|destructive| ((*kind).to_owned(), Registered { destructive }))
        });
        known.collect()
    }

    fn flows(of: &[Vec<Option<bool>>]) -> Vec<FlowActions> {
        let one = |(id, of): (&&str, &Vec<Option<bool>>)| FlowActions {
            actions: actions(of),
            ..FlowActions::none(id)
        };
        FLOWS.iter().zip(of).map(one).collect()
    }

    /// What a machine may do without a person: kinds in runs of flows.
    fn free(flows: &[FlowActions]) -> BTreeSet<(&'static str, &'static str)> {
        let of = |flow| KINDS.map(|kind| (flow, kind));
        let all = FLOWS.into_iter().flat_map(of);
        let free = all.filter(|(flow, kind)| {
            let known = KnownKind::of(flow, kind, flows);
            known.registered && !known.destructive
        });
        free.collect()
    }

    proptest! {
        /// The flow that a run names changes only whether it has registered the kind.
        #[test]
        fn no_choice_of_a_flow_makes_harmless_what_one_registered_as_destructive(
            of in prop::collection::vec(any::<Option<bool>>(), 3),
            chosen in 0_usize..3,
        ) {
            let of_kind: Vec<Vec<Option<bool>>> = of.iter().map(|it| vec![*it]).collect();
            let all = flows(&of_kind);
            let known = KnownKind::of(FLOWS[chosen], "refund.create", &all);
            prop_assert_eq!(known.destructive, of.contains(&Some(true)));
            prop_assert_eq!(known.registered, of[chosen].is_some());
            let harmless = known.registered && !known.destructive;
            prop_assert_eq!(harmless, of[chosen] == Some(false) && !of.contains(&Some(true)));
            let other = KnownKind::of(FLOWS[chosen], "mail.send", &all);
            prop_assert!(!other.registered && !other.destructive);
        }

        /// Whatever becomes freer in any flow of the project, the change of one is loosening.
        #[test]
        fn nothing_in_the_whole_project_becomes_freer_without_a_second_person(
            of in prop::collection::vec(prop::collection::vec(any::<Option<bool>>(), 2), 3),
            wanted in prop::collection::vec(any::<Option<bool>>(), 2),
            changed in 0_usize..3,
        ) {
            let before = flows(&of);
            let wanted = actions(&wanted);
            let loosened = before[changed].loosened_by(&wanted);
            let mut after = before.clone();
            after[changed].actions = wanted;
            let freer = !free(&after).is_subset(&free(&before));
            prop_assert!(loosened || !freer, "{before:?} -> {after:?}");
            // Nobody is asked about what stays the same.
            let same = before[changed].loosened_by(&before[changed].actions);
            prop_assert!(!same);
        }
    }
}
