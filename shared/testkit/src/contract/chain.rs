//! A stream, recomputed from its stored bytes.

use counterfoil_core::evidence::hash::{self, Hash};
use counterfoil_core::evidence::header::Header;
use counterfoil_core::evidence::json::Json;
use counterfoil_core::evidence::seal::SegmentCheck;
use counterfoil_core::ports::{StoredEntry, StoredPart};
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
