//! Calls and their order, against the chain that came of them. An append tells its position, so the
//! order of the chain is the only one that could explain the calls, and checking it is enough.

use std::collections::BTreeMap;
use std::time::Instant;

use counterfoil_core::ports::{AppendError, EntryRef};

use super::{Link, Sample};

/// What a writer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Position and leaf.
    At(u64, String),
    /// Nothing was written.
    Nothing,
    /// It is not known; or the writer did not live to be told.
    Unknown,
}

impl Told {
    /// What an append says about entry number `index` of its batch.
    pub fn of(result: &Result<Vec<EntryRef>, AppendError>, index: usize) -> Self {
        match result {
            Ok(refs) => Self::At(refs[index].seq, refs[index].leaf.clone()),
            Err(AppendError::OutcomeUnknown(_)) => Self::Unknown,
            Err(_) => Self::Nothing,
        }
    }
}

/// One append of an entry that is told apart by its id.
#[derive(Debug, Clone)]
pub struct Call {
    /// As in [`Sample::seen`].
    pub id: String,
    /// Before it was called.
    pub begun: Instant,
    /// After it had returned.
    pub ended: Instant,
    /// What it returned.
    pub told: Told,
}

/// Every acknowledged entry is there once, where it was said to be; none whose failure was definite
/// is there; nothing is there that nobody wrote; and what had ended before something else began
/// comes before it.
///
/// # Errors
/// The first call and place that contradict each other.
pub fn agrees_with(calls: &[Call], links: &[Link]) -> Result<(), String> {
    let mut places: BTreeMap<&str, Vec<&Link>> = BTreeMap::new();
    for link in links {
        if let Some(id) = Sample::id_of(&link.facts) {
            places.entry(id).or_default().push(link);
        }
    }
    let mut there = Vec::new();
    for Call {
        id,
        begun,
        ended,
        told,
    } in calls
    {
        let found = places.remove(id.as_str()).unwrap_or_default();
        match (told, found.as_slice()) {
            (Told::At(seq, leaf), [link])
                if (link.header.seq, &link.leaf.to_string()) == (*seq, leaf) =>
            {
                there.push((*seq, *begun, Some(*ended)));
            }
            // It took place at some time after it began.
            (Told::Unknown, [link]) => there.push((link.header.seq, *begun, None)),
            (Told::Unknown | Told::Nothing, []) => {}
            (told, found) => {
                let seqs: Vec<u64> = found.iter().map(|link| link.header.seq).collect();
                return Err(format!("{id}: told {told:?}, and it is at {seqs:?}"));
            }
        }
    }
    match places.first_key_value() {
        Some((id, _)) => Err(format!("nobody wrote {id}")),
        None => in_real_time_order(there),
    }
}

/// Position, begin, and end if that is known: nothing began after something behind it had ended.
fn in_real_time_order(mut there: Vec<(u64, Instant, Option<Instant>)>) -> Result<(), String> {
    there.sort_by_key(|(seq, ..)| *seq);
    let mut first_end_behind: Option<(Instant, u64)> = None;
    for (seq, begun, ended) in there.into_iter().rev() {
        if let Some((end, behind)) = first_end_behind
            && end < begun
        {
            return Err(format!("{behind} had ended before {seq} began"));
        }
        if let Some(ended) = ended
            && first_end_behind.is_none_or(|(end, _)| ended < end)
        {
            first_end_behind = Some((ended, seq));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use counterfoil_core::ports::{Batch, EvidenceRead};
    use counterfoil_core::time::Timestamp;

    use super::super::recompute;
    use super::*;
    use crate::memory::{MemStore, SetClock};

    /// Three entries by three calls, one after the other.
    async fn three() -> (Vec<Call>, Vec<Link>) {
        let store = MemStore::new(SetClock::at(Timestamp::from_secs(1_795_392_000)));
        let sample = Sample::begun("history", &store).await;
        let start = Instant::now();
        let mut calls = Vec::new();
        for (n, id) in (0..).zip(["a", "b", "c"]) {
            let refs = sample.append(&store, Batch::of([Sample::seen(id)])).await;
            calls.push(Call {
                id: id.to_owned(),
                begun: start + Duration::from_secs(2 * n),
                ended: start + Duration::from_secs(2 * n + 1),
                told: Told::of(&Ok(refs), 0),
            });
        }
        let entries = store.entries(sample.id(), 0, 9).await.unwrap();
        (calls, recompute(sample.id(), &entries).0)
    }

    #[tokio::test]
    async fn what_is_true_agrees() {
        let (mut calls, links) = three().await;
        assert_eq!(agrees_with(&calls, &links), Ok(()));
        calls[1].told = Told::Unknown;
        assert_eq!(agrees_with(&calls, &links), Ok(()), "it is there");
        calls.push(Call {
            id: "d".to_owned(),
            ..calls[1].clone()
        });
        assert_eq!(agrees_with(&calls, &links), Ok(()), "it is not there");
        calls[3].told = Told::Nothing;
        assert_eq!(agrees_with(&calls, &links), Ok(()), "as it was told");
    }

    #[tokio::test]
    async fn every_lie_is_found() {
        let (calls, links) = three().await;
        let lie = |change: &dyn Fn(&mut Vec<Call>)| {
            let mut calls = calls.clone();
            change(&mut calls);
            agrees_with(&calls, &links).unwrap_err()
        };
        let refused = lie(&|calls| calls[1].told = Told::Nothing);
        assert!(refused.starts_with("b: told Nothing"), "{refused}");
        let lost = lie(&|calls| calls[1].id = "lost".to_owned());
        assert!(lost.starts_with("lost: told At(2"), "{lost}");
        let elsewhere = lie(&|calls| calls[1].told = calls[0].told.clone());
        assert!(elsewhere.starts_with("b: told At(1"), "{elsewhere}");
        let strange = lie(&|calls| drop(calls.remove(1)));
        assert_eq!(strange, "nobody wrote b");
        let backwards = lie(&|calls| {
            let (begun, ended) = (calls[2].begun, calls[2].ended);
            (calls[0].begun, calls[0].ended) = (ended, ended);
            (calls[2].begun, calls[2].ended) = (begun, begun);
        });
        assert_eq!(backwards, "2 had ended before 1 began");
    }
}
