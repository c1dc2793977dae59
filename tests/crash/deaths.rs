//! Workers that die, up to two in a row, and all the places at which they can.

use serde_json::Value;

use super::ask::Ask;
use super::fuse::{Point, Side};
use super::office::Office;
use super::worker::{Fate, Task};

/// Which workers of an act die, by their number.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Deaths {
    first: Option<Point>,
    later: Option<(usize, Point)>,
}

impl Deaths {
    /// The first one dies.
    pub(crate) const fn first(point: Point) -> Self {
        Self {
            first: Some(point),
            later: None,
        }
    }

    fn of(self, worker: usize) -> Option<Point> {
        match self.later {
            _ if worker == 0 => self.first,
            Some((number, point)) if number == worker => Some(point),
            _ => None,
        }
    }
}

/// The workers of one act, one after the other.
pub(crate) struct Workers<'a> {
    office: &'a Office,
    deaths: Deaths,
    /// Whether the first one is killed by what happens to its transaction.
    cut: bool,
    /// What each of them did that is durable.
    steps: Vec<Vec<String>>,
}

impl<'a> Workers<'a> {
    pub(crate) const fn of(office: &'a Office, deaths: Deaths) -> Self {
        Self {
            office,
            deaths,
            cut: false,
            steps: Vec::new(),
        }
    }

    /// The same, where the proxy before Postgres kills the first one.
    pub(crate) fn cut(office: &'a Office, deaths: Deaths) -> Self {
        Self {
            cut: true,
            ..Self::of(office, deaths)
        }
    }

    pub(crate) fn steps(self) -> Vec<Vec<String>> {
        self.steps
    }

    /// One worker; `None` when it was killed.
    pub(crate) async fn work(&mut self, task: &Task) -> Option<Value> {
        let number = self.steps.len();
        let fate = match self.deaths.of(number) {
            Some(point) => Fate::Dies(point),
            None if self.cut && number == 0 => Fate::IsKilled,
            None => Fate::Lives,
        };
        let worked = self.office.work(task, fate).await;
        self.steps.push(worked.steps);
        worked.answer
    }

    /// Sends a request until it is answered, as a client that was not answered does: with the same
    /// `Idempotency-Key`.
    pub(crate) async fn until_answered(&mut self, ask: &Ask) -> (u64, Value) {
        for _ in 0..6 {
            let task = self.office.request(ask);
            match self.work(&task).await.as_ref().map(said) {
                Some((409, problem)) if problem["code"] == "idempotency-in-flight" => {}
                Some(answer) => return answer,
                None => {}
            }
            // The dead worker's lease ends.
            self.office.time.pass_minute();
        }
        panic!("not answered: {ask:?} {:?}", self.steps);
    }

    /// Lets one worker after the other do a task until one of them lives.
    pub(crate) async fn until_done(&mut self, task: &Task) -> Value {
        for _ in 0..3 {
            if let Some(answer) = self.work(task).await {
                return answer;
            }
        }
        panic!("{task:?}: nobody answered");
    }

    /// Lets the sweep come by until it lives and nothing is left for it.
    pub(crate) async fn until_swept(&mut self, settled: impl AsyncFn() -> bool) {
        for _ in 0..4 {
            // Longer than a sweep waits, and than it lets rest what it has tried.
            self.office.time.pass_minutes(6);
            let swept = self.work(&Office::sweep()).await;
            if swept.is_some() && settled().await {
                return;
            }
        }
        panic!("not settled: {:?}", self.steps);
    }

    /// Whether anybody died.
    pub(crate) const fn died(&self) -> bool {
        self.cut || self.deaths.first.is_some() || self.deaths.later.is_some()
    }

    /// Whether nobody died between the record that a repair begins and the UPDATE: then nothing was
    /// sent, and the row says so.
    pub(crate) fn sent(&self) -> bool {
        !self.steps.iter().enumerate().any(|(number, steps)| {
            let last = steps.last().map_or("", String::as_str);
            match self.deaths.of(number).map(|point| point.side) {
                Some(Side::After) => last.contains("repair.started"),
                Some(Side::Before) => last == "UPDATE",
                None => false,
            }
        })
    }
}

/// Status and body of an answer.
fn said(answer: &Value) -> (u64, Value) {
    let status = answer["statusCode"].as_u64();
    let status = status.unwrap_or_else(|| panic!("no answer to a request: {answer}"));
    let body = answer["body"].as_str().unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// Plays an act whole, with a death on both sides of every step, and each of these that leaves something
/// new once more, with a death after every step of whoever comes then. A play says what its workers did.
/// What those of the whole play did, and how many were played.
pub(crate) async fn every_death(
    play: impl AsyncFn(Deaths) -> Vec<Vec<String>>,
) -> (Vec<Vec<String>>, usize) {
    let whole = play(Deaths::default()).await;
    eprintln!("{whole:?}");
    let begin = Point {
        step: 1,
        side: Side::Before,
    };
    let played = 1 + deaths_from(&play, &whole, begin).await;
    (whole, played)
}

/// The same without the whole play, which was `whole`, and without deaths of the first worker before
/// `begin`.
///
/// All that lasts is behind the fuse. So nothing lasts that happens between two steps: whoever comes after
/// a death before a step does what they do after a death behind the step before it, or after nobody. That
/// is looked at, and such a death has no second one of its own.
pub(crate) async fn deaths_from(
    play: &impl AsyncFn(Deaths) -> Vec<Vec<String>>,
    whole: &[Vec<String>],
    begin: Point,
) -> usize {
    let mut played = 0;
    let mut next = whole.to_vec();
    for first in points(&whole[0]) {
        if first < begin {
            continue;
        }
        let deaths = Deaths::first(first);
        let steps = play(deaths).await;
        played += 1;
        match first.side {
            Side::Before => assert_eq!(steps[1..], next, "{first:?}"),
            Side::After => {
                played += another_death(play, deaths, &steps).await;
                next = steps[1..].to_vec();
            }
        }
    }
    played
}

/// Plays an act again in which somebody died, with a death after every step of whoever came then.
pub(crate) async fn another_death(
    play: &impl AsyncFn(Deaths) -> Vec<Vec<String>>,
    deaths: Deaths,
    steps: &[Vec<String>],
) -> usize {
    let mut played = 0;
    for (number, steps) in steps.iter().enumerate().skip(1) {
        for point in points(steps) {
            if point.side == Side::After {
                let later = Some((number, point));
                play(Deaths { later, ..deaths }).await;
                played += 1;
            }
        }
    }
    played
}

/// Both sides of each step.
pub(crate) fn points(steps: &[String]) -> impl Iterator<Item = Point> {
    let count = u32::try_from(steps.len()).unwrap();
    let sides = [Side::Before, Side::After];
    (1..=count).flat_map(move |step| sides.map(|side| Point { step, side }))
}
