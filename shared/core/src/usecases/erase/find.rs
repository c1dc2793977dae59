//! What there is of a run or a customer: entries with erasable parts, and the records around them.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::header::Header;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::part::PartName;

use super::{Erase, EraseError, corrupt};
use crate::erasure::ErasureScope;
use crate::export::{Asked, Export, ExportScope};
use crate::governed_run::GovernedRun;
use crate::ids::RunId;
use crate::incident::Incident;
use crate::policy::EvidenceFacts;
use crate::ports::{StoredEntry, StoredPart};
use crate::records::{Project, Records, RunAction, Versioned};
use crate::repair::Action;
use crate::run::{Run, RunScope, RunStep};
use crate::tenancy::TenantCtx;
use crate::usecases::reconcile::Seen;

/// An entry whose `subject` is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) seq: u64,
    pub(super) leaf: Hash,
    pub(super) commit: Hash,
    pub(super) run: Option<String>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By position.
    pub(super) targets: BTreeMap<u64, Target>,
    /// Positions and runs of all entries that were looked at, erasable or not.
    seen: BTreeSet<(u64, Option<String>)>,
    /// The run that was asked for is open.
    pub(super) run_open: bool,
    /// A repair of it is not finished.
    pub(super) open_actions: bool,
    pub(super) incidents: Vec<Versioned<Incident>>,
    pub(super) actions: Vec<Versioned<Action>>,
    /// Actions of a governed run.
    pub(super) run_actions: Vec<Versioned<RunAction>>,
    /// Runs whose own record names the customer.
    pub(super) runs: Vec<Versioned<Run>>,
    /// Runs whose snapshots hold something of it and are not gone.
    pub(super) snapshots: Vec<Versioned<Run>>,
    /// Exports that were made before and hold something of it.
    pub(super) exports: Vec<Versioned<Export>>,
    /// What checks saw of it.
    pub(super) seen_rows: Vec<Versioned<Seen>>,
    /// Requests for exports that name the customer.
    pub(super) asked: Vec<Versioned<Asked>>,
}

impl Found {
    /// As policy knows it.
    pub(super) fn facts(&self, scope: &ErasureScope, legal_hold: bool) -> EvidenceFacts {
        let (id, extent) = match scope {
            ErasureScope::Run { run } => (run.to_string(), "run"),
            ErasureScope::Customer { pseudonym, .. } => (pseudonym.clone(), "range"),
        };
        EvidenceFacts {
            id,
            extent,
            entries: u64::try_from(self.targets.len()).unwrap_or(u64::MAX),
            legal_hold,
        }
    }

    /// Nothing at all is known of it: absent, for whoever asks.
    pub(super) fn is_nothing(&self) -> bool {
        self.seen.is_empty()
            && self.incidents.is_empty()
            && self.actions.is_empty()
            && self.run_actions.is_empty()
            && self.runs.is_empty()
            && self.snapshots.is_empty()
            && self.exports.is_empty()
            && self.seen_rows.is_empty()
            && self.asked.is_empty()
    }

    /// Nothing is left to erase.
    pub(super) fn nothing_left(&self) -> bool {
        self.targets.is_empty()
            && self.incidents.is_empty()
            && self.actions.is_empty()
            && self.run_actions.is_empty()
            && self.runs.is_empty()
            && self.snapshots.is_empty()
            && self.exports.is_empty()
            && self.seen_rows.is_empty()
            && self.asked.is_empty()
    }

    /// Without actions that are on their way, and without what they repair: they were proposed after this
    /// was decided, and belong to the next erasure. What becomes of them is still to be recorded, and
    /// cites what explains their rows.
    pub(super) fn without_open_actions(mut self) -> Self {
        let (over, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.actions)
            .into_iter()
            .partition(|it| it.value.is_over());
        self.actions = over;
        let resources = open.iter().map(|it| it.value.binding.resource.incident());
        let repaired: BTreeSet<_> = resources.flatten().collect();
        self.incidents.retain(|it| !repaired.contains(&it.value.id));
        self
    }

    fn take(&mut self, stored: &StoredEntry, stream: Hash) -> Result<Header, EraseError> {
        let header = Header::parse(&stored.header, stream).map_err(|_| corrupt())?;
        let run = header.run.as_ref().map(|run| run.id.clone());
        self.seen.insert((stored.seq, run.clone()));
        if let (Some(StoredPart::Present { .. }), Some(commit)) =
            (&stored.subject, header.commitment(PartName::Subject))
        {
            let target = Target {
                seq: stored.seq,
                leaf: header.leaf(),
                commit,
                run,
            };
            self.targets.insert(stored.seq, target);
        }
        Ok(header)
    }
}

impl Erase {
    pub(super) async fn find(
        &self,
        ctx: &TenantCtx,
        project: &Project,
        scope: &ErasureScope,
    ) -> Result<Found, EraseError> {
        let stream = project.stream_id()?;
        let mut found = match scope {
            ErasureScope::Run { run } => self.of_run(ctx, stream, *run).await?,
            ErasureScope::Customer {
                pseudonym,
                customer,
            } => {
                let customer = customer.as_deref().unwrap_or_default();
                self.of_customer(ctx, stream, pseudonym, customer).await?
            }
        };
        found.open_actions = found.actions.iter().any(|action| !action.value.is_over());
        let customer = match scope {
            ErasureScope::Customer { customer, .. } => customer.as_deref(),
            ErasureScope::Run { .. } => None,
        };
        self.exports_of(ctx, customer, &mut found).await?;
        Ok(found)
    }

    async fn of_run(&self, ctx: &TenantCtx, stream: Hash, run: RunId) -> Result<Found, EraseError> {
        let mut found = Found::default();
        let records = Records::of(self.state.as_ref(), ctx);
        let mut closed = false;
        let mut reviewed = Vec::new();
        for entry in self.reader.run(stream, &run.to_string()).await? {
            closed |= found.take(&entry, stream)?.kind == Kind::RunClose;
            reviewed.extend(reviewed_in(&entry));
        }
        found.run_open = !closed && !found.seen.is_empty();
        if found.seen.is_empty() {
            return Ok(found);
        }
        if let Some(row) = records.get::<Run>(&run.to_string()).await? {
            found.run_open |= row.value.step != RunStep::Done;
            if has_snapshots(&row.value) {
                found.snapshots.push(row.clone());
            }
            if names_somebody(&row.value) {
                found.runs.push(row);
            }
        }
        let actions = records.list::<Action>().await?.into_iter();
        found.actions = actions
            .filter(|action| action.value.binding.run == run || action.value.follow_up == Some(run))
            .filter(|action| !action.value.is_erased())
            .collect();
        if records
            .get::<GovernedRun>(&run.to_string())
            .await?
            .is_some()
        {
            let actions = records.list::<RunAction>().await?.into_iter();
            found.run_actions = actions
                .filter(|action| action.value.action().binding.run == run)
                .filter(|action| !action.value.action().is_erased())
                .collect();
        }
        for id in reviewed {
            let action = records.get::<Action>(&id).await?;
            found
                .actions
                .extend(action.filter(|it| it.value.has_review()));
            let action = records.get::<RunAction>(&id).await?;
            let action = action.filter(|it| it.value.action().has_review());
            found.run_actions.extend(action);
        }
        let incidents = records.list::<Incident>().await?.into_iter();
        // An incident that is open is what is true now, not the content of a past run.
        found.incidents = incidents
            .filter(|incident| incident.value.is_past() && incident.value.seen_by == run)
            .filter(|incident| !incident.value.is_erased())
            .collect();
        let kept = |seen: &Seen| seen.run == run && seen.state.is_some();
        found.seen_rows = self.seen_rows(ctx, kept).await?;
        Ok(found)
    }

    async fn of_customer(
        &self,
        ctx: &TenantCtx,
        stream: Hash,
        pseudonym: &str,
        customer: &str,
    ) -> Result<Found, EraseError> {
        let mut found = Found::default();
        let records = Records::of(self.state.as_ref(), ctx);
        let incidents = records.list::<Incident>().await?.into_iter();
        found.incidents = incidents
            .filter(|incident| incident.value.concerns(customer))
            .collect();
        found.seen_rows = self.seen_rows(ctx, |seen| seen.concerns(customer)).await?;
        let concerned: BTreeSet<_> = found.incidents.iter().map(|it| it.value.id).collect();
        let actions = records.list::<Action>().await?.into_iter();
        found.actions = actions
            .filter(|action| {
                let repaired = action.value.binding.resource.incident();
                repaired.is_some_and(|incident| concerned.contains(&incident))
                    || action.value.about.as_deref() == Some(pseudonym)
            })
            .filter(|action| !action.value.is_erased())
            .collect();
        let mut runs: BTreeSet<String> = BTreeSet::new();
        for action in &found.actions {
            runs.insert(action.value.binding.run.to_string());
            runs.extend(action.value.follow_up.map(|run| run.to_string()));
        }
        let others: BTreeSet<&str> = found
            .incidents
            .iter()
            .flat_map(|incident| incident.value.finding.customers.iter())
            .map(String::as_str)
            .collect();
        let mut snapshots = Vec::new();
        for run in records.list::<Run>().await? {
            let checked = match &run.value.scope {
                RunScope::Check { customer } => Some(customer.as_str()),
                RunScope::Scan => None,
            };
            if checked == Some(customer) {
                runs.insert(run.value.id.to_string());
                found.runs.push(run.clone());
            }
            // A scan has read everybody; a check also those who share a row with the one it is of.
            let read = checked.is_none_or(|of| of == customer || others.contains(of));
            if read && has_snapshots(&run.value) {
                snapshots.push(run);
            }
        }
        for run in runs {
            for entry in self.reader.run(stream, &run).await? {
                found.take(&entry, stream)?;
            }
        }
        for seq in self.reader.by_subject(stream, pseudonym).await? {
            let next = seq.saturating_add(1);
            for entry in self.reader.entries(stream, seq, next).await? {
                found.take(&entry, stream)?;
            }
        }
        // A scan has read everybody, also those whom no record names. Who is in a sealed snapshot is
        // not known here, so it is given up for whoever is named; a text that looks like no id of
        // Stripe's and that no record names is nobody.
        let scanned = customer.starts_with("cus_")
            && snapshots
                .iter()
                .any(|run| run.value.scope == RunScope::Scan);
        if scanned || !found.is_nothing() {
            found.snapshots = snapshots;
        }
        Ok(found)
    }

    async fn seen_rows(
        &self,
        ctx: &TenantCtx,
        wanted: impl Fn(&Seen) -> bool + Send,
    ) -> Result<Vec<Versioned<Seen>>, EraseError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let all = records.list::<Seen>().await?.into_iter();
        Ok(all.filter(|seen| wanted(&seen.value)).collect())
    }

    async fn exports_of(
        &self,
        ctx: &TenantCtx,
        customer: Option<&str>,
        found: &mut Found,
    ) -> Result<(), EraseError> {
        let records = Records::of(self.state.as_ref(), ctx);
        let runs: BTreeSet<&str> = found
            .seen
            .iter()
            .filter_map(|(_, run)| run.as_deref())
            .collect();
        let holds = |export: &Export| match &export.scope {
            ExportScope::Run { run_id } => runs.contains(run_id.to_string().as_str()),
            ExportScope::Customer { customer: of } => match customer {
                Some(customer) => of == customer,
                // Whose ledger cites this run is not known here.
                None => !found.seen.is_empty(),
            },
            // With inputs, it holds what these runs have read: everybody.
            ExportScope::Period { .. } | ExportScope::All
                if export.inputs && !found.snapshots.is_empty() =>
            {
                true
            }
            ExportScope::Period { .. } | ExportScope::All => match &export.made {
                Some(made) => {
                    let range = (made.from, None)..(made.to, None);
                    found.seen.range(range).next().is_some()
                }
                // What a worker is at may hold anything that was seen.
                None => !export.is_final() && !found.seen.is_empty(),
            },
            ExportScope::Workspace => false,
        };
        // A failed export has nothing to delete; only the name in it has to go.
        let matters = |export: &Export| {
            export.made.is_some()
                || !export.is_final()
                || matches!(export.scope, ExportScope::Customer { .. })
        };
        let exports = records.list::<Export>().await?.into_iter();
        let exports: Vec<_> = exports
            .filter(|export| !export.value.is_erased())
            .filter(|export| matters(&export.value) && holds(&export.value))
            .collect();
        found.exports = exports;
        let asked = records.list::<Asked>().await?.into_iter();
        found.asked = asked
            .filter(|asked| match (&asked.value.scope, customer) {
                (ExportScope::Customer { customer: of }, Some(customer)) => of == customer,
                _ => false,
            })
            .collect();
        Ok(())
    }

    /// Positions and runs of everything that an erasure would take something from.
    pub(super) async fn touched(
        &self,
        stream: Hash,
        found: &Found,
    ) -> Result<BTreeSet<(u64, Option<String>)>, EraseError> {
        let mut touched = found.seen.clone();
        for run in &found.snapshots {
            let id = run.value.id.to_string();
            if touched.iter().any(|(_, run)| run.as_deref() == Some(&id)) {
                continue;
            }
            for entry in self.reader.run(stream, &id).await? {
                touched.insert((entry.seq, Some(id.clone())));
            }
        }
        Ok(touched)
    }
}

pub(super) fn has_snapshots(run: &Run) -> bool {
    match run.pruned {
        Some(pruned) => !pruned.gone,
        None => run.has_read() || run.step != RunStep::Done,
    }
}

fn names_somebody(run: &Run) -> bool {
    matches!(&run.scope, RunScope::Check { customer } if customer != crate::erasure::ERASED)
}

/// The action whose review of break-glass an entry decides about: what the reviewer said is the comment of
/// that decision, and stands with the action.
fn reviewed_in(entry: &StoredEntry) -> Option<String> {
    let Some(StoredPart::Present { bytes, .. }) = &entry.facts else {
        return None;
    };
    let facts = Json::parse(bytes).ok()?;
    let says = |name, word| facts.get(name).and_then(Json::as_str) == Some(word);
    let of_review = says("action", "override.review") && says("effect", "ALLOW");
    let request = facts.get("request").filter(|_| of_review)?;
    let id = request.get("resource")?.get("id")?;
    id.as_str().map(str::to_owned)
}
