//! What an auditor sees of a stream, whatever the sealers went through.

use std::collections::BTreeMap;

use counterfoil_core::evidence::descriptor::Descriptor;
use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::package::ExportPackage;
use counterfoil_core::evidence::seal::{Seal, SealKey};
use counterfoil_core::evidence::verify::{Package, Trust, Verdict, verify};
use counterfoil_core::ports::{Archive, SealStore, StoredEntry, StoredPart};
use counterfoil_core::usecases::facts::segment_entry;

use crate::world::World;

/// The full export of a stream up to its last seal, with these notes.
pub(super) fn package(entries: &[StoredEntry], notes: &[String]) -> Vec<u8> {
    let Some(StoredPart::Present { bytes, .. }) = &entries[0].facts else {
        panic!("genesis has facts");
    };
    let facts = Json::parse(bytes).unwrap();
    let descriptor = Descriptor::from_json(facts.get("descriptor").unwrap()).unwrap();
    let mut package = ExportPackage::new(&descriptor);
    let size = notes
        .last()
        .map_or(0, |note| Seal::parse(note).unwrap().body.size);
    for entry in &entries[..usize::try_from(size).unwrap()] {
        package.add(&segment_entry(entry)).unwrap();
    }
    for note in notes {
        package.seal(note).unwrap();
    }
    package.document()
}

/// The seals of a stream as locked storage has them, in order.
pub(super) async fn locked_notes(world: &World, stream: Hash) -> Vec<String> {
    let mut notes = Vec::new();
    let prefix = format!("seal/{stream}/");
    for key in world.archive.keys_after(&prefix, "").await.unwrap() {
        let note = world.archive.get(&key).await.unwrap().unwrap();
        notes.push(String::from_utf8(note).unwrap());
    }
    notes
}

/// What a verifier that pins `keys` says of the stream.
pub(super) async fn verdict(world: &World, stream: Hash, keys: &[SealKey]) -> Verdict {
    let notes = locked_notes(world, stream).await;
    let package = package(&world.store.stream(stream), &notes);
    let keys = keys.iter().cloned().map(Into::into).collect();
    verify(Package::Document(&package), &Trust::of(keys, stream))
}

/// Everything that was sealed is sealed once, is copied, and verifies.
pub(super) async fn is_sound(world: &World, stream: Hash, case: &str) {
    let committed = world.store.all(stream).await.unwrap();
    let notes = locked_notes(world, stream).await;
    let stored: Vec<String> = committed.iter().map(|seal| seal.note.clone()).collect();
    assert_eq!(
        notes, stored,
        "{case}: every seal has its copy, and no other"
    );
    let mut sizes = BTreeMap::new();
    for seal in &committed {
        let before = sizes.insert(seal.size, seal.seal_hash);
        assert_eq!(before, None, "{case}: two seals of size {}", seal.size);
    }
    let verdict = verdict(world, stream, &[world.seal_key().await]).await;
    assert!(verdict.is_accepted(), "{case}: {}", verdict.first_line());
    let entries = world.store.stream(stream);
    let sealed = committed.last().unwrap().size;
    assert_eq!(sealed, u64::try_from(entries.len()).unwrap(), "{case}");
    let mut copied = Vec::new();
    let prefix = format!("seg/{stream}/");
    for key in world.archive.keys_after(&prefix, "").await.unwrap() {
        copied.extend(world.archive.get(&key).await.unwrap().unwrap());
    }
    let headers = entries.iter();
    let headers: Vec<u8> = headers
        .flat_map(|entry| [entry.header.as_slice(), b"\n"].concat())
        .collect();
    assert_eq!(copied, headers, "{case}: the copies are the stream");
}
