//! One column of a subject: promised, granted, different, and what a repair would write.

use super::diff::Subject;
use super::finding::{Field, Symbol};
use super::promised::plan;
use super::risk;
use crate::cell::Cell;
use crate::repair::ColumnChange;
use crate::time::Timestamp;

impl Subject<'_> {
    /// What a repair writes to the column of `field`, if it may write it at all.
    pub(super) fn change(&self, field: Field) -> Option<ColumnChange> {
        let access = &self.scan.artifact.compiled().access;
        let (column, repairable, place) = match field {
            Field::Plan => access
                .plan
                .as_ref()
                .map(|it| (&it.column, it.repairable, self.layout.plan)),
            Field::Premium => access
                .premium
                .as_ref()
                .map(|it| (&it.column, it.repairable, self.layout.premium)),
            Field::Trial => access
                .trial
                .as_ref()
                .map(|it| (&it.column, it.repairable, self.layout.trial)),
            Field::Seats => access
                .seats
                .as_ref()
                .map(|it| (&it.column, it.repairable, self.layout.seats)),
            Field::Features => access
                .features
                .as_ref()
                .map(|it| (&it.column, it.repairable, self.layout.features)),
        }?;
        let after = match field {
            Field::Plan => Cell::Text(self.promised_plan().to_owned()),
            Field::Premium => Cell::Bool(self.promise.premium),
            Field::Trial => self
                .promise
                .trial()
                .map_or(Cell::Null, |at| Cell::Time(Timestamp::from_secs(at))),
            Field::Seats => Cell::Int(self.promised_seats()?),
            Field::Features => Cell::List(self.promised_features()),
        };
        let before = self.row.cells.get(place?)?.clone();
        let writable = !matches!((field, &before), (Field::Features, Cell::Text(_)));
        (repairable && writable).then(|| ColumnChange {
            column: column.clone(),
            before,
            after,
        })
    }

    pub(super) fn differs(&self, field: Field) -> bool {
        let access = &self.scan.artifact.compiled().access;
        match field {
            Field::Plan => self
                .grant
                .plan
                .is_some_and(|plan| plan != self.promised_plan()),
            Field::Premium => access.premium.is_some() && self.grant.access != self.promise.premium,
            Field::Trial => {
                let Some(column) = &access.trial else {
                    return false;
                };
                match (self.promise.trial(), self.grant.trial) {
                    // The end of a trial that is over anyway says nothing.
                    (None, granted) => granted.is_some_and(|end| end > self.scan.as_of),
                    (Some(_), None) => true,
                    (Some(promised), Some(granted)) => {
                        promised.abs_diff(granted) > column.tolerance_s
                    }
                }
            }
            Field::Seats => self
                .promised_seats()
                .zip(self.grant.seats)
                .is_some_and(|(a, b)| a != b),
            Field::Features => self.features_differ(),
        }
    }

    pub(super) fn features_differ(&self) -> bool {
        let Some(granted) = &self.grant.features else {
            return false;
        };
        let promised = &self.promise.features;
        let shop = &self.scan.shop;
        let same = granted.len() == promised.len()
            && granted
                .iter()
                .zip(promised)
                .all(|(name, id)| shop.feature(*id) == Some(name));
        !same && self.promised_features() != self.granted_features()
    }

    pub(super) fn promised_plan(&self) -> &str {
        let mapping = self.scan.artifact.compiled();
        let none = mapping
            .access
            .plan
            .as_ref()
            .map_or("", |column| column.none.as_str());
        plan(mapping, self.promise.plan).map_or(none, |plan| plan.name.as_str())
    }

    /// `None` where nothing can be said about seats.
    pub(super) fn promised_seats(&self) -> Option<i64> {
        let column = self.scan.artifact.compiled().access.seats.as_ref()?;
        match self.promise.leading {
            Some(_) if self.promise.plan.is_some() => self.promise.seats(),
            _ => Some(column.none),
        }
    }

    pub(super) fn promised_features(&self) -> Vec<String> {
        let name = |id: &u16| self.scan.shop.feature(*id).map(str::to_owned);
        self.promise.features.iter().filter_map(name).collect()
    }

    pub(super) fn granted_features(&self) -> Vec<String> {
        let mut names = self.grant.features.as_deref().unwrap_or_default().to_vec();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The plan that the row names, if the mapping knows it.
    pub(super) fn granted_plan(&self) -> Option<u16> {
        risk::plan_named(self.scan, self.grant.plan)
    }

    pub(super) fn plan_exceeds(&self) -> bool {
        let shop = &self.scan.shop;
        shop.rank(self.granted_plan()) > shop.rank(self.promise.plan)
    }

    /// The row's plan, if the mapping does not know it.
    pub(super) fn foreign_plan(&self) -> Vec<String> {
        let column = self.scan.artifact.compiled().access.plan.as_ref();
        let none = column.map(|column| column.none.as_str());
        let plan = self.grant.plan.filter(|plan| Some(*plan) != none);
        plan.filter(|_| self.granted_plan().is_none())
            .map(str::to_owned)
            .into_iter()
            .collect()
    }

    pub(super) fn granted_plan_symbol(&self) -> Symbol {
        if self.foreign_plan().is_empty() {
            Symbol::name(self.grant.plan.unwrap_or_default())
        } else {
            Symbol::name("unmapped")
        }
    }
}
