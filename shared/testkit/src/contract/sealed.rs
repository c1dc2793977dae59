//! What sealers leave, against the stream that they sealed.

use std::collections::BTreeMap;

use counterfoil_core::evidence::hash::Hash;
use counterfoil_core::evidence::seal::{Seal, verify_note};
use counterfoil_core::evidence::tree::Frontier;
use counterfoil_core::ports::Archive;
use counterfoil_core::usecases::{SealStream, Sealing};

use super::Link;

/// Seals what is left, without faults. Then every committed seal says what the final chain says about
/// its size, they follow each other, and the locked bucket holds all of them with every header of the
/// stream. Returns how many there are.
pub async fn sealed(sealer: &SealStream, stream: Hash, links: &[Link]) -> usize {
    let size = u64::try_from(links.len()).unwrap();
    match sealer.seal(stream).await.unwrap() {
        Sealing::NothingNew => {}
        Sealing::Continues { size } => panic!("stopped at {size}"),
        Sealing::Sealed { size: sealed } => assert_eq!(sealed, size),
    }
    let key = sealer.signer.key().await.unwrap();
    let origin = format!("{}{stream}", sealer.origin_prefix);
    let notes = sealer.seals.all(stream).await.unwrap();
    assert_eq!(
        notes.last().unwrap().size,
        size,
        "the last one covers everything"
    );
    let mut before = Hash::ZERO;
    for stored in &notes {
        let seal = verify_note(&stored.note, &origin, std::slice::from_ref(&key)).unwrap();
        assert_eq!((seal.body.size, seal.body.at), (stored.size, stored.at));
        assert_eq!(seal.body.prev, before, "seals follow each other");
        before = seal.seal_hash();
        assert_eq!(before, stored.seal_hash);
        says_what_the_chain_says(&seal, links);
    }
    let count = notes.len();
    let notes = notes.iter().map(|seal| seal.note.clone()).collect();
    locked(sealer.archive.as_ref(), stream, notes, links).await;
    count
}

fn says_what_the_chain_says(seal: &Seal, links: &[Link]) {
    let (sealed, later) = links.split_at(usize::try_from(seal.body.size).unwrap());
    let mut tree = Frontier::new();
    for link in sealed {
        tree.push(link.leaf);
        assert!(
            link.header.at <= seal.body.at,
            "nothing sealed is younger than its seal"
        );
    }
    assert_eq!(seal.body.root, tree.root());
    assert_eq!(seal.body.head, sealed.last().unwrap().leaf);
    for link in later {
        assert!(
            link.header.at >= seal.body.at,
            "nothing is older than a seal before it"
        );
    }
}

async fn locked(archive: &dyn Archive, stream: Hash, notes: Vec<String>, links: &[Link]) {
    let mut copies = Vec::new();
    for key in archive
        .keys_after(&format!("seal/{stream}/"), "")
        .await
        .unwrap()
    {
        let note = archive.get(&key).await.unwrap().unwrap();
        copies.push(String::from_utf8(note).unwrap());
    }
    assert_eq!(copies, notes, "every seal has its copy");
    // Segments may overlap where a sealer went on after another; together they are the stream.
    let mut lines = BTreeMap::new();
    for key in archive
        .keys_after(&format!("seg/{stream}/"), "")
        .await
        .unwrap()
    {
        let range = key.rsplit('/').next().unwrap().trim_end_matches(".jsonl");
        let from: usize = range.split('-').next().unwrap().parse().unwrap();
        let segment = archive.get(&key).await.unwrap().unwrap();
        let segment = String::from_utf8(segment).unwrap();
        for (n, line) in segment.lines().enumerate() {
            let known = lines.insert(from + n, line.to_owned());
            assert!(known.is_none_or(|known| known == line), "copies agree");
        }
    }
    let headers = links
        .iter()
        .map(|link| String::from_utf8(link.header.bytes()).unwrap());
    assert_eq!(
        lines.into_values().collect::<Vec<_>>(),
        headers.collect::<Vec<_>>()
    );
}
