//! What is promised to a row against what it grants, column by column.

use counterfoil_core::cell::Cell;
use counterfoil_core::promise::Rule;
use counterfoil_core::reconcile::{
    Backing, Direction, Field, Finding, FindingKind, Identity, NotRepairable, Symbol,
};
use counterfoil_core::repair::ColumnChange;
use counterfoil_core::time::Timestamp;

use crate::money::{self, Risk};
use crate::naive::{Known, at_risk, before, blank, name, unknown, unmapped};
use crate::shop::{FEATURES, Knobs};
use crate::subject::{Grant, Promise};
use crate::world::{AS_OF, Row, World};

pub(crate) struct Subject<'a> {
    pub(crate) world: &'a World,
    pub(crate) knobs: &'a Knobs,
    pub(crate) row: &'a Row,
    pub(crate) promise: Promise<'a>,
    pub(crate) grant: Grant,
    pub(crate) identity: Option<Identity>,
    pub(crate) disputed: bool,
    pub(crate) dangling: bool,
    pub(crate) people: Vec<(&'a str, &'a Known<'a>)>,
}

const FIELDS: [(Field, &str); 5] = [
    (Field::Features, "features"),
    (Field::Plan, "plan"),
    (Field::Premium, "premium"),
    (Field::Seats, "seats"),
    (Field::Trial, "trial"),
];

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Subject<'_> {
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.duplicate());
        let strange = self
            .promise
            .unknown
            .as_ref()
            .filter(|it| it.rule == Rule::UnknownState);
        if let Some(judged) = strange {
            let report = self.report(
                FindingKind::UnknownState,
                Rule::UnknownState,
                NotRepairable::UnknownState,
            );
            findings.push(unknown(judged, report));
        }
        if !self.promise.unmapped.is_empty() {
            let rule = if self.promise.only_currency {
                Rule::UnknownCurrency
            } else {
                Rule::UnmappedPrice
            };
            let report = self.report(
                FindingKind::UnmappedPrice,
                rule,
                NotRepairable::UnmappedPrice,
            );
            findings.push(unmapped(&self.promise, report));
        }
        let certain = self.promise.unmapped.is_empty() && self.promise.unknown.is_none();
        match (self.promise.premium, self.grant.access) {
            (true, false) => {
                let risk = money::owed(&self.promise);
                findings.push(self.whole(FindingKind::PaidNoAccess, &risk));
            }
            (false, true) if certain && self.grant.comped => {}
            (false, true) if certain => findings.push(self.unbacked()),
            (true, true) | (false, false) if certain => findings.extend(self.columns()),
            _ => {}
        }
        if let Some(reason) = self.doubt() {
            for finding in &mut findings {
                finding.changes.clear();
                finding.not_repairable = finding.not_repairable.or(Some(reason));
            }
        }
        findings
    }

    fn doubt(&self) -> Option<NotRepairable> {
        let nobody =
            !self.people.is_empty() && self.people.iter().all(|(_, known)| !known.exists());
        if self.disputed {
            return Some(NotRepairable::UncertainIdentity);
        }
        if self.identity == Some(Identity::Email) {
            return Some(NotRepairable::ReportOnlyMatch);
        }
        if self.dangling || nobody {
            return Some(NotRepairable::UnknownCustomer);
        }
        if self.promise.unknown.is_some() {
            return Some(NotRepairable::UnknownState);
        }
        (!self.promise.unmapped.is_empty()).then_some(NotRepairable::UnmappedPrice)
    }

    fn rule(&self) -> Rule {
        if let Some(rule) = self.promise.rule() {
            return rule;
        }
        match (self.people.is_empty(), self.disputed, self.dangling) {
            (false, ..) => Rule::NoSubscription,
            (true, true, _) => Rule::KeysDisagree,
            (true, false, true) => Rule::LinkUnknown,
            (true, false, false) => Rule::NoCustomer,
        }
    }

    fn report(&self, kind: FindingKind, rule: Rule, reason: NotRepairable) -> Finding {
        let mut customers: Vec<String> =
            self.people.iter().map(|(id, _)| (*id).to_owned()).collect();
        customers.sort();
        Finding {
            customers,
            subscriptions: self
                .promise
                .all
                .iter()
                .map(|it| it.id().to_owned())
                .collect(),
            row: Some(self.row.key.clone()),
            identity: if self.disputed {
                Some(Identity::Ambiguous)
            } else {
                self.identity
            },
            backing: if self.grant.comped {
                Backing::Comp
            } else if self.promise.all.is_empty() {
                Backing::None
            } else {
                Backing::Subscription
            },
            other_live_subscription: self.promise.granting().count() > 1,
            livemode: self.world.livemode,
            ..blank(kind, &self.row.key.text(), rule, reason)
        }
    }

    fn duplicate(&self) -> Option<Finding> {
        // Whoever belongs to several rows is reported as such.
        let certain: Vec<_> = self
            .people
            .iter()
            .filter(|(_, known)| !known.ambiguous())
            .collect();
        let living = certain.iter().filter(|(_, known)| known.exists()).count();
        let report = self.report(
            FindingKind::DuplicateCustomer,
            Rule::SeveralCustomers,
            NotRepairable::NoColumn,
        );
        let finding = Finding {
            expected: Symbol::Count(1),
            actual: Symbol::Count(i64::try_from(living).unwrap()),
            customers: certain.iter().map(|(id, _)| (*id).to_owned()).collect(),
            ..report
        };
        (living > 1).then(|| at_risk(finding, &money::twice(&self.promise)))
    }

    fn unbacked(&self) -> Finding {
        let risk = money::unpaid(self.world, &self.promise, self.grant.known_plan);
        let other_mode = self.people.iter().any(|(_, known)| known.wrong_mode())
            || self.promise.all.iter().any(|it| it.rule == Rule::WrongMode);
        if other_mode {
            let modes = if self.world.livemode == Some(false) {
                ("test", "live")
            } else {
                ("live", "test")
            };
            let report = self.report(
                FindingKind::TestModeBacking,
                Rule::WrongMode,
                NotRepairable::WrongMode,
            );
            let finding = Finding {
                expected: name(modes.0),
                actual: name(modes.1),
                ..report
            };
            return at_risk(finding, &risk);
        }
        self.mark_foreign_plan(self.whole(FindingKind::AccessWithoutPayment, &risk))
    }

    fn mark_foreign_plan(&self, mut finding: Finding) -> Finding {
        if self.grant.foreign_plan {
            finding.foreign = vec![self.grant.plan.clone().unwrap()];
            finding.changes.clear();
            finding.not_repairable = finding
                .not_repairable
                .or(Some(NotRepairable::UnmappedValue));
        }
        finding
    }

    fn granted_plan(&self) -> Symbol {
        name(if self.grant.foreign_plan {
            "unmapped"
        } else {
            self.grant.plan.as_deref().unwrap()
        })
    }

    fn whole(&self, kind: FindingKind, risk: &Risk) -> Finding {
        let (field, expected, actual) = if self.knobs.columns.contains_key("premium") {
            (
                Field::Premium,
                Symbol::Flag(self.promise.premium),
                Symbol::Flag(self.grant.access),
            )
        } else {
            (
                Field::Plan,
                name(self.promise.plan.unwrap_or("free")),
                self.granted_plan(),
            )
        };
        let fields = FIELDS.iter().map(|(field, _)| *field);
        let fields = fields.filter(|other| *other == field || self.differs(*other));
        self.finding(
            kind,
            field,
            (expected, actual),
            &fields.collect::<Vec<_>>(),
            risk,
        )
    }

    fn differs(&self, field: Field) -> bool {
        let (promise, grant) = (&self.promise, &self.grant);
        match field {
            Field::Plan => grant
                .plan
                .as_ref()
                .is_some_and(|plan| plan != promise.plan.unwrap_or("free")),
            Field::Premium => {
                self.knobs.columns.contains_key("premium") && grant.access != promise.premium
            }
            Field::Trial if !self.knobs.columns.contains_key("trial") => false,
            Field::Trial => match (promise.trial(), grant.trial) {
                (None, None) => false,
                // A trial that is over says nothing.
                (None, Some(end)) => end > AS_OF,
                (Some(_), None) => true,
                (Some(a), Some(b)) => (a - b).abs() > self.knobs.tolerance,
            },
            Field::Seats => match (promise.seats(self.knobs), grant.seats) {
                (Some(promised), Some(granted)) => promised != granted,
                _ => false,
            },
            Field::Features => grant
                .features
                .as_ref()
                .is_some_and(|names| *names != owned(&promise.features)),
        }
    }

    fn finding(
        &self,
        kind: FindingKind,
        field: Field,
        (expected, actual): (Symbol, Symbol),
        fields: &[Field],
        risk: &Risk,
    ) -> Finding {
        let mut changes = Vec::new();
        for (other, column) in FIELDS {
            let writable = self.knobs.columns.get(column) == Some(&true);
            let old = before(self.row, column);
            let no_list = other == Field::Features && matches!(old, Cell::Text(_));
            if !fields.contains(&other) || !writable || no_list {
                continue;
            }
            let after = match other {
                Field::Plan => Cell::Text(self.promise.plan.unwrap_or("free").to_owned()),
                Field::Premium => Cell::Bool(self.promise.premium),
                Field::Features => Cell::List(owned(&self.promise.features)),
                Field::Trial => self
                    .promise
                    .trial()
                    .map_or(Cell::Null, |at| Cell::Time(Timestamp::from_secs(at))),
                Field::Seats => match self.promise.seats(self.knobs) {
                    Some(seats) => Cell::Int(seats),
                    None => continue,
                },
            };
            changes.push(ColumnChange {
                column: column.to_owned(),
                before: old,
                after,
            });
        }
        let column = FIELDS.iter().find(|(other, _)| *other == field).unwrap().1;
        let decisive = changes.iter().any(|change| change.column == column);
        if !decisive {
            changes.clear();
        }
        let report = self.report(kind, self.rule(), NotRepairable::NoColumn);
        let finding = Finding {
            field: Some(field),
            expected,
            actual,
            changes,
            not_repairable: (!decisive).then_some(NotRepairable::ReadOnlyColumn),
            ..report
        };
        at_risk(finding, risk)
    }

    fn columns(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let promise = &self.promise;
        let more_on_purpose = |more: bool| more && self.grant.comped;
        let exceeds = self.grant.exceeds(promise);
        if self.differs(Field::Plan) && !more_on_purpose(exceeds) {
            let symbols = (name(promise.plan.unwrap_or("free")), self.granted_plan());
            let (granted, foreign) = (self.grant.known_plan, self.grant.foreign_plan);
            let risk = money::wrong_plan(self.world, promise, granted, foreign, exceeds);
            let finding = self.finding(
                FindingKind::WrongPlan,
                Field::Plan,
                symbols,
                &[Field::Plan],
                &risk,
            );
            findings.push(self.mark_foreign_plan(finding));
        }
        if self.differs(Field::Trial) && !self.grant.comped {
            let time = |at: Option<i64>| {
                at.map_or(Symbol::Nothing, |at| {
                    name(&Timestamp::from_secs(at).to_string())
                })
            };
            let symbols = (time(promise.trial()), time(self.grant.trial));
            let risk = money::wrong_trial(promise, self.grant.trial);
            findings.push(self.finding(
                FindingKind::WrongTrialEnd,
                Field::Trial,
                symbols,
                &[Field::Trial],
                &risk,
            ));
        }
        if self.differs(Field::Seats) {
            let (promised, granted) = (
                promise.seats(self.knobs).unwrap(),
                self.grant.seats.unwrap(),
            );
            if !more_on_purpose(granted > promised) {
                let symbols = (Symbol::Count(promised), Symbol::Count(granted));
                let risk = money::wrong_seats(promise, promised, granted);
                findings.push(self.finding(
                    FindingKind::WrongSeats,
                    Field::Seats,
                    symbols,
                    &[Field::Seats],
                    &risk,
                ));
            }
        }
        if self.differs(Field::Features) {
            findings.extend(self.wrong_features());
        }
        findings
    }

    fn wrong_features(&self) -> Option<Finding> {
        let granted = self.grant.features.as_ref()?;
        let lacks = self
            .promise
            .features
            .iter()
            .any(|name| !granted.contains(&(*name).to_owned()));
        if !lacks && self.grant.comped {
            return None;
        }
        let known = |name: &&String| FEATURES.contains(&name.as_str());
        let mut seen: Vec<String> = granted.iter().filter(known).cloned().collect();
        let foreign: Vec<String> = granted
            .iter()
            .filter(|name| !known(name))
            .cloned()
            .collect();
        if !foreign.is_empty() {
            seen.push("unmapped".to_owned());
        }
        let symbols = (
            Symbol::Set(owned(&self.promise.features)),
            Symbol::Set(seen),
        );
        let risk = Risk::towards(if lacks {
            Direction::Owed
        } else {
            Direction::Leak
        });
        let mut finding = self.finding(
            FindingKind::WrongFeatures,
            Field::Features,
            symbols,
            &[Field::Features],
            &risk,
        );
        if !foreign.is_empty() {
            finding.changes.clear();
            finding.not_repairable = finding
                .not_repairable
                .or(Some(NotRepairable::UnmappedValue));
            finding.foreign = foreign;
        }
        Some(finding)
    }
}
