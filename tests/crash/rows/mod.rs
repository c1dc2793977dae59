//! Rows of governance section 15 beside the one repair and the one run of the other tests: whoever dies
//! in a row, and dies again while it is put right, it happens once, and the record says so once.
//!
//! A row is a line of a table: what is asked for, every entry that it leaves, and what there is then. How
//! to get there, and how to look, is a [`Scene`]'s.

mod bundles;
mod own;
mod policies;
mod repairs;
mod runs;

use super::ask::Ask;
use super::deaths::{Deaths, Workers, every_death};
use super::office::Office;

/// A row.
struct Row<A> {
    /// What is asked for.
    act: A,
    /// The status of the answer.
    says: u64,
    /// Kinds of all that is recorded from the request on, in order.
    leaves: &'static str,
    /// What there is in the end.
    becomes: &'static str,
    /// Both, where somebody died between the record that a repair begins and its UPDATE.
    unsent: Option<[&'static str; 2]>,
}

impl<A: Copy> Row<A> {
    const fn new(act: A, says: u64, leaves: &'static str, becomes: &'static str) -> Self {
        Self {
            act,
            says,
            leaves,
            becomes,
            unsent: None,
        }
    }

    const fn unsent(self, leaves: &'static str, becomes: &'static str) -> Self {
        Self {
            act: self.act,
            says: self.says,
            leaves: self.leaves,
            becomes: self.becomes,
            unsent: Some([leaves, becomes]),
        }
    }
}

/// Where rows are played.
trait Scene {
    type Act: Copy + std::fmt::Debug;
    /// What an act is about.
    type Thing;

    /// Brings about what there is before the act.
    async fn before(&self, act: Self::Act) -> Self::Thing;

    fn office<'a>(&'a self, thing: &'a Self::Thing) -> &'a Office;

    /// The request; `None` for what the sweep does by itself.
    fn asks(&self, act: Self::Act, thing: &Self::Thing) -> Option<Ask>;

    /// Whether the sweep has nothing left to do; `None` where it has nothing to do with it.
    async fn is_settled(&self, act: Self::Act, thing: &Self::Thing) -> Option<bool>;

    /// UPDATEs that the customer's database has executed so far.
    fn updates(&self, _thing: &Self::Thing) -> usize {
        0
    }

    /// What there is, in words.
    async fn looks(&self, thing: &Self::Thing) -> String;

    /// Puts it away.
    async fn after(&self, act: Self::Act, thing: Self::Thing);
}

/// Plays every row of a table with every death; how many plays that were.
async fn play_all<S: Scene>(scene: &S, rows: &[Row<S::Act>]) -> usize {
    let mut played = 0;
    for row in rows {
        let began = std::time::Instant::now();
        let (whole, count) =
            every_death(async |deaths| Box::pin(play(scene, row, deaths)).await).await;
        for kind in row.leaves.split(' ') {
            let kinds = |step: &String| step.split(' ').any(|it| it == kind);
            assert!(whole.iter().flatten().any(kinds), "{kind}: {whole:?}");
        }
        eprintln!("{:?}: {count} plays in {:?}", row.act, began.elapsed());
        played += count;
    }
    played
}

async fn play<S: Scene>(scene: &S, row: &Row<S::Act>, deaths: Deaths) -> Vec<Vec<String>> {
    let (act, thing) = (row.act, scene.before(row.act).await);
    let office = scene.office(&thing);
    let (mark, updates) = (office.mark().await, scene.updates(&thing));
    let mut workers = Workers::of(office, deaths);
    if let Some(ask) = scene.asks(act, &thing) {
        let (status, said) = workers.until_answered(&ask).await;
        let known = said["code"] == "already-created" && workers.died();
        assert!(
            status == row.says || known,
            "{act:?} {deaths:?}: {status} {said}"
        );
    }
    if scene.is_settled(act, &thing).await.is_some() {
        let settled = async || scene.is_settled(act, &thing).await == Some(true);
        workers.until_swept(settled).await;
    }
    let [leaves, becomes] = match row.unsent {
        Some(unsent) if !workers.sent() => unsent,
        _ => [row.leaves, row.becomes],
    };
    let entries = office.since(mark).await.into_iter();
    let left: Vec<String> = entries.map(|entry| entry.kind).collect();
    assert_eq!(left.join(" "), leaves, "{act:?} {deaths:?}");
    assert_eq!(scene.looks(&thing).await, becomes, "{act:?} {deaths:?}");
    let sent = usize::from(row.unsent.is_some() && workers.sent());
    let updates = scene.updates(&thing) - updates;
    assert_eq!(updates, sent, "{act:?} {deaths:?}: UPDATEs");
    let steps = workers.steps();
    scene.after(act, thing).await;
    steps
}
