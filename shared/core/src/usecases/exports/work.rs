//! The worker: one message of the exports queue.
//!
//! A worker takes an export over by its record's version, and writes under names that no other
//! attempt has. Whatever it leaves when it dies is never offered; the message comes again, and the
//! next worker begins anew. Of two workers the one whose version still holds ends the export.

use std::time::Duration;

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::{Json, object};
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::stream::Draft;
use thiserror::Error;

use super::Exports;
use super::build::Built;
use super::failure::BuildError;
use super::tar::measure;
use crate::export::{Export, ExportFailure, ExportFile, ExportScope, ExportState, Made, Progress};
use crate::ports::{AppendError, Batch, ExportRequest, PortError, PortErrorKind};
use crate::records::{Directory, RecordError, Records, Versioned};
use crate::tenancy::TenantCtx;
use crate::usecases::facts::actor;

/// How long a worker may be silent before another one takes over.
pub(super) const LEASE: Duration = Duration::from_mins(5);
/// How often a worker says how far it is.
const PULSE: Duration = Duration::from_secs(2);
/// Attempts after which an export is given up.
const ATTEMPTS: u32 = 5;

/// What a worker did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worked {
    /// Nothing was left to do, or another worker has taken over.
    Nothing,
    /// The export can be fetched.
    Ready,
    /// The export will not be made.
    Failed(ExportFailure),
}

/// Why a message must come again.
#[derive(Debug, Error)]
pub enum WorkError {
    /// Another worker is at it and alive.
    #[error("another worker is at this export")]
    Busy,
    /// A service did not answer: what was begun is begun again.
    #[error("the export was not made yet")]
    Again(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The evidence does not verify; the record says so. An alarm.
    #[error("the stored evidence does not make a package that verifies")]
    Alarm(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<PortError> for WorkError {
    fn from(error: PortError) -> Self {
        Self::Again(Box::new(error))
    }
}

impl From<RecordError> for WorkError {
    fn from(error: RecordError) -> Self {
        Self::Again(Box::new(error))
    }
}

/// An export that a worker has taken over.
pub(super) struct Job<'a> {
    exports: &'a Exports,
    pub(super) ctx: TenantCtx,
    pub(super) stream: Hash,
    record: Versioned<Export>,
}

impl Exports {
    /// Makes an export. A message may come any number of times.
    pub async fn work(&self, request: &ExportRequest) -> Result<Worked, WorkError> {
        let found = Directory::of(self.state.as_ref())
            .project(request.project)
            .await?;
        let Some(project) = found else {
            return Ok(Worked::Nothing);
        };
        let ctx = Directory::system(&project.value, "export");
        let records = Records::of(self.state.as_ref(), &ctx);
        let found = records.get::<Export>(&request.export.to_string()).await?;
        let Some(found) = found.filter(|found| !found.value.is_final()) else {
            return Ok(Worked::Nothing);
        };
        let mut job = self.take_over(ctx, found).await?;
        if job.record.value.attempt > ATTEMPTS {
            // Its workers died without a word: out of memory, or out of time.
            let died = PortError::new(PortErrorKind::Unavailable, "making the export");
            return job.end(died.into()).await;
        }
        match self.make(&mut job).await {
            Ok(()) => Ok(Worked::Ready),
            Err(BuildError::Superseded) => Ok(Worked::Nothing),
            Err(error) => job.end(error).await,
        }
    }

    async fn take_over(
        &self,
        ctx: TenantCtx,
        found: Versioned<Export>,
    ) -> Result<Job<'_>, WorkError> {
        let now = self.clock.now();
        let export = found.value;
        if export.state == ExportState::Running && now.since(export.touched_at) < LEASE {
            return Err(WorkError::Busy);
        }
        let corrupt = |_| PortError::new(PortErrorKind::Corrupt, "reading the stream id");
        let stream = export.stream.parse().map_err(corrupt)?;
        let mut job = Job {
            exports: self,
            ctx,
            stream,
            record: Versioned {
                value: Export {
                    state: ExportState::Running,
                    touched_at: now,
                    attempt: export.attempt.saturating_add(1),
                    progress: Progress::default(),
                    ..export
                },
                ..found
            },
        };
        if job.save().await? {
            Ok(job)
        } else {
            Err(WorkError::Busy)
        }
    }

    async fn make(&self, job: &mut Job<'_>) -> Result<(), BuildError> {
        let mut built = self.build(job).await?;
        job.pulse().await?;
        let (bytes, digest) = measure(built.package.as_mut())?;
        let mut file = job.file("package", built.extension);
        file.content_type = built.content_type.to_owned();
        file.format = built.format.to_owned();
        file.digest = digest;
        file.bytes = bytes;
        self.objects
            .put_stream(
                &file.object,
                built.package.as_mut(),
                bytes,
                &file.content_type,
            )
            .await?;
        let mut files = vec![file];
        if let Some(report) = built.report.take() {
            let mut file = job.file("report", "pdf");
            "application/pdf".clone_into(&mut file.content_type);
            "application/pdf".clone_into(&mut file.format);
            file.digest = counterfoil_evidence::hash::digest_string(&report);
            file.bytes = u64::try_from(report.len()).unwrap_or(u64::MAX);
            self.objects
                .put(&file.object, report, &file.content_type)
                .await?;
            files.push(file);
        }
        let kept: Vec<String> = files.iter().map(|file| file.object.clone()).collect();
        let issued = job.issue(built, files).await;
        match &issued {
            Ok(()) => self.tidy(job, |object| !kept.contains(object)).await,
            Err(BuildError::Superseded) => self.tidy(job, |object| kept.contains(object)).await,
            // It may have been recorded after all.
            Err(_) => {}
        }
        issued
    }

    /// Deletes files of attempts that do not count; they hold personal data. Best effort: the
    /// bucket's lifecycle deletes what stays.
    async fn tidy(&self, job: &Job<'_>, surplus: impl Fn(&String) -> bool + Send) {
        let keys = self.objects.keys(&job.folder()).await.unwrap_or_default();
        for key in keys.iter().filter(|key| surplus(key)) {
            drop(self.objects.delete(key).await);
        }
    }
}

impl Job<'_> {
    pub(super) fn id(&self) -> String {
        self.record.value.id.to_string()
    }

    pub(super) const fn scope(&self) -> &ExportScope {
        &self.record.value.scope
    }

    pub(super) const fn wants_inputs(&self) -> bool {
        self.record.value.inputs
    }

    /// Where all attempts write.
    fn folder(&self) -> String {
        format!("exports/{}/{}/", self.ctx.project(), self.record.value.id)
    }

    /// A file of this attempt.
    fn file(&self, part: &str, extension: &str) -> ExportFile {
        let export = &self.record.value;
        let name = match (&export.scope, part) {
            (ExportScope::Run { run_id }, _) => run_id.to_string(),
            (_, "package") => export.id.to_string(),
            (_, part) => format!("{}-{part}", export.id),
        };
        ExportFile {
            part: part.to_owned(),
            object: format!("{}{}/{part}.{extension}", self.folder(), export.attempt),
            filename: format!("{name}.{extension}"),
            content_type: String::new(),
            format: String::new(),
            digest: String::new(),
            bytes: 0,
        }
    }

    /// Says how far the worker is, now and then.
    pub(super) async fn progress(&mut self, done: u64, of: u64) -> Result<(), BuildError> {
        let of = Some(of);
        self.record.value.progress = Progress { done, of };
        self.alive().await
    }

    /// Says that the worker is alive, now and then.
    pub(super) async fn alive(&mut self) -> Result<(), BuildError> {
        let now = self.exports.clock.now();
        if now.since(self.record.value.touched_at) < PULSE {
            return Ok(());
        }
        self.pulse().await
    }

    /// Says that the worker is alive.
    async fn pulse(&mut self) -> Result<(), BuildError> {
        self.record.value.touched_at = self.exports.clock.now();
        if self.save().await? {
            Ok(())
        } else {
            Err(BuildError::Superseded)
        }
    }

    /// Writes the record unless somebody else has.
    async fn save(&mut self) -> Result<bool, RecordError> {
        let records = Records::of(self.exports.state.as_ref(), &self.ctx);
        let mut write = records.replace(self.record.version, &self.record.value)?;
        write.cites.clone_from(&self.record.evidence);
        let saved = self.exports.state.write(vec![write]).await?;
        if saved {
            self.record.version = self.record.version.saturating_add(1);
        }
        Ok(saved)
    }

    /// Records that the export was issued, in the transaction that makes it ready.
    async fn issue(&mut self, built: Built, files: Vec<ExportFile>) -> Result<(), BuildError> {
        let now = self.exports.clock.now();
        let export = &mut self.record.value;
        let digest = files.first().map(|file| file.digest.clone());
        let mut facts = vec![
            ("actor", actor(&export.by)),
            ("entries", Json::uint(built.entries)),
            ("export", export.id.to_string().into()),
            ("from", Json::uint(built.from)),
            ("package", digest.unwrap_or_default().into()),
            ("scope", export.scope.name().into()),
            ("to", Json::uint(built.to)),
        ];
        match &export.scope {
            ExportScope::Run { run_id } => facts.push(("run_id", run_id.to_string().into())),
            ExportScope::Period { from, to } => {
                facts.push(("from_at", Json::uint(from.as_millis())));
                facts.push(("to_at", Json::uint(to.as_millis())));
            }
            ExportScope::All | ExportScope::Workspace | ExportScope::Customer { .. } => {}
        }
        export.state = ExportState::Ready;
        export.touched_at = now;
        export.made = Some(Made {
            files,
            from: built.from,
            to: built.to,
            entries: built.entries,
            empty: built.empty,
            seal: built.seal,
            at: now,
        });
        let records = Records::of(self.exports.state.as_ref(), &self.ctx);
        let write = records.replace(self.record.version, &self.record.value)?;
        let batch =
            Batch::of([Draft::new(Kind::ExportIssued, object(facts))]).with(write.explained_by(0));
        match self.exports.evidence.append(self.stream, batch).await {
            Ok(_) => Ok(()),
            Err(AppendError::StateChanged { .. }) => Err(BuildError::Superseded),
            Err(other) => Err(other.into()),
        }
    }

    /// Ends an attempt that made nothing: for good, or until the message comes again.
    async fn end(mut self, error: BuildError) -> Result<Worked, WorkError> {
        let given_up = || ExportFailure {
            code: "gave-up".to_owned(),
            detail: format!(
                "A service did not answer in {ATTEMPTS} attempts. Ask for the export again."
            ),
        };
        let for_good = error.for_good();
        let last = self.record.value.attempt >= ATTEMPTS;
        let failure = for_good.clone().or_else(|| last.then(given_up));
        let export = &mut self.record.value;
        export.made = None;
        export.touched_at = self.exports.clock.now();
        export.state = match &failure {
            Some(_) => ExportState::Failed,
            None => ExportState::Queued,
        };
        export.failure.clone_from(&failure);
        // When this is not written either, the lease ends the attempt.
        let saved = self.save().await.unwrap_or(false);
        match failure {
            Some(failure) if saved => {
                if matches!(error, BuildError::TooLarge) {
                    return Ok(Worked::Failed(failure));
                }
                if for_good.is_some() {
                    return Err(WorkError::Alarm(Box::new(error)));
                }
                Ok(Worked::Failed(failure))
            }
            _ => Err(WorkError::Again(Box::new(error))),
        }
    }
}
