//! Mass drift: so many differences that the mapping or a source must be broken.
//!
//! A scan sees how many differ and opens one incident instead of all of them. A check sees one
//! customer; but after a mapping that is wrong was activated, or while the app writes nonsense,
//! each webhook would open one more incident and propose one more repair. So a check that opens an
//! incident counts those that are open: beyond the mapping's limit nothing is proposed any more,
//! and a person must look. What differs is shown all the same.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;

use super::record::opened;
use super::{Reconcile, ReconcileError, Work, acknowledged};
use crate::ids::IncidentId;
use crate::incident::{Incident, IncidentState};
use crate::mapping::Artifact;
use crate::ports::{AppendError, Batch};
use crate::reconcile::{Finding, is_mass_drift};
use crate::records::{Records, Versioned};
use crate::run::RunScope;
use crate::snapshot::Told;
use crate::usecases::facts::{change, target};
use crate::usecases::scan::customers_of_last_scan;

impl Reconcile {
    /// What opens one `mass_drift` incident, or says that it is still there, by an entry of its own.
    pub(super) async fn raise_breaker(
        &self,
        work: &Work<'_>,
        artifact: &Artifact,
        differing: u64,
    ) -> Result<Batch, ReconcileError> {
        let run = &work.run.value;
        let finding = Finding::mass_drift(differing, artifact.max_drift_permille());
        let records = Records::of(self.state.as_ref(), work.ctx);
        let id = Incident::identity(work.project.id, &finding);
        let known = records.get::<Incident>(&id.to_string()).await?;
        let now = self.clock.now();
        let (kind, write) = if let Some(known) = known {
            let seen = known.value.seen(finding, run.id, now);
            let write = records.replace(known.version, &seen)?;
            (Kind::IncidentChanged, write)
        } else {
            let new = Incident::open(work.project.id, finding, run.id, now);
            (Kind::IncidentOpened, records.create(&new)?)
        };
        let facts = change(work.ctx.principal(), target("incident", id), []);
        let draft = Draft::new(kind, facts).in_run(run.id);
        Ok(Batch::of([draft]).with(write.explained_by(0)))
    }

    /// Opens the mass drift when a check is about to open one more incident than the mapping's
    /// limit allows, compared with the customers of the last complete scan. Without such a scan
    /// nobody knows how many customers there are, and nothing is stopped.
    pub(super) async fn stops_burst(
        &self,
        work: &Work<'_>,
        artifact: &Artifact,
        told: &Told,
        known: &BTreeMap<IncidentId, Versioned<Incident>>,
    ) -> Result<bool, ReconcileError> {
        let is_check = matches!(work.run.value.scope, RunScope::Check { .. });
        let at = (self.clock.now(), artifact.race_grace());
        let opened = opened(work, told, known, at);
        if !is_check || opened.is_empty() {
            return Ok(false);
        }
        if known.values().any(|incident| incident.value.is_breaker()) {
            return Ok(false);
        }
        let records = Records::of(self.state.as_ref(), work.ctx);
        let Some(customers) = customers_of_last_scan(&records).await? else {
            return Ok(false);
        };
        let before = known.values().map(|incident| &incident.value);
        let open = before.chain(&opened).filter(|it| is_open(it));
        let subjects: BTreeSet<&str> = open.map(|it| it.finding.subject.as_str()).collect();
        let limit = artifact.max_drift_permille();
        let differing = u64::try_from(subjects.len()).unwrap_or(u64::MAX);
        if !is_mass_drift(differing, customers, limit) || acknowledged(known, differing) {
            return Ok(false);
        }
        let batch = self.raise_breaker(work, artifact, differing).await?;
        let stream = work.project.stream_id()?;
        match self.evidence.append(stream, batch).await {
            // Another check has raised it at the same moment.
            Ok(_) | Err(AppendError::StateChanged { .. }) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether it is a difference that stands now, and that nobody lives with.
fn is_open(incident: &Incident) -> bool {
    let open = matches!(
        incident.state,
        IncidentState::Open | IncidentState::Repairing
    );
    open && !incident.finding.is_mass_drift()
}
