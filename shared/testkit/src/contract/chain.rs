//! A stream, recomputed from its stored bytes.

use std::collections::BTreeMap;

use counterfoil_core::evidence::hash::{self, Hash};
use counterfoil_core::evidence::header::Header;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::seal::SegmentCheck;
use counterfoil_core::ports::{EvidenceRead, StoredEntry, StoredPart};
use counterfoil_core::usecases::facts::segment_entry;

/// One entry of a recomputed stream.
#[derive(Debug, Clone)]
pub struct Link {
    /// What its header says.
    pub header: Header,
    /// Leaf, computed from the stored bytes.
    pub leaf: Hash,
    /// What stays.
    pub facts: Json,
}

/// Checks a whole stream as a sealer would, and its links once more by hand: positions without a
/// gap, one chain, leaves, tree nodes, commitments, runs, times that never fall. Returns its entries
/// and its tree's root.
pub fn recompute(stream: Hash, entries: &[StoredEntry]) -> (Vec<Link>, Hash) {
    let mut check = SegmentCheck::from_genesis(stream);
    let mut links: Vec<Link> = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        if let Err(fault) = check.push(&segment_entry(entry)) {
            panic!("entry {place} does not recompute: {fault}");
        }
        let header = Header::parse(&entry.header, stream).expect("a stored header is valid");
        let before = links.last().map_or(stream, |link| link.leaf);
        let at = links.last().map_or(0, |link| link.header.at);
        assert_eq!(
            header.seq,
            u64::try_from(place).unwrap(),
            "positions are dense"
        );
        assert_eq!(entry.seq, header.seq, "an entry is stored at its position");
        assert_eq!(
            header.prev, before,
            "entry {place} follows the one before it"
        );
        assert!(header.at >= at, "times never fall");
        let Some(StoredPart::Present { bytes, salt }) = &entry.facts else {
            panic!("entry {place} has no facts");
        };
        assert_eq!(
            header.facts,
            hash::commitment(salt, bytes),
            "facts of {place}"
        );
        links.push(Link {
            header,
            leaf: hash::leaf(&entry.header),
            facts: Json::parse_canonical(bytes).expect("stored facts are canonical"),
        });
    }
    (links, check.frontier().root())
}

/// Reads a whole stream and checks everything about it: [`recompute`], its head, and that every run
/// is one sub-chain that reads back whole.
pub async fn whole(store: &impl EvidenceRead, stream: Hash) -> Vec<Link> {
    let entries = store.entries(stream, 0, u64::MAX >> 1).await.unwrap();
    let (links, root) = recompute(stream, &entries);
    let head = store.head(stream).await.unwrap();
    let (Some(head), Some(last)) = (&head, links.last()) else {
        assert!(head.is_none() && links.is_empty(), "entries without a head");
        return links;
    };
    let size = u64::try_from(links.len()).unwrap();
    assert_eq!(
        (head.size, head.prev, head.at),
        (size, last.leaf, last.header.at),
        "the head is the newest entry"
    );
    assert_eq!(head.frontier.root(), root, "and its tree is the entries'");

    let mut runs: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for link in &links {
        if let Some(place) = &link.header.run {
            let of_run = runs.entry(&place.id).or_default();
            assert_eq!(place.n, u64::try_from(of_run.len()).unwrap(), "one branch");
            of_run.push(link.header.seq);
        }
    }
    for (run, seqs) in runs {
        let of_run = store.run(stream, run).await.unwrap();
        let found: Vec<u64> = of_run.iter().map(|entry| entry.seq).collect();
        assert_eq!(found, seqs, "{run} reads back whole");
    }
    links
}
