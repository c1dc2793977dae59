//! Who is whom and what differs: maps and loops, every customer against every row.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_core::cell::Cell;
use counterfoil_core::promise::Rule;
use counterfoil_core::reconcile::{
    Backing, Finding, FindingKind, Identity, NotRepairable, Outcome, Symbol,
};

use crate::differ::Subject;
use crate::judge::{Judged, Says, judge};
use crate::money::{self, Risk};
use crate::shop::{Knobs, Source};
use crate::subject::{Grant, Promise};
use crate::world::{Row, World};

/// What is known about a customer.
#[derive(Debug, Default)]
pub(crate) struct Known<'a> {
    read: bool,
    deleted: bool,
    wrong_mode: bool,
    subscriptions: Vec<Judged<'a>>,
    /// By row, the first key that hits it.
    hits: BTreeMap<usize, usize>,
}

impl Known<'_> {
    pub(crate) fn exists(&self) -> bool {
        self.read && !self.deleted && !self.wrong_mode
    }

    pub(crate) fn wrong_mode(&self) -> bool {
        self.wrong_mode
    }

    fn best(&self) -> Option<usize> {
        self.hits.values().min().copied()
    }

    pub(crate) fn ambiguous(&self) -> bool {
        self.hits
            .values()
            .filter(|key| Some(**key) == self.best())
            .count()
            > 1
    }

    fn contributes(&self) -> bool {
        self.subscriptions.iter().any(|it| it.says != Says::Refuses)
    }

    fn conflict(&self, knobs: &Knobs) -> bool {
        let keys: BTreeSet<usize> = self.hits.values().copied().collect();
        keys.iter().filter(|key| !knobs.keys[**key].2).count() > 1
    }
}

pub(crate) type People<'a> = BTreeMap<&'a str, Known<'a>>;

/// Everything that is to be found in a world.
pub(crate) fn look(world: &World, knobs: &Knobs) -> Outcome {
    let people = people(world, knobs);
    let mut findings = Vec::new();
    for (place, row) in world.rows.iter().enumerate() {
        findings.extend(of_row(world, knobs, &people, place, row));
    }
    for (id, known) in &people {
        findings.extend(of_customer(world, knobs, id, known));
    }
    findings.sort_by_key(|it| (it.kind.name(), it.subject.clone(), it.field));
    let count = |number: usize| u64::try_from(number).unwrap();
    // Counted from what each subscription says by itself.
    let judged: Vec<Judged<'_>> = world
        .subscriptions
        .iter()
        .map(|it| judge(it, knobs, world))
        .collect();
    let unread = |it: &&Judged<'_>| {
        it.says == Says::Grants && !people[it.subscription.customer.as_str()].read
    };
    Outcome {
        findings,
        customers: count(people.values().filter(|known| known.exists()).count()),
        subscriptions: count(judged.len()),
        rows: count(world.rows.len()),
        unread_customers: count(judged.iter().filter(unread).count()),
        incomplete_subscriptions: count(
            judged
                .iter()
                .filter(|it| it.rule == Rule::ItemsIncomplete)
                .count(),
        ),
        undecided: Vec::new(),
    }
}

fn people<'a>(world: &'a World, knobs: &Knobs) -> People<'a> {
    let mut people = People::new();
    for customer in &world.customers {
        let known = people.entry(customer.id.as_str()).or_default();
        known.read = true;
        known.deleted = customer.deleted;
        known.wrong_mode = world.livemode.is_some()
            && customer.livemode.is_some()
            && world.livemode != customer.livemode;
    }
    for subscription in &world.subscriptions {
        let known = people.entry(subscription.customer.as_str()).or_default();
        let mut judged = judge(subscription, knobs, world);
        if judged.says != Says::Refuses && (known.wrong_mode || known.deleted) {
            judged.says = Says::Refuses;
            judged.rule = if known.wrong_mode {
                Rule::WrongMode
            } else {
                Rule::CustomerDeleted
            };
        }
        known.subscriptions.push(judged);
    }
    for (id, known) in &mut people {
        for (place, row) in world.rows.iter().enumerate() {
            for (key, (source, column, _)) in knobs.keys.iter().enumerate() {
                let value = value(world, id, *source);
                let cell = cell(row, column);
                if !value.is_empty() && folded(*source, &value) == folded(*source, &cell) {
                    known.hits.entry(place).or_insert(key);
                }
            }
        }
    }
    people
}

fn value(world: &World, id: &str, source: Source) -> String {
    if source == Source::Id {
        return id.to_owned();
    }
    let Some(customer) = world.customers.iter().find(|it| it.id == id) else {
        return String::new();
    };
    let value = match source {
        Source::User => customer.metadata.get("user_id"),
        Source::Org => customer.metadata.get("org"),
        _ => customer.email.as_ref(),
    };
    value.cloned().unwrap_or_default()
}

fn cell(row: &Row, column: &str) -> String {
    if column == "id" {
        row.key.text()
    } else {
        row.cells[column].text()
    }
}

/// Addresses and UUIDs are compared without case.
fn folded(source: Source, value: &str) -> String {
    let uuid = value.len() == 36 && value.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    if source == Source::Email || uuid {
        value.to_lowercase()
    } else {
        value.to_owned()
    }
}

fn identity(knobs: &Knobs, key: usize) -> Identity {
    match knobs.keys[key] {
        (_, _, true) | (Source::Email, _, _) => Identity::Email,
        (Source::Id, _, _) => Identity::StoredId,
        (Source::User | Source::Org, _, _) => Identity::Metadata,
    }
}

fn of_row(
    world: &World,
    knobs: &Knobs,
    people: &People<'_>,
    place: usize,
    row: &Row,
) -> Vec<Finding> {
    let mut own: BTreeMap<&str, usize> = BTreeMap::new();
    let mut disputed = false;
    for (id, known) in people {
        let Some(key) = known.hits.get(&place) else {
            continue;
        };
        let best = known.best().unwrap();
        if best == *key {
            if known.ambiguous() && known.contributes() {
                return Vec::new();
            }
            own.insert(id, *key);
            disputed |= known.conflict(knobs);
        } else {
            disputed |= !knobs.keys[best].2 && !knobs.keys[*key].2;
        }
    }
    let subscriptions = own
        .keys()
        .flat_map(|id| people[id].subscriptions.iter().cloned());
    let sure = |contributing: bool| {
        let own = own
            .iter()
            .filter(move |(id, _)| !contributing || people[*id].contributes());
        own.map(|(_, key)| identity(knobs, *key))
            .collect::<Vec<_>>()
    };
    let weakest = sure(true).into_iter().max();
    let identity = weakest.or_else(|| sure(false).into_iter().min());
    let link = knobs.keys.iter().find(|(source, ..)| *source == Source::Id);
    let stored = link
        .map(|(_, column, _)| cell(row, column))
        .unwrap_or_default();
    let subject = Subject {
        world,
        knobs,
        row,
        promise: Promise::of(subscriptions.collect(), knobs),
        grant: Grant::of(row, knobs),
        identity,
        disputed,
        dangling: own.is_empty() && !stored.is_empty() && !people.contains_key(stored.as_str()),
        people: own.keys().map(|id| (*id, &people[id])).collect(),
    };
    subject.findings()
}

/// A finding that nothing can be written for, with nothing in it yet.
pub(crate) fn blank(
    kind: FindingKind,
    subject: &str,
    rule: Rule,
    reason: NotRepairable,
) -> Finding {
    Finding {
        kind,
        subject: subject.to_owned(),
        field: None,
        expected: Symbol::Nothing,
        actual: Symbol::Nothing,
        foreign: Vec::new(),
        customers: Vec::new(),
        subscriptions: Vec::new(),
        prices: Vec::new(),
        row: None,
        changes: Vec::new(),
        not_repairable: Some(reason),
        identity: None,
        backing: Backing::None,
        other_live_subscription: false,
        rule,
        at_risk: None,
        also_at_risk: Vec::new(),
        direction: None,
        livemode: None,
    }
}

pub(crate) fn at_risk(mut finding: Finding, risk: &Risk) -> Finding {
    (finding.at_risk, finding.also_at_risk) = risk.amounts();
    finding.direction = risk.direction;
    finding
}

pub(crate) fn name(text: &str) -> Symbol {
    Symbol::Name(text.to_owned())
}

fn of_customer(world: &World, knobs: &Knobs, id: &str, known: &Known<'_>) -> Vec<Finding> {
    let promise = Promise::of(known.subscriptions.clone(), knobs);
    let about = |kind, rule, reason| Finding {
        customers: vec![id.to_owned()],
        subscriptions: promise.all.iter().map(|it| it.id().to_owned()).collect(),
        backing: Backing::Subscription,
        livemode: world.livemode,
        ..blank(kind, id, rule, reason)
    };
    let doubt = |kind, rule, actual: &str| Finding {
        expected: name("one_row"),
        actual: name(actual),
        identity: Some(Identity::Ambiguous),
        ..about(kind, rule, NotRepairable::UncertainIdentity)
    };
    let mut findings = Vec::new();
    if known.ambiguous() && known.contributes() {
        findings.push(doubt(
            FindingKind::AmbiguousCustomer,
            Rule::SeveralRows,
            "several_rows",
        ));
    }
    if known.conflict(knobs) && !known.subscriptions.is_empty() {
        findings.push(doubt(
            FindingKind::MappingConflict,
            Rule::KeysDisagree,
            "different_rows",
        ));
    }
    if known.best().is_some() || !known.exists() {
        return findings;
    }
    let granting = promise.granting().count();
    if granting > 0 {
        let names_a_user = knobs.keys.iter().any(|(source, ..)| {
            matches!(source, Source::User | Source::Org) && !value(world, id, *source).is_empty()
        });
        let kind = if names_a_user {
            FindingKind::MissingUserRow
        } else {
            FindingKind::OrphanCustomer
        };
        let finding = Finding {
            expected: name(promise.plan.unwrap_or("access")),
            other_live_subscription: granting > 1,
            ..about(kind, Rule::NoRow, NotRepairable::NoRow)
        };
        findings.push(at_risk(finding, &money::owed(&promise)));
    }
    if !promise.unmapped.is_empty() {
        let rule = if promise.only_currency {
            Rule::UnknownCurrency
        } else {
            Rule::UnmappedPrice
        };
        findings.push(unmapped(
            &promise,
            about(
                FindingKind::UnmappedPrice,
                rule,
                NotRepairable::UnmappedPrice,
            ),
        ));
    }
    if let Some(judged) = promise
        .unknown
        .as_ref()
        .filter(|it| it.rule == Rule::UnknownState)
    {
        findings.push(unknown(
            judged,
            about(
                FindingKind::UnknownState,
                Rule::UnknownState,
                NotRepairable::UnknownState,
            ),
        ));
    }
    findings
}

pub(crate) fn unmapped(promise: &Promise<'_>, finding: Finding) -> Finding {
    let finding = Finding {
        expected: name("mapped"),
        actual: name("unmapped"),
        prices: promise.unmapped.iter().map(|id| (*id).to_owned()).collect(),
        ..finding
    };
    at_risk(finding, &money::unclear(promise))
}

pub(crate) fn unknown(judged: &Judged<'_>, finding: Finding) -> Finding {
    Finding {
        expected: name("known_state"),
        actual: name("unmapped"),
        foreign: vec![judged.subscription.status.as_str().to_owned()],
        ..finding
    }
}

/// The cell of a role, for what a repair would compare before it writes.
pub(crate) fn before(row: &Row, role: &str) -> Cell {
    row.cells[role].clone()
}
