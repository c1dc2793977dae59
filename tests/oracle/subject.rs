//! One row, what it is promised and what it grants.

use counterfoil_core::cell::Cell;
use counterfoil_core::promise::Rule;

use crate::judge::{Judged, Says};
use crate::shop::{Knobs, PLANS, is_paid, offered};
use crate::world::{AS_OF, Row};

/// The plan of the highest rank among the prices of a subscription.
pub(crate) fn plan_of(judged: &Judged<'_>) -> Option<&'static str> {
    let offers = judged
        .sold()
        .into_iter()
        .filter_map(|(sold, _)| offered(sold));
    let ranked = offers.filter_map(|it| Some((it.plan?.0, it.name)));
    ranked.max().map(|(_, name)| name)
}

fn rank(plan: Option<&str>) -> Option<u32> {
    let plan = plan?;
    let mut ranks = PLANS.iter().filter(|(name, ..)| *name == plan);
    ranks.next().map(|(_, rank, _)| *rank)
}

/// What the subscriptions of one row promise together.
#[derive(Debug, Default)]
pub(crate) struct Promise<'a> {
    /// By id.
    pub(crate) all: Vec<Judged<'a>>,
    pub(crate) leading: Option<Judged<'a>>,
    pub(crate) plan: Option<&'static str>,
    pub(crate) premium: bool,
    pub(crate) features: Vec<&'static str>,
    /// Prices without a rule, and whether all of them lack only a currency.
    pub(crate) unmapped: Vec<&'static str>,
    pub(crate) only_currency: bool,
    pub(crate) unknown: Option<Judged<'a>>,
}

impl<'a> Promise<'a> {
    pub(crate) fn of(mut all: Vec<Judged<'a>>, knobs: &Knobs) -> Self {
        all.sort_by(|a, b| a.id().cmp(b.id()));
        let granting: Vec<Judged<'a>> = all
            .iter()
            .filter(|it| it.says == Says::Grants)
            .cloned()
            .collect();
        let order = |it: &Judged<'_>| {
            (
                rank(plan_of(it)),
                it.subscription.created,
                it.id().to_owned(),
            )
        };
        let leading = granting.iter().max_by_key(|it| order(it)).cloned();
        let plan = leading.as_ref().and_then(plan_of);
        let mut promise = Promise {
            leading,
            plan,
            only_currency: true,
            ..Promise::default()
        };
        for judged in &granting {
            let counts = !knobs.highest
                || promise
                    .leading
                    .as_ref()
                    .is_some_and(|it| it.id() == judged.id());
            for (sold, _) in judged.sold() {
                match offered(sold) {
                    Some(offer) if counts => promise.features.extend(offer.features),
                    Some(_) => {}
                    None => promise.only_currency = false,
                }
                if offered(sold).is_none() || sold.currency == "zzz" {
                    promise.unmapped.push(sold.id);
                }
            }
            let paid = plan_of(judged).is_some_and(is_paid);
            promise.premium |= paid && knobs.columns.contains_key("premium");
        }
        if !knobs.columns.contains_key("premium") {
            promise.premium = promise.plan.is_some_and(|plan| plan != "free");
        }
        for names in [&mut promise.features, &mut promise.unmapped] {
            names.sort_unstable();
            names.dedup();
        }
        let said_nothing = || all.iter().filter(|it| it.says == Says::Nothing);
        let strange = said_nothing().find(|it| it.rule == Rule::UnknownState);
        promise.unknown = strange.or_else(|| said_nothing().next_back()).cloned();
        promise.all = all;
        promise
    }

    pub(crate) fn granting(&self) -> impl Iterator<Item = &Judged<'a>> {
        self.all.iter().filter(|it| it.says == Says::Grants)
    }

    pub(crate) fn newest(&self, says: Says) -> Option<&Judged<'a>> {
        let such = self.all.iter().filter(|it| it.says == says);
        such.max_by_key(|it| (it.subscription.created, it.id()))
    }

    pub(crate) fn rule(&self) -> Option<Rule> {
        let why = self.leading.as_ref().or(self.unknown.as_ref());
        why.or_else(|| self.newest(Says::Refuses)).map(|it| it.rule)
    }

    pub(crate) fn trial(&self) -> Option<i64> {
        self.leading.as_ref()?.trial
    }

    /// `None` where nothing can be said.
    pub(crate) fn seats(&self, knobs: &Knobs) -> Option<i64> {
        let (Some(leading), Some(plan)) = (&self.leading, self.plan) else {
            return Some(knobs.no_seats);
        };
        let of_plan = leading.sold().into_iter().filter(|(sold, _)| {
            offered(sold).is_some_and(|it| it.plan.is_some() && it.name == plan)
        });
        of_plan
            .filter_map(|(_, quantity)| quantity)
            .max()
            .map(i64::from)
    }
}

/// What a row grants; a role without a column is absent.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) plan: Option<String>,
    /// The row's plan, if the mapping knows it.
    pub(crate) known_plan: Option<&'static str>,
    pub(crate) foreign_plan: bool,
    pub(crate) access: bool,
    pub(crate) trial: Option<i64>,
    pub(crate) seats: Option<i64>,
    pub(crate) features: Option<Vec<String>>,
    pub(crate) comped: bool,
}

impl Grant {
    pub(crate) fn of(row: &Row, knobs: &Knobs) -> Self {
        let cell = |role: &'static str| knobs.columns.get(role).map(|_| &row.cells[role]);
        let plan = cell("plan").map(|cell| match cell {
            Cell::Text(name) => name.clone(),
            _ => "free".to_owned(),
        });
        let mut names = PLANS.iter().map(|(name, ..)| *name);
        let known_plan = names.find(|name| Some(*name) == plan.as_deref());
        let access = match cell("premium") {
            Some(cell) => *cell == Cell::Bool(true),
            None => plan.as_deref() != Some("free"),
        };
        let names = |cell: &Cell| match cell {
            Cell::List(names) => names.clone(),
            Cell::Text(text) if text.starts_with('[') => serde_json::from_str(text).unwrap(),
            Cell::Text(text) => text.split(',').map(|name| name.trim().to_owned()).collect(),
            _ => Vec::new(),
        };
        let features = cell("features").map(names).map(|mut names| {
            names.sort();
            names.dedup();
            names
        });
        Self {
            foreign_plan: plan
                .as_ref()
                .is_some_and(|plan| plan != "free" && known_plan.is_none()),
            plan,
            known_plan,
            access,
            trial: match cell("trial") {
                Some(Cell::Time(at)) => Some(at.as_secs()),
                _ => None,
            },
            seats: cell("seats").map(|cell| match cell {
                Cell::Int(count) => *count,
                _ => knobs.no_seats,
            }),
            features,
            comped: match cell("comp") {
                Some(Cell::Bool(flag)) => *flag,
                Some(Cell::Time(until)) => until.as_secs() > AS_OF,
                Some(Cell::Text(note)) => !note.is_empty(),
                Some(Cell::Int(number)) => *number != 0,
                _ => false,
            },
        }
    }

    /// The granted plan ranks above the promised one.
    pub(crate) fn exceeds(&self, promise: &Promise<'_>) -> bool {
        rank(self.known_plan) > rank(promise.plan)
    }
}
