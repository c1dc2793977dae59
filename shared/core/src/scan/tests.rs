//! Workers that die, messages that come twice and in any order, pages of any size: every object is
//! read and kept, in one chain of files, and the flow ends.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::ids::{RunId, SecretId};
use crate::ports::{CreatedRange, ListCursor};
use crate::run::{Baseline, Basis, Instead};
use crate::time::Timestamp;

const AS_OF: i64 = 1_795_392_000;

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides.max(1)
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// What a worker holds in memory.
struct Worker {
    walk: Walk,
    version: u64,
    work: ScanWork,
    buffer: Vec<String>,
}

/// The account, the record, the queue and what lies in the bucket.
struct World {
    dice: Dice,
    /// Newest first.
    lists: BTreeMap<ScanList, Vec<(i64, String)>>,
    record: (u64, ScanWork),
    queue: Vec<u32>,
    workers: Vec<Worker>,
    bucket: BTreeMap<String, Vec<String>>,
    pages: u64,
    joins: u64,
    hand_over: u64,
    faults: bool,
}

/// Objects of which many share a second, as after an import.
fn account(dice: &mut Dice, size: u64) -> Vec<(i64, String)> {
    let span = [1, 60, 86_400, 86_400 * 365 * 8][usize::try_from(dice.roll(4)).unwrap()];
    let mut objects: Vec<_> = (0..=dice.roll(size.max(1)))
        .map(|number| {
            // Some are newer than the scan, which must not read them.
            let age = i64::try_from(dice.roll(span)).unwrap() - 3;
            (AS_OF - age, format!("o_{number}"))
        })
        .collect();
    objects.sort_by(|a, b| b.cmp(a));
    objects
}

impl World {
    fn new(seed: u64, size: u64, faults: bool) -> Self {
        let mut dice = Dice(seed | 1);
        let lists = ScanList::ALL.map(|list| (list, account(&mut dice, size)));
        let work = opened();
        let queue = work.open_shards().collect();
        let hand_over = dice.roll(6) + 1;
        Self {
            dice,
            lists: lists.into(),
            record: (1, work),
            queue,
            workers: Vec::new(),
            bucket: BTreeMap::new(),
            pages: 0,
            joins: 0,
            hand_over,
            faults,
        }
    }

    fn page(&mut self, walk: &Walk) -> (Vec<String>, Option<ListCursor>) {
        self.pages += 1;
        let (range, cursor) = walk.next_page();
        let list = &self.lists[&walk.list];
        let after = cursor.map(|cursor| {
            let at = list.iter().position(|(_, id)| *id == cursor.after);
            at.unwrap()
        });
        let rest = list.iter().skip(after.map_or(0, |at| at + 1));
        let inside = |created: i64| range.from <= created && created < range.to;
        let rest: Vec<_> = rest.filter(|(created, _)| inside(*created)).collect();
        let size = if self.faults {
            self.dice.roll(7) + 1
        } else {
            5
        };
        let size = usize::try_from(size).unwrap();
        let page: Vec<_> = rest.iter().take(size).collect();
        let next = (rest.len() > size).then(|| {
            let (created, after) = page.last().unwrap();
            ListCursor {
                after: after.clone(),
                created: *created,
            }
        });
        (page.iter().map(|(_, id)| id.clone()).collect(), next)
    }

    /// Writes the record under its version, as the real flow does: again when it has changed.
    fn update<T>(
        &mut self,
        worker: &mut Worker,
        change: impl Fn(&mut ScanWork, &mut Walk) -> Result<T, Superseded>,
    ) -> Result<T, Superseded> {
        loop {
            let mut walk = worker.walk.clone();
            let result = change(&mut worker.work, &mut walk)?;
            if self.record.0 == worker.version {
                self.record = (worker.version + 1, worker.work.clone());
                worker.version += 1;
                worker.walk = walk;
                return Ok(result);
            }
            (worker.version, worker.work) = self.record.clone();
        }
    }

    fn ask(&mut self, shard: u32) {
        self.queue.push(shard);
    }

    /// A worker takes a message. It stays in the queue for whoever comes after a crash; here the
    /// crash itself puts it back.
    fn take(&mut self, shard: u32) {
        let (version, work) = self.record.clone();
        let unheard: Vec<_> = work.unheard_of(shard).collect();
        for child in unheard {
            self.ask(child);
        }
        match work.walk(shard) {
            Some(walk) => self.workers.push(Worker {
                walk,
                version,
                work,
                buffer: Vec::new(),
            }),
            None if work.is_read() => self.joins += 1,
            None => {}
        }
    }

    /// One step of one worker: a page, then what follows from it. `false` when it is at its end.
    fn step(&mut self, worker: &mut Worker) -> bool {
        let shard = worker.walk.shard;
        let (objects, next) = self.page(&worker.walk);
        worker.walk.took(objects.len(), next);
        worker.buffer.extend(objects);
        let full = worker.walk.unsaved() >= 10;
        let late = self.faults && self.dice.one_in(self.hand_over + 2);
        if full || late || worker.walk.is_done() {
            return self.flush(worker, late);
        }
        if worker.work.may_split(&worker.walk) {
            match self.update(worker, ScanWork::split) {
                Ok(Some(child)) => {
                    if self.faults && self.dice.one_in(6) {
                        // Dies before it can tell anybody.
                        self.ask(shard);
                        return false;
                    }
                    self.ask(child);
                }
                Ok(None) => {}
                Err(Superseded) => return false,
            }
        }
        true
    }

    fn flush(&mut self, worker: &mut Worker, late: bool) -> bool {
        let shard = worker.walk.shard;
        let label = format!("f{}", self.bucket.len());
        let file = (!worker.buffer.is_empty()).then(|| ScanFile {
            kind: FileKind::List(worker.walk.list),
            label: label.clone(),
            secret: SecretId::from_bits(1),
            digest: String::new(),
            bytes: 1,
            count: u64::try_from(worker.buffer.len()).unwrap(),
        });
        self.bucket
            .insert(label, std::mem::take(&mut worker.buffer));
        if self.faults && self.dice.one_in(6) {
            // Dies when the object is there and the record does not know it.
            self.ask(shard);
            return false;
        }
        let done = worker.walk.is_done();
        if self
            .update(worker, |work, walk| work.save(walk, file.clone()))
            .is_err()
        {
            return false;
        }
        if self.faults && self.dice.one_in(6) {
            // Dies when the record knows and nobody else does.
            self.ask(shard);
            return false;
        }
        if done {
            if self.record.1.is_read() {
                self.joins += 1;
            }
            return false;
        }
        if late {
            self.ask(shard);
            return false;
        }
        true
    }

    /// Runs everything in an order that the dice choose; returns how many steps it took.
    fn run(&mut self) -> u64 {
        let mut steps = 0;
        while !self.queue.is_empty() || !self.workers.is_empty() {
            steps += 1;
            assert!(steps < 200_000, "the flow does not end");
            let arrives =
                !self.queue.is_empty() && (self.workers.is_empty() || self.dice.one_in(3));
            if arrives {
                let at = self.dice.roll(u64::try_from(self.queue.len()).unwrap());
                let shard = self.queue.swap_remove(usize::try_from(at).unwrap());
                self.take(shard);
                if self.faults && self.dice.one_in(8) {
                    self.take(shard);
                }
                continue;
            }
            let at = self.dice.roll(u64::try_from(self.workers.len()).unwrap());
            let mut worker = self.workers.swap_remove(usize::try_from(at).unwrap());
            if self.faults && self.dice.one_in(12) {
                self.ask(worker.walk.shard);
                continue;
            }
            if self.step(&mut worker) {
                self.workers.push(worker);
            }
        }
        steps
    }

    fn wanted(&self, list: ScanList) -> Vec<String> {
        let inside = self.lists[&list]
            .iter()
            .filter(|(created, _)| *created <= AS_OF);
        let mut ids: Vec<_> = inside.map(|(_, id)| id.clone()).collect();
        ids.sort();
        ids
    }

    /// What the files of a list hold.
    fn kept(&self, list: ScanList) -> Vec<String> {
        let files = self.record.1.all_files();
        let files = files.filter(|file| file.kind == FileKind::List(list));
        let mut ids: Vec<_> = files
            .flat_map(|file| self.bucket[&file.label].clone())
            .collect();
        ids.sort();
        ids
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn whatever_happens_every_object_is_kept_in_one_chain_and_the_flow_ends(
        seed in any::<u64>(), size in 1_u64..400,
    ) {
        let mut world = World::new(seed, size, true);
        world.run();
        prop_assert!(world.record.1.is_read());
        prop_assert!(world.joins >= 1, "nobody asks for the join");
        for list in ScanList::ALL {
            // Each object exactly once: a worker that lost has added nothing.
            prop_assert_eq!(world.kept(list), world.wanted(list));
        }
        let labels: BTreeSet<_> = world.record.1.all_files().map(|file| &file.label).collect();
        prop_assert_eq!(labels.len(), world.record.1.all_files().count());
        prop_assert!(world.record.1.shards.iter().all(|shard| shard.cursor.is_none()));
    }

    #[test]
    fn shards_share_the_range_without_gap_and_without_overlap(seed in any::<u64>()) {
        let mut world = World::new(seed, 300, true);
        world.run();
        for list in ScanList::ALL {
            let shards = world.record.1.shards.iter().filter(|shard| shard.list == list);
            let mut ranges: Vec<_> = shards.map(|shard| (shard.range.from, shard.range.to)).collect();
            ranges.sort_unstable();
            prop_assert_eq!(ranges.first().unwrap().0, 0);
            prop_assert_eq!(ranges.last().unwrap().1, AS_OF + 1);
            prop_assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "{:?}", ranges);
            prop_assert!(ranges.len() <= MOST_SHARDS);
        }
    }

    #[test]
    fn undisturbed_splitting_costs_at_most_one_page_for_each_shard(seed in any::<u64>()) {
        let mut world = World::new(seed, 300, false);
        world.run();
        let shards = world.record.1.shards.len();
        let full: usize = ScanList::ALL.iter().map(|list| world.wanted(*list).len() / 5).sum();
        // Only the last page of a shard is not full.
        prop_assert!(world.pages <= u64::try_from(full + shards).unwrap());
    }
}

fn at(created: i64) -> ListCursor {
    ListCursor {
        after: format!("o{created}"),
        created,
    }
}

fn opened() -> ScanWork {
    let as_of = Timestamp::from_secs(AS_OF);
    let basis = Basis::full(SecretId::from_bits(1), String::new(), as_of, None);
    ScanWork::open(RunId::from_bits(1), String::new(), as_of, &basis)
}

#[test]
fn the_older_half_of_what_is_left_goes_to_a_new_shard() {
    let mut work = opened();
    let mut walk = work.walk(0).unwrap();
    walk.took(100, Some(at(AS_OF - 100)));
    assert_eq!(work.split(&mut walk), Ok(Some(3)));
    let (kept, given) = (work.shard(0).unwrap().range, work.shard(3).unwrap().range);
    assert_eq!(given.to, kept.from);
    assert_eq!((given.from, kept.to), (0, AS_OF + 1));
    // Half way between Stripe's first year and the oldest object that was read.
    assert_eq!(
        kept.from,
        1_262_304_000 + (AS_OF - 100 - 1_262_304_000 + 1) / 2
    );
    assert_eq!(work.unheard_of(0).collect::<Vec<_>>(), [3]);
}

#[test]
fn what_is_left_of_one_second_is_not_split() {
    let mut work = opened();
    work.shards[0].range = CreatedRange {
        from: AS_OF - 5,
        to: AS_OF + 1,
    };
    let mut walk = work.walk(0).unwrap();
    walk.took(100, Some(at(AS_OF - 5)));
    assert!(!work.may_split(&walk));
    assert_eq!(work.split(&mut walk), Ok(None));
    // One second older objects may still be there: they can go.
    let mut walk = work.walk(0).unwrap();
    walk.took(100, Some(at(AS_OF - 4)));
    assert_eq!(work.split(&mut walk), Ok(Some(3)));
    assert_eq!(
        work.shard(3).unwrap().range,
        CreatedRange {
            from: AS_OF - 5,
            to: AS_OF - 4
        }
    );
}

#[test]
fn at_most_eight_shards_of_a_list_are_read_at_once() {
    let mut work = opened();
    let mut walk = work.walk(0).unwrap();
    let mut given = 0;
    for page in 0..100 {
        walk.took(100, Some(at(AS_OF - page)));
        given += usize::from(work.split(&mut walk).unwrap().is_some());
    }
    assert_eq!(given, SHARDS_AT_ONCE - 1);
    let mut child = work.walk(3).unwrap();
    child.took(0, None);
    work.save(&mut child, None).unwrap();
    walk.took(100, Some(at(AS_OF - 101)));
    assert!(
        work.split(&mut walk).unwrap().is_some(),
        "a place is free again"
    );
}

#[test]
fn the_second_of_two_workers_at_one_position_saves_nothing() {
    let mut work = opened();
    let (mut first, mut second) = (work.walk(0).unwrap(), work.walk(0).unwrap());
    first.took(100, Some(at(AS_OF - 100)));
    second.took(100, Some(at(AS_OF - 100)));
    work.save(&mut first, None).unwrap();
    let before = work.clone();
    assert_eq!(work.save(&mut second, None), Err(Superseded));
    assert_eq!(work.split(&mut second), Err(Superseded));
    assert_eq!(work, before);
    first.took(1, None);
    work.save(&mut first, None).unwrap();
    assert_eq!(work.walk(0), None);
}

#[test]
fn failures_are_counted_until_something_is_saved() {
    let mut work = opened();
    assert_eq!((work.failed(0), work.failed(0), work.failed(1)), (1, 2, 1));
    let mut walk = work.walk(0).unwrap();
    walk.took(100, Some(at(AS_OF)));
    work.save(&mut walk, None).unwrap();
    assert_eq!(work.failed(0), 1);
}

fn refreshing() -> ScanWork {
    let as_of = Timestamp::from_secs(AS_OF);
    let mut basis = Basis::full(SecretId::from_bits(1), String::new(), as_of, None);
    basis.since = Some(Baseline {
        run: RunId::from_bits(2),
        as_of: Timestamp::from_secs(AS_OF - 7_200),
        changed: 0,
    });
    ScanWork::open(RunId::from_bits(3), String::new(), as_of, &basis)
}

fn file_of(kind: FileKind, label: &str, count: u64) -> ScanFile {
    ScanFile {
        kind,
        label: label.to_owned(),
        secret: SecretId::from_bits(9),
        digest: String::new(),
        bytes: 1,
        count,
    }
}

#[test]
fn what_has_changed_is_asked_read_and_carried_once() {
    let mut work = refreshing();
    assert_eq!(work.open_shards().count(), 0);
    let list = |label: &str| file_of(FileKind::List(ScanList::Customers), label, 1);
    let changed = || file_of(FileKind::Changed, "changed", 3);
    let refresh = work.refresh_mut().unwrap();
    assert_eq!(refresh.step(), RefreshStep::Ask);
    assert_eq!(refresh.read_again(0, 1, []), Err(Superseded));
    refresh.asked(changed()).unwrap();
    assert_eq!(refresh.asked(changed()), Err(Superseded));
    assert_eq!(refresh.step(), RefreshStep::Read(0));
    refresh.read_again(0, 2, [list("a")]).unwrap();
    assert_eq!(refresh.read_again(0, 2, [list("b")]), Err(Superseded));
    assert_eq!(refresh.carried(0, 1, [], true), Err(Superseded));
    refresh.read_again(2, 1, []).unwrap();
    assert_eq!(refresh.step(), RefreshStep::Carry(0));
    refresh.carried(0, 2, [list("c")], false).unwrap();
    assert_eq!(refresh.carried(0, 2, [list("d")], false), Err(Superseded));
    assert!(!work.is_read());
    let refresh = work.refresh_mut().unwrap();
    refresh.carried(2, 3, [], true).unwrap();
    assert_eq!(
        (refresh.step(), refresh.baseline.changed),
        (RefreshStep::Done, 3)
    );
    assert!(work.is_read());
    let labels: Vec<_> = work.all_files().map(|file| file.label.as_str()).collect();
    assert_eq!(labels, ["changed", "a", "c"]);
    assert_eq!(work.read_in_full(Instead::BaselineGone), Err(Superseded));
}

#[test]
fn nothing_of_the_changes_counts_once_everything_is_read() {
    let mut work = refreshing();
    let refresh = work.refresh_mut().unwrap();
    refresh
        .asked(file_of(FileKind::Changed, "changed", 1))
        .unwrap();
    work.read_in_full(Instead::TooManyChanges).unwrap();
    assert_eq!(work.read_in_full(Instead::BaselineGone), Err(Superseded));
    assert_eq!(work.instead, Some(Instead::TooManyChanges));
    assert_eq!(work.open_shards().count(), ScanList::ALL.len());
    assert_eq!(work.all_files().count(), 0);
    assert!(work.refresh_mut().is_err() && !work.is_read());
}
