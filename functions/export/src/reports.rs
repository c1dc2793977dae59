//! The reports for people: what the core knows, in the words of the renderer.

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::verify::Trust;
use counterfoil_core::ports::{
    IncidentLine, PortError, PortErrorKind, RepairLine, ReportAbout, ReportDelivery, Reports,
    RunLine,
};
use counterfoil_report::{
    About, Delivery, IncidentRow, Period, RepairRow, ReportError, RunRow, delivery_report,
    run_report,
};

/// Renders reports as PDF.
#[derive(Debug)]
pub struct Pdf;

impl Reports for Pdf {
    fn run(
        &self,
        package: &[u8],
        trust: &Trust,
        about: &ReportAbout,
    ) -> Result<Vec<u8>, PortError> {
        run_report(package, trust, &named(about)).map_err(failed)
    }

    fn delivery(&self, delivery: &ReportDelivery<'_>) -> Result<Vec<u8>, PortError> {
        let keys = delivery.trust.keys.iter();
        let keys: Vec<Hash> = keys.map(|pinned| pinned.key.hash()).collect();
        let (runs, runs_total) = delivery.runs;
        let (incidents, incidents_total) = delivery.incidents;
        let (repairs, repairs_total) = delivery.repairs;
        let runs: Vec<RunRow> = runs.iter().map(run).collect();
        let incidents: Vec<IncidentRow> = incidents.iter().map(incident).collect();
        let repairs: Vec<RepairRow> = repairs.iter().map(repair).collect();
        let delivery = Delivery {
            about: &named(delivery.about),
            accepted: delivery.accepted,
            package_digest: delivery.digest,
            package_bytes: delivery.bytes,
            keys: &keys,
            manifest: delivery.manifest,
            period: delivery.period.map(|(from, to)| Period { from, to }),
            entries: delivery.entries,
            kinds: delivery.kinds,
            runs: &runs,
            runs_total,
            incidents: &incidents,
            incidents_total,
            repairs: &repairs,
            repairs_total,
        };
        delivery_report(&delivery).map_err(failed)
    }
}

fn failed(source: ReportError) -> PortError {
    PortError::caused(PortErrorKind::Corrupt, "rendering a report", source)
}

fn named(about: &ReportAbout) -> About {
    About {
        workspace: about.workspace.clone(),
        project: about.project.clone(),
        report: about.export.clone(),
        issued_at: about.issued_at,
    }
}

fn run(line: &RunLine) -> RunRow {
    RunRow {
        run: line.run.clone(),
        at: line.at,
        purpose: line.purpose.clone(),
        status: line.status.clone(),
        decisions: line.decisions,
        answer: line.answer,
    }
}

fn incident(line: &IncidentLine) -> IncidentRow {
    IncidentRow {
        seq: line.seq,
        at: line.at,
        incident: line.incident.clone(),
        event: line.event.clone(),
    }
}

fn repair(line: &RepairLine) -> RepairRow {
    RepairRow {
        seq: line.seq,
        at: line.at,
        run: line.run.clone(),
        outcome: line.outcome.clone(),
        checked: line.checked.clone(),
        change: line.change.clone(),
    }
}
