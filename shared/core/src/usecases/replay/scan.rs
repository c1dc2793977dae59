//! Deriving a scan again from its files, one at a time: memory holds what the engine holds, and one
//! file.

use std::collections::BTreeMap;

use counterfoil_evidence::hash::digest_string;
use counterfoil_evidence::json::Json;

use super::{Inputs, RecordedRun, ReplayError, check_counts, check_lines, compare, open};
use crate::mapping::Artifact;
use crate::reconcile::Finding;
use crate::scan::{FileKind, ScanFile};
use crate::snapshot::{self, Look, SnapshotError, Told, take_rows, take_stripe};
use crate::usecases::reconcile::{Sources, Times, second_look};

/// How far a scan could be derived.
pub(super) enum Derived {
    /// To its end, and everything is the same.
    Same,
    /// Not at all: this input is not kept.
    Missing(String),
}

/// Why it stopped.
enum Stopped {
    Missing(String),
    Replay(ReplayError),
}

impl From<ReplayError> for Stopped {
    fn from(error: ReplayError) -> Self {
        Self::Replay(error)
    }
}

/// Derives the scan of an index.
pub(super) async fn derive(
    run: &RecordedRun<'_>,
    artifact: &Artifact,
    files: &[ScanFile],
    inputs: Inputs<'_>,
) -> Result<Derived, ReplayError> {
    let scan = Scan {
        run,
        artifact,
        files,
        inputs,
    };
    match scan.derive().await {
        Ok(()) => Ok(Derived::Same),
        Err(Stopped::Missing(name)) => Ok(Derived::Missing(name)),
        Err(Stopped::Replay(error)) => Err(error),
    }
}

struct Scan<'a> {
    run: &'a RecordedRun<'a>,
    artifact: &'a Artifact,
    files: &'a [ScanFile],
    inputs: Inputs<'a>,
}

type Loaded = (String, Vec<u8>);

impl Scan<'_> {
    async fn derive(&self) -> Result<(), Stopped> {
        let mut names = BTreeMap::new();
        let found = self.first_look(&mut names).await?;
        let again = self.files.iter().any(|file| file.kind == FileKind::Again);
        let found = if again {
            names.clear();
            self.second_looks(found, &mut names).await?
        } else {
            found
        };
        Ok(check_lines(self.run, &found, &names)?)
    }

    async fn first_look(
        &self,
        names: &mut BTreeMap<String, String>,
    ) -> Result<Vec<Finding>, Stopped> {
        let first = self.files.iter().find(|file| file.kind == FileKind::First);
        let missing = || self.run.differs("it names no first look".to_owned());
        let first = self.load(first.ok_or_else(missing)?)?;
        let (look, sources) = self.open(&first).await?;
        if self.run.open.get("as_of").and_then(Json::as_uint) != Some(look.as_of.as_millis()) {
            let what = "its snapshot is of another time".to_owned();
            return Err(self.run.differs(what).into());
        }
        let mut engine = sources.engine(look.as_of);
        for file in self.files {
            if matches!(file.kind, FileKind::List(_)) {
                self.feed(file, |bytes| take_stripe(bytes, &mut engine))?;
            }
        }
        let mut join = engine.seal();
        for file in self.files {
            if file.kind == FileKind::Rows {
                self.feed(file, |bytes| take_rows(bytes, &mut join))?;
            }
        }
        let outcome = join.finish();
        let borrowed = (first.0.as_str(), first.1);
        check_counts(self.run, &outcome, self.artifact, &look.scope)?;
        let told = Told::from(outcome);
        compare(self.run, &borrowed, &told)?;
        self.names(&borrowed, names)?;
        Ok(told.found)
    }

    async fn second_looks(
        &self,
        found: Vec<Finding>,
        names: &mut BTreeMap<String, String>,
    ) -> Result<Vec<Finding>, Stopped> {
        let mut left = found.into_iter();
        let mut confirmed = Vec::new();
        let again = self
            .files
            .iter()
            .filter(|file| file.kind == FileKind::Again);
        for file in again {
            let loaded = self.load(file)?;
            let (look, sources) = self.open(&loaded).await?;
            let count = usize::try_from(file.count).unwrap_or(usize::MAX);
            let slice: Vec<_> = left.by_ref().take(count).collect();
            let known = look.known.unwrap_or_default();
            let some = second_look(
                &sources,
                look.project,
                &look.scope,
                slice,
                &known,
                Times {
                    // What was created when was decided then; a snapshot answers what it was told.
                    first: look.as_of,
                    again: look.as_of,
                },
            )
            .await;
            let some = some.map_err(|source| self.run.stopped(source))?.told;
            let borrowed = (loaded.0.as_str(), loaded.1);
            compare(self.run, &borrowed, &some)?;
            self.names(&borrowed, names)?;
            confirmed.extend(some.found);
        }
        if left.next().is_some() {
            let what = "not everything that it found was looked at again".to_owned();
            return Err(self.run.differs(what).into());
        }
        Ok(confirmed)
    }

    /// A file, which must be what the index names.
    fn load(&self, file: &ScanFile) -> Result<Loaded, Stopped> {
        let run = self.run.id.parse();
        let run = run.map_err(|_| self.run.differs("its id is no id of a run".to_owned()))?;
        let name = ScanFile::name(run, &file.label);
        let Some(bytes) = (self.inputs)(&name) else {
            return Err(Stopped::Missing(name));
        };
        if digest_string(&bytes) != file.digest {
            let what = format!("{name} is not the input that was used");
            return Err(self.run.differs(what).into());
        }
        Ok((name, bytes))
    }

    fn feed(
        &self,
        file: &ScanFile,
        take: impl FnOnce(&[u8]) -> Result<(), SnapshotError>,
    ) -> Result<(), Stopped> {
        let (name, bytes) = self.load(file)?;
        take(&bytes).map_err(|source| self.run.unread(&name, source).into())
    }

    async fn open(&self, (name, bytes): &Loaded) -> Result<(Look, Sources), ReplayError> {
        open(self.run, self.artifact, &(name.as_str(), bytes.clone())).await
    }

    fn names(
        &self,
        (name, bytes): &(&str, Vec<u8>),
        names: &mut BTreeMap<String, String>,
    ) -> Result<(), ReplayError> {
        let more = snapshot::pseudonyms(bytes).map_err(|source| self.run.unread(name, source))?;
        names.extend(more);
        Ok(())
    }
}
