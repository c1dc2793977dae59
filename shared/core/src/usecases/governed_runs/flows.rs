//! Which kinds of action a flow has registered: a setting of the project, changed by admins.
//!
//! A kind that is registered as harmless is let through where it waited for a person before. So that
//! needs a second person, who sends the same.

use std::collections::BTreeMap;

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use serde_json::{Value, json};

use super::{ATTEMPTS, GovernedRuns, RunError};
use crate::governed_run::{FlowActions, Registered, Registrations, check_flow};
use crate::held_change::{FLOW, HeldChange};
use crate::json::to_json;
use crate::policy::Question;
use crate::ports::StateWrite;
use crate::records::{Record, RecordError, Records, Versioned};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::{change, target_named};
use crate::usecases::governed::Terms;
use crate::usecases::held_changes::{Changes, Outcome, Settled};

/// What a request to register came to.
pub type FlowChange = Outcome<FlowActions>;

impl GovernedRuns {
    /// What a flow has registered; version 0 where nobody registered anything.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn flow(
        &self,
        ctx: &TenantCtx,
        flow: &str,
    ) -> Result<Versioned<FlowActions>, RunError> {
        check_flow(flow, &BTreeMap::new())?;
        let records = self.records(ctx);
        let found = records.get::<FlowActions>(&FlowActions::row(flow)).await?;
        Ok(found.unwrap_or_else(|| Versioned {
            value: FlowActions::none(flow),
            version: 0,
            evidence: None,
        }))
    }

    /// What somebody wants a flow to register instead, while that waits for a second person.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn flow_waiting(
        &self,
        ctx: &TenantCtx,
        flow: &str,
    ) -> Result<Option<HeldChange>, RunError> {
        let name = format!("{FLOW}{flow}");
        Ok(self.changes().of_project(ctx, &name).await?)
    }

    /// Whether the caller may register kinds of action at all; records nothing. It comes before what
    /// they sent.
    ///
    /// # Errors
    /// [`RunError::Denied`].
    pub async fn admit_flow(&self, ctx: &TenantCtx) -> Result<(), RunError> {
        let (judging, question) = (self.changes().judging, question(false));
        let judged = judging.in_project(ctx, &question, Terms::default()).await?;
        if judged.allowed() {
            Ok(())
        } else {
            Err(RunError::Denied(judged.judgement))
        }
    }

    /// Registers what a flow of the version given may do, instead of what it had registered.
    ///
    /// # Errors
    /// [`RunError::Denied`] when policy refuses; the refusal is recorded.
    pub async fn register(
        &self,
        ctx: &TenantCtx,
        flow: &str,
        actions: BTreeMap<String, Registered>,
        reason: Option<&str>,
        version: u64,
    ) -> Result<FlowChange, RunError> {
        check_flow(flow, &actions)?;
        let mut all = self.registrations(ctx).await?;
        for _ in 0..ATTEMPTS {
            let register = self.register_over(all, ctx, flow, actions.clone(), (reason, version));
            let registered = Box::pin(register).await;
            if !matches!(registered, Err(RunError::Changed)) {
                return registered;
            }
            // Whoever registers for another flow at this moment is nobody that the caller could know of.
            let before = all;
            all = self.registrations(ctx).await?;
            if all == before || self.flow(ctx, flow).await?.version != version {
                return registered;
            }
        }
        Err(RunError::Busy)
    }

    /// The version of the row that every registration writes; 0 before the first.
    async fn registrations(&self, ctx: &TenantCtx) -> Result<u64, RunError> {
        let records = self.records(ctx);
        let all = records.get::<Registrations>(Registrations::ID).await?;
        Ok(all.map_or(0, |all| all.version))
    }

    async fn register_over(
        &self,
        all: u64,
        ctx: &TenantCtx,
        flow: &str,
        actions: BTreeMap<String, Registered>,
        (reason, version): (Option<&str>, u64),
    ) -> Result<FlowChange, RunError> {
        let project = self.project(ctx).await?;
        let now = self.flow(ctx, flow).await?;
        let (changes, name) = (self.changes(), format!("{FLOW}{flow}"));
        let question = question(now.value.loosened_by(&actions));
        let value = json!({ "actions": kinds(&actions), "instead_of": kinds(&now.value.actions) });
        let mut wanted = changes.in_project(ctx, &project, &name, question, value)?;
        wanted.reason = reason;
        let asked = changes.ask(&wanted).await?;
        if now.version != version {
            return Err(RunError::Changed);
        }
        let Settled::Happens(happens) = changes.settle(&wanted, asked).await? else {
            return Ok(Outcome::Held(now));
        };
        let about = [
            ("actions", to_json(&kinds(&actions))?),
            ("actions_before", to_json(&kinds(&now.value.actions))?),
        ];
        let target = target_named("flow", &now.value.id);
        let facts = change(ctx.principal(), target, about);
        let draft = Draft::new(Kind::ConfigChanged, facts);
        let after = FlowActions {
            actions,
            ..now.value
        };
        let records = self.records(ctx);
        let last = Registrations {
            last: after.id.clone(),
        };
        let rows = [
            stored(&records, version, &after)?,
            stored(&records, all, &last)?,
        ];
        let evidence = changes.carry_out(&wanted, &happens, draft, rows).await?;
        Ok(Outcome::Done(Versioned {
            value: after,
            version: version.saturating_add(1),
            evidence,
        }))
    }

    fn changes(&self) -> Changes<'_> {
        let (clock, random) = (self.clock.as_ref(), self.random.as_ref());
        Changes::of(self.evidence.as_ref(), (self.state.as_ref(), clock, random))
    }
}

const fn question(loosening: bool) -> Question {
    Question::ChangeSetting {
        name: "flow",
        loosening,
    }
}

/// The write of a record of the version given, 0 where there is none yet.
fn stored<T: Record>(
    records: &Records<'_>,
    version: u64,
    record: &T,
) -> Result<StateWrite, RecordError> {
    match version {
        0 => records.create(record),
        version => records.replace(version, record),
    }
}

/// Kinds of action in evidence: names that admins chose, and no fields of a fact.
fn kinds(actions: &BTreeMap<String, Registered>) -> Value {
    let one =
        |(kind, it): (&String, &Registered)| json!({ "destructive": it.destructive, "kind": kind });
    actions.iter().map(one).collect()
}
