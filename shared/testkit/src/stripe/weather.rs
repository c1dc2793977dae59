//! Faults that come now and then, reproducibly.

use super::fault::FaultKind;
use super::random::Numbers;

/// Kinds of failure and how many of a thousand requests they hit. The same seed hits the same ones,
/// counted in the order in which they come in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Weather {
    seed: u64,
    kinds: Vec<(FaultKind, u32)>,
}

impl Weather {
    /// Fair weather.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            kinds: Vec::new(),
        }
    }

    /// Lets `per_mille` of a thousand requests fail in this way.
    #[must_use]
    pub fn with(mut self, kind: FaultKind, per_mille: u32) -> Self {
        self.kinds.push((kind, per_mille));
        self
    }

    /// What happens to the request of this number.
    pub(super) fn at(&self, number: u64) -> Option<FaultKind> {
        if self.kinds.is_empty() {
            return None;
        }
        let roll = Numbers::new(self.seed ^ number.rotate_left(32)).next() % 1_000;
        let mut below = 0;
        self.kinds.iter().find_map(|(kind, per_mille)| {
            below += u64::from(*per_mille);
            (roll < below).then_some(*kind)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_as_often_as_was_said_and_at_the_same_places() {
        let weather = Weather::new(5)
            .with(FaultKind::Status(500), 20)
            .with(FaultKind::HalfBody, 10);
        let all: Vec<_> = (0..10_000).map(|number| weather.at(number)).collect();
        let count = |kind| all.iter().filter(|it| **it == Some(kind)).count();
        assert!((150..250).contains(&count(FaultKind::Status(500))));
        assert!((70..130).contains(&count(FaultKind::HalfBody)));
        assert!(
            all.iter()
                .enumerate()
                .all(|(number, it)| { weather.at(u64::try_from(number).unwrap()) == *it })
        );
        assert_eq!(Weather::new(5).at(7), None);
    }
}
