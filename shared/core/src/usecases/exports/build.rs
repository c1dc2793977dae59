//! From a scope to verified files.

use std::collections::BTreeSet;
use std::io::Write;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::package::RUN_FORMAT;
use counterfoil_evidence::package::folder::{RangeDocument, export_document};
use counterfoil_evidence::verify::{Accepted, Trust};

use super::Exports;
use super::collect::{Collected, Summary};
use super::delivery::{About, SCHEMA, rotated};
use super::failure::BuildError;
use super::run::RunDocument;
use super::seals::named;
use super::span::Span;
use super::tar::{Archive, measure};
use super::verify::{check_archive, check_document};
use super::work::Job;
use crate::export::{ExportScope, ExportSeal};
use crate::ids::RunId;
use crate::ports::{
    PortError, PortErrorKind, ReportAbout, ReportDelivery, ScratchFile, SealedState,
};
use crate::records::Directory;
use crate::usecases::facts::segment_entry;

/// How often an export is begun again because somebody erased meanwhile.
const STARTS: u32 = 3;

const WIDENED: &str = "The package holds more than was asked for: personal data of this period was \
                       erased later, and the entries that say so are covered by a later seal only. It \
                       holds everything from the beginning up to that seal.";

/// What a worker made, in working space and verified.
pub(super) struct Built {
    pub(super) package: Box<dyn ScratchFile>,
    pub(super) extension: &'static str,
    pub(super) content_type: &'static str,
    pub(super) format: &'static str,
    pub(super) report: Option<Vec<u8>>,
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) entries: u64,
    pub(super) empty: bool,
    pub(super) seal: ExportSeal,
}

/// A bulk package: `evidence.tar` and what it is about.
struct Bulk {
    evidence: Box<dyn ScratchFile>,
    accepted: Accepted,
    trust: Trust,
    span: Span,
    summary: Summary,
    index: Box<dyn ScratchFile>,
    seals: u64,
    seal: ExportSeal,
    remark: &'static str,
}

impl Exports {
    /// Builds what a job asks for; begins again when a part was erased above the seal.
    pub(super) async fn build(&self, job: &mut Job<'_>) -> Result<Built, BuildError> {
        for _ in 0..STARTS {
            match self.build_once(job).await {
                Err(BuildError::ErasedMeanwhile) => {}
                done => return done,
            }
        }
        let busy = "exporting while parts are being erased";
        Err(PortError::new(PortErrorKind::Unavailable, busy).into())
    }

    async fn build_once(&self, job: &mut Job<'_>) -> Result<Built, BuildError> {
        let stream = job.stream;
        let newest = self.sealed(stream).await?;
        match job.scope().clone() {
            ExportScope::Run { run_id } => self.one_run(job, run_id, &newest).await,
            ExportScope::Customer { customer } => self.of_customer(job, &customer, &newest).await,
            ExportScope::Period { from, to } => {
                let span = self.span(stream, newest.size, (from, to)).await?;
                let bulk = self.range(job, span, &newest).await?;
                self.deliver(job, bulk).await
            }
            ExportScope::All | ExportScope::Workspace => {
                let bulk = self.everything(job, &newest, "").await?;
                self.deliver(job, bulk).await
            }
        }
    }

    async fn one_run(
        &self,
        job: &mut Job<'_>,
        run: RunId,
        newest: &SealedState,
    ) -> Result<Built, BuildError> {
        let made = self.run_document(job.stream, run, newest).await?;
        let made = made.ok_or_else(|| super::failure::corrupt("reading the end of a run"))?;
        let trust = self.trust(job.stream, &made.summary.keys).await?;
        check_document(&made.document, &trust)?;
        let mut package = self.scratch.file()?;
        package.write_all(&made.document)?;
        let about = self.report_about(job).await?;
        let report = self.reports.run(&made.document, &trust, &about)?;
        job.progress(made.summary.entries, made.summary.entries)
            .await?;
        package.rewind()?;
        Ok(Built {
            package,
            extension: "json",
            content_type: "application/json",
            format: RUN_FORMAT,
            report: Some(report),
            from: made.from,
            to: made.to,
            entries: made.summary.entries,
            empty: false,
            seal: named(newest),
        })
    }

    async fn of_customer(
        &self,
        job: &mut Job<'_>,
        customer: &str,
        newest: &SealedState,
    ) -> Result<Built, BuildError> {
        let runs = self.runs_of_customer(&job.ctx, customer).await;
        let runs = runs.map_err(|error| {
            PortError::caused(PortErrorKind::Unavailable, "reading a ledger", error)
        })?;
        let of = u64::try_from(runs.len()).unwrap_or(u64::MAX);
        let mut archive = Archive::new(self.scratch.file()?);
        let mut index = self.scratch.file()?;
        index.write_all(super::index::HEADINGS.as_bytes())?;
        let mut all = Summary::default();
        let (mut from, mut to, mut done) = (u64::MAX, 0, 0_u64);
        for run in runs {
            done = done.saturating_add(1);
            // A run that is still open is in the next ledger.
            if let Some(made) = self.run_document(job.stream, run, newest).await? {
                let trust = self.trust(job.stream, &made.summary.keys).await?;
                check_document(&made.document, &trust)?;
                archive.bytes(&format!("runs/{run}.json"), &made.document)?;
                index.write_all(made.index.as_bytes())?;
                (from, to) = (from.min(made.from), to.max(made.to));
                merge(&mut all, made);
            }
            job.progress(done, of).await?;
        }
        let bundles = self.bundles(job, &all).await?;
        let activations = self.activations(job, &all).await?;
        let about = About {
            bundles: &bundles,
            activations: &activations,
            export: job.id(),
            scope: job.scope(),
            trust: &self.trust(job.stream, &all.keys).await?,
            seal: named(newest),
            from: from.min(to),
            to,
            summary: &all,
            seals: 1,
            remark: "",
        };
        let readme = about.readme();
        archive.bytes("README.txt", &readme)?;
        let delivered = about.finish(archive, index.as_mut(), |_| Ok(None))?;
        Ok(Built {
            package: delivered.package,
            extension: "tar",
            content_type: "application/x-tar",
            format: SCHEMA,
            report: None,
            from: about.from,
            to,
            entries: all.entries,
            empty: all.entries == 0,
            seal: named(newest),
        })
    }

    /// Every entry up to a seal, with every seal (evidence-format section 12.2).
    async fn everything(
        &self,
        job: &mut Job<'_>,
        newest: &SealedState,
        remark: &'static str,
    ) -> Result<Bulk, BuildError> {
        let span = Span::all(newest.size);
        let collected = self.collect(job, job.stream, span).await?;
        not_above(&collected.summary, newest.size)?;
        let mut seals = self.scratch.file()?;
        let count = self.all_seals(job.stream, newest, seals.as_mut()).await?;
        let document = export_document();
        let sealed = Sealed {
            newest,
            count,
            seals,
        };
        self.folder(job.stream, span, collected, sealed, &document, remark)
            .await
    }

    /// The entries of a span, with proofs of their borders and their neighbours (section 12.3).
    async fn range(
        &self,
        job: &mut Job<'_>,
        span: Span,
        newest: &SealedState,
    ) -> Result<Bulk, BuildError> {
        let stream = job.stream;
        let collected = self.collect(job, stream, span).await?;
        not_above(&collected.summary, newest.size)?;
        let mut seals = self.scratch.file()?;
        let bounds = (span.from, span.to);
        let (mut covering, mut count) = self
            .range_seals(stream, bounds, newest, seals.as_mut())
            .await?;
        if not_above(&collected.summary, covering.size).is_err() {
            // Erased under a later seal. The seals between cannot be carried along, so the newest
            // one stands alone; a stream's beginning needs its first seal, and so all of them.
            if span.from == 0 {
                return self.everything(job, newest, WIDENED).await;
            }
            seals = self.scratch.file()?;
            seals.write_all(&counterfoil_evidence::package::folder::seal_line(
                &newest.note,
            )?)?;
            (covering, count) = (newest.clone(), 1);
        }
        let document = self
            .range_document(stream, span, &collected.summary, covering.size)
            .await?;
        let sealed = Sealed {
            newest: &covering,
            count,
            seals,
        };
        self.folder(stream, span, collected, sealed, &document, span.remark)
            .await
    }

    async fn range_document(
        &self,
        stream: Hash,
        span: Span,
        summary: &Summary,
        size: u64,
    ) -> Result<Vec<u8>, BuildError> {
        let last = span.to.saturating_sub(1);
        let mut document = RangeDocument::default();
        (document.from, document.to) = (span.from, span.to);
        document.period = span.period;
        document.first = self.proof(stream, span.from, size).await?;
        document.last = self.proof(stream, last, size).await?;
        if let Some(before) = span.from.checked_sub(1) {
            document.before(&self.entry(stream, before).await?.header);
        }
        if span.to < size {
            let after = self.entry(stream, span.to).await?;
            let proof = self.proof(stream, span.to, size).await?;
            document.after(&after.header, &proof);
        }
        let descriptor = self.descriptor(stream).await?;
        let inside = |seq: u64| (span.from..span.to).contains(&seq);
        let mut extra = self.rotations(stream, &descriptor, size).await?;
        let redactions: BTreeSet<u64> = summary.redactions.iter().copied().collect();
        for seq in redactions {
            extra.push(self.entry(stream, seq).await?);
        }
        for entry in extra.iter().filter(|entry| !inside(entry.seq)) {
            let proof = self.proof(stream, entry.seq, size).await?;
            document.extra(&segment_entry(entry), &proof)?;
        }
        Ok(document.document())
    }

    /// Joins the files of the folder form and verifies them.
    async fn folder(
        &self,
        stream: Hash,
        span: Span,
        collected: Collected,
        mut sealed: Sealed<'_>,
        document: &[u8],
        remark: &'static str,
    ) -> Result<Bulk, BuildError> {
        let Collected {
            mut summary,
            mut headers,
            mut parts,
            index,
        } = collected;
        let descriptor = self.descriptor(stream).await?;
        let rotations = self
            .rotations(stream, &descriptor, sealed.newest.size)
            .await?;
        let mut outside = Summary::default();
        for rotation in &rotations {
            outside.take(rotation)?;
        }
        summary.keys = rotated([&summary, &outside]);
        let trust = self.trust(stream, &summary.keys).await?;
        let mut archive = Archive::new(self.scratch.file()?);
        archive.bytes("package.json", document)?;
        archive.bytes("descriptor.json", &descriptor.to_json().canonical())?;
        archive.file("seals.jsonl", sealed.seals.as_mut())?;
        archive.file("headers.jsonl", headers.as_mut())?;
        drop(headers);
        archive.file("parts.jsonl", parts.as_mut())?;
        drop(parts);
        let mut evidence = archive.end()?;
        let accepted = check_archive(evidence.as_mut(), &trust)?;
        Ok(Bulk {
            evidence,
            accepted,
            trust,
            span,
            summary,
            index,
            seals: sealed.count,
            seal: named(sealed.newest),
            remark,
        })
    }

    /// Puts a bulk package into its outer archive.
    async fn deliver(&self, job: &mut Job<'_>, bulk: Bulk) -> Result<Built, BuildError> {
        let Bulk {
            mut evidence,
            accepted,
            trust,
            span,
            summary,
            mut index,
            seals,
            seal,
            remark,
        } = bulk;
        let report_about = self.report_about(job).await?;
        let bundles = self.bundles(job, &summary).await?;
        let activations = self.activations(job, &summary).await?;
        let (bytes, digest) = measure(evidence.as_mut())?;
        let hash = digest.strip_prefix("sha256:").unwrap_or_default().parse();
        let hash = hash.map_err(|_| super::failure::corrupt("naming the evidence"))?;
        let scope = job.scope().clone();
        let about = About {
            bundles: &bundles,
            activations: &activations,
            export: job.id(),
            scope: &scope,
            trust: &trust,
            seal: seal.clone(),
            from: span.from,
            to: span.to,
            summary: &summary,
            seals,
            remark,
        };
        let mut archive = Archive::new(self.scratch.file()?);
        archive.bytes("README.txt", &about.readme())?;
        archive.file("evidence.tar", evidence.as_mut())?;
        drop(evidence);
        if job.wants_inputs() {
            self.inputs(job, &summary, &mut archive).await?;
        }
        let lines = &summary.lines;
        let report = |manifest: &[u8]| {
            let delivery = ReportDelivery {
                about: &report_about,
                accepted: &accepted,
                digest: hash,
                bytes,
                trust: &trust,
                manifest,
                period: span.period,
                entries: (span.from, span.to),
                kinds: &summary.kinds,
                runs: (&lines.runs, lines.runs_total),
                incidents: (&lines.incidents, lines.incidents_total),
                repairs: (&lines.repairs, lines.repairs_total),
            };
            Ok(Some(self.reports.delivery(&delivery)?))
        };
        let delivered = about.finish(archive, index.as_mut(), report)?;
        Ok(Built {
            package: delivered.package,
            extension: "tar",
            content_type: "application/x-tar",
            format: SCHEMA,
            report: delivered.report,
            from: span.from,
            to: span.to,
            entries: summary.entries,
            empty: span.empty,
            seal,
        })
    }

    /// Names of the tenant, and the time of issue.
    async fn report_about(&self, job: &Job<'_>) -> Result<ReportAbout, BuildError> {
        let directory = Directory::of(self.state.as_ref());
        let workspace = directory.workspace(job.ctx.workspace()).await?;
        let project = directory.project(job.ctx.project()).await?;
        Ok(ReportAbout {
            workspace: workspace.map(|row| row.value.name).unwrap_or_default(),
            project: match job.scope() {
                ExportScope::Workspace => String::new(),
                _ => project.map(|row| row.value.name).unwrap_or_default(),
            },
            export: job.id(),
            issued_at: self.clock.now().as_millis(),
        })
    }
}

/// Seals of a package in working space.
struct Sealed<'a> {
    newest: &'a SealedState,
    count: u64,
    seals: Box<dyn ScratchFile>,
}

/// Every redact entry that is named must lie under the seal.
fn not_above(summary: &Summary, size: u64) -> Result<(), BuildError> {
    match summary.redactions.last() {
        Some(by) if *by >= size => Err(BuildError::ErasedMeanwhile),
        _ => Ok(()),
    }
}

fn merge(all: &mut Summary, run: RunDocument) {
    let Summary {
        entries,
        kinds,
        runs,
        erased,
        redactions,
        policies,
        keys,
        // A ledger's runs go without their inputs.
        looked: _,
        mappings: _,
        lines: _,
    } = run.summary;
    all.entries = all.entries.saturating_add(entries);
    all.runs = all.runs.saturating_add(runs);
    all.erased = all.erased.saturating_add(erased);
    all.redactions.extend(redactions);
    all.policies.extend(policies);
    all.keys.extend(keys);
    for (kind, count) in kinds {
        let sum = all.kinds.entry(kind).or_default();
        *sum = sum.saturating_add(count);
    }
}
