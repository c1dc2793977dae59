//! Both sides of a customer, as people and programs see them.

use std::collections::BTreeMap;

use counterfoil_core::ids::{ProjectId, RunId};
use counterfoil_core::reconcile::{
    CustomerPresence, GrantState, Identity, PromiseState, RowState, SubscriptionState,
};
use counterfoil_core::tenancy::TenantCtx;
use counterfoil_core::usecases::{CustomerView, Seen};
use serde::Serialize;
use utoipa::ToSchema;

use crate::open_words;
use crate::schema;
use crate::sight::Sight;

use super::Incident;

open_words! {
    /// What Stripe says about a customer itself.
    pub(crate) PresenceWord: "known", "deleted", "other_mode", "unknown";
    /// How surely customers belong to a row.
    pub(crate) IdentityWord: "metadata", "stored_id", "email", "ambiguous";
}

/// What is stored about a customer.
#[derive(Serialize, ToSchema)]
#[schema(as = CustomerState)]
pub struct BothSides {
    /// Their id in Stripe.
    customer: String,
    /// The last complete check; `null` without one in the last 30 days.
    last_check: Option<LastCheck>,
    /// What they are promised.
    promise: Option<Promise>,
    /// The rows that belong to them.
    rows: Option<Vec<AppRow>>,
    incidents: Vec<Incident>,
    /// What is paid and not given, per month in minor units by currency.
    owed_per_month: BTreeMap<String, i64>,
    /// What is given without pay, the same way.
    leak_per_month: BTreeMap<String, i64>,
    fresh_look: FreshLook,
}

/// The last complete check of a customer.
#[derive(Serialize, ToSchema)]
pub(crate) struct LastCheck {
    #[schema(value_type = schema::Time)]
    at: String,
    #[schema(value_type = schema::RunId)]
    run: RunId,
    #[schema(value_type = Option<PresenceWord>)]
    stripe: Option<CustomerPresence>,
    /// Differences that only a scan can decide.
    left_to_a_scan: u64,
    /// Subscriptions were left out because there are too many.
    shortened: bool,
}

/// The request that looks again.
#[derive(Serialize, ToSchema)]
pub(crate) struct FreshLook {
    method: &'static str,
    path: &'static str,
    body: FreshLookBody,
}

/// Its body.
#[derive(Serialize, ToSchema)]
pub(crate) struct FreshLookBody {
    #[schema(value_type = schema::ProjectId)]
    project: ProjectId,
    /// Masked for viewers.
    customer: String,
}

/// What is promised, in the mapping's names.
#[derive(Serialize, ToSchema)]
pub(crate) struct Promise {
    access: bool,
    plan: Option<String>,
    seats: Option<i64>,
    #[schema(value_type = Option<schema::Time>)]
    trial_end: Option<String>,
    features: Vec<String>,
    /// Every price and state behind it has a rule.
    certain: bool,
    /// Why.
    rule: &'static str,
    subscriptions: Vec<Subscription>,
}

/// A subscription and what it comes to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Subscription {
    /// Masked for viewers.
    id: String,
    /// Masked for viewers.
    customer: String,
    plan: Option<String>,
    /// `null` where nothing may be concluded.
    grants: Option<bool>,
    /// It sets plan, seats and end of trial.
    leads: bool,
    rule: &'static str,
}

/// A row of the app.
#[derive(Serialize, ToSchema)]
#[schema(as = Row)]
pub(crate) struct AppRow {
    /// Its primary key. Masked for viewers.
    row: String,
    customers: Vec<String>,
    #[schema(value_type = Option<IdentityWord>)]
    identity: Option<Identity>,
    promise: Promise,
    grant: Grant,
}

/// What a row grants. Its values are masked for viewers; a number, a time or a list is then `null`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Grant {
    access: bool,
    plan: Option<String>,
    seats: Option<i64>,
    #[schema(value_type = Option<schema::Time>)]
    trial_end: Option<String>,
    features: Option<Vec<String>>,
    /// A marker says that access was given on purpose.
    comped: bool,
}

impl BothSides {
    /// As the caller may see it.
    pub fn of(ctx: &TenantCtx, customer: &str, found: &CustomerView) -> Self {
        let sight = Sight::of(ctx);
        let incidents = found.incidents.iter();
        let state = found.seen.as_ref().and_then(|seen| seen.state.as_ref());
        Self {
            customer: sight.id(customer),
            last_check: found.seen.as_ref().map(LastCheck::of),
            promise: state.map(|state| Promise::of(&state.promise, sight)),
            rows: state.map(|state| {
                state
                    .rows
                    .iter()
                    .map(|row| AppRow::of(row, sight))
                    .collect()
            }),
            incidents: incidents
                .map(|it| Incident::of(it, found.now, sight))
                .collect(),
            owed_per_month: found.owed.clone(),
            leak_per_month: found.leak.clone(),
            fresh_look: FreshLook {
                method: "POST",
                path: "/v1/checks",
                body: FreshLookBody {
                    project: ctx.project(),
                    customer: sight.id(customer),
                },
            },
        }
    }
}

impl LastCheck {
    fn of(seen: &Seen) -> Self {
        Self {
            at: seen.looked_at.to_string(),
            run: seen.run,
            stripe: seen.state.as_ref().map(|state| state.presence),
            left_to_a_scan: seen.left_to_scan,
            shortened: seen.shortened,
        }
    }
}

impl Promise {
    fn of(promise: &PromiseState, sight: Sight) -> Self {
        let subscriptions = promise.subscriptions.iter();
        Self {
            access: promise.access,
            plan: promise.plan.clone(),
            seats: promise.seats,
            trial_end: promise.trial_end.map(|at| at.to_string()),
            features: promise.features.clone(),
            certain: promise.certain,
            rule: promise.rule.name(),
            subscriptions: subscriptions
                .map(|it| Subscription::of(it, sight))
                .collect(),
        }
    }
}

impl Subscription {
    fn of(subscription: &SubscriptionState, sight: Sight) -> Self {
        Self {
            id: sight.id(&subscription.id),
            customer: sight.id(&subscription.customer),
            plan: subscription.plan.clone(),
            grants: subscription.grants,
            leads: subscription.leads,
            rule: subscription.rule.name(),
        }
    }
}

impl AppRow {
    fn of(row: &RowState, sight: Sight) -> Self {
        Self {
            row: sight.value(&row.row),
            customers: sight.ids(&row.customers),
            identity: row.identity,
            promise: Promise::of(&row.promise, sight),
            grant: Grant::of(&row.grant, sight),
        }
    }
}

impl Grant {
    fn of(grant: &GrantState, sight: Sight) -> Self {
        Self {
            access: grant.access,
            plan: grant.plan.as_deref().map(|plan| sight.value(plan)),
            seats: sight.other(grant.seats),
            trial_end: sight.other(grant.trial_end.map(|at| at.to_string())),
            features: sight.other(grant.features.clone()),
            comped: grant.comped,
        }
    }
}

super::silent!(BothSides);
