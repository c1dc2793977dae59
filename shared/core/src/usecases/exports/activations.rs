//! Who put the rules in force that decisions cite: the entries of the workspace's stream that say so,
//! each as a package of its own (evidence-format section 12.5, `workspace/`).

use std::collections::{BTreeMap, BTreeSet};

use counterfoil_evidence::hash::Hash;
use counterfoil_evidence::json::Json;
use counterfoil_evidence::kind::Kind;
use counterfoil_evidence::package::{RangePackage, named_redactions};
use counterfoil_policy::bundle::PublicKey;

use super::Exports;
use super::collect::Summary;
use super::delivery::rotated;
use super::failure::{BuildError, corrupt};
use super::proofs::{facts_of, kind_of};
use super::verify::check_document;
use super::work::Job;
use crate::policy::default_bundle_digest;
use crate::ports::{SealedState, StoredEntry};
use crate::records::Directory;
use crate::usecases::facts::segment_entry;

/// Entries that are read at a time.
const CHUNK: u64 = 256;

/// How rules came into force.
pub(super) struct Activation {
    /// Their digest.
    pub(super) digest: String,
    /// The range package of the entry.
    pub(super) document: Vec<u8>,
    /// The key that has signed them, where one did.
    pub(super) signer: Option<PublicKey>,
}

/// What the workspace's stream says about rules, as far as it was read.
struct Told {
    /// Digests of which nothing was found yet.
    wanted: BTreeSet<String>,
    found: BTreeMap<String, StoredEntry>,
    /// Signing keys that were registered, by fingerprint.
    keys: BTreeMap<String, PublicKey>,
}

impl Exports {
    /// The activations of the rules that are cited: of each the first, which lies before everything
    /// that was decided by them. What every workspace starts with was activated by nobody.
    pub(super) async fn activations(
        &self,
        job: &mut Job<'_>,
        summary: &Summary,
    ) -> Result<Vec<Activation>, BuildError> {
        let mut wanted = summary.policies.clone();
        wanted.remove(&default_bundle_digest());
        let directory = Directory::of(self.state.as_ref());
        let workspace = directory.workspace(job.ctx.workspace()).await?;
        let (Some(workspace), false) = (workspace, wanted.is_empty()) else {
            return Ok(Vec::new());
        };
        let stream = workspace.value.stream.parse();
        let stream: Hash = stream.map_err(|_| corrupt("reading the stream id"))?;
        let mut told = Told {
            wanted,
            found: BTreeMap::new(),
            keys: BTreeMap::new(),
        };
        let last = self.seals.last(stream).await?;
        let sealed = last.as_ref().map_or(0, |seal| seal.size);
        self.tell(job, stream, (0, sealed), &mut told).await?;
        let newest = match last {
            Some(seal) if told.wanted.is_empty() => seal,
            _ => {
                let newest = self.sealed(stream).await?;
                self.tell(job, stream, (sealed, newest.size), &mut told)
                    .await?;
                newest
            }
        };
        let mut activations = Vec::new();
        for (digest, entry) in &told.found {
            let signer = facts_of(entry);
            let signer =
                signer.and_then(|facts| told.keys.get(facts.get("signer")?.as_str()?).copied());
            activations.push(Activation {
                digest: digest.clone(),
                document: self.package_of_one(stream, entry, &newest).await?,
                signer,
            });
        }
        Ok(activations)
    }

    /// Reads entries of the workspace's stream until everything wanted was found.
    async fn tell(
        &self,
        job: &mut Job<'_>,
        stream: Hash,
        (from, to): (u64, u64),
        told: &mut Told,
    ) -> Result<(), BuildError> {
        let mut at = from;
        while at < to && !told.wanted.is_empty() {
            let end = at.saturating_add(CHUNK).min(to);
            for entry in self.reader.entries(stream, at, end).await? {
                told.take(entry);
            }
            at = end;
            job.alive().await?;
        }
        Ok(())
    }

    /// One entry under a seal, with its neighbours (section 12.3).
    async fn package_of_one(
        &self,
        stream: Hash,
        entry: &StoredEntry,
        seal: &SealedState,
    ) -> Result<Vec<u8>, BuildError> {
        let (seq, next) = (entry.seq, entry.seq.saturating_add(1));
        let descriptor = self.descriptor(stream).await?;
        let mut package = RangePackage::new(&descriptor, seq, next);
        let proof = self.proof(stream, seq, seal.size).await?;
        package.add(&segment_entry(entry), Some(&proof))?;
        if let Some(before) = seq.checked_sub(1) {
            package.before(&self.entry(stream, before).await?.header);
        }
        if next < seal.size {
            let after = self.entry(stream, next).await?;
            let proof = self.proof(stream, next, seal.size).await?;
            package.after(&after.header, &proof);
        }
        let mut extra = self.rotations(stream, &descriptor, seal.size).await?;
        let mut rotations = Summary::default();
        for rotation in &extra {
            rotations.take(rotation)?;
        }
        match named_redactions(&segment_entry(entry)) {
            Some(by) if by >= seal.size => return Err(BuildError::ErasedMeanwhile),
            Some(by) => extra.push(self.entry(stream, by).await?),
            None => {}
        }
        for entry in &extra {
            let proof = self.proof(stream, entry.seq, seal.size).await?;
            package.extra(&segment_entry(entry), &proof)?;
        }
        package.seal(&seal.note);
        let document = package.document();
        let trust = self.trust(stream, &rotated([&rotations])).await?;
        check_document(&document, &trust)?;
        Ok(document)
    }
}

impl Told {
    fn take(&mut self, entry: StoredEntry) {
        let kind = kind_of(&entry);
        if !matches!(kind, Some(Kind::PolicyActivated | Kind::ConfigChanged)) {
            return;
        }
        let facts = facts_of(&entry).unwrap_or(Json::Null);
        let text = |name: &str| facts.get(name).and_then(Json::as_str);
        if kind == Some(Kind::PolicyActivated) {
            let bundle = text("bundle").unwrap_or_default();
            if self.wanted.remove(bundle) {
                self.found.insert(bundle.to_owned(), entry);
            }
        } else if let Some(Ok(key)) = text("public_key").map(PublicKey::parse) {
            self.keys.insert(key.fingerprint(), key);
        }
    }
}
