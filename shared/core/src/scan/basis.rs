//! What a scan goes on from: the latest complete one, where what has changed since can be asked for.

use std::time::Duration;

use crate::ids::SecretId;
use crate::run::{Baseline, Basis, Instead, Run, RunResult, RunScope};
use crate::snapshot::reader;
use crate::time::Timestamp;

/// Stripe lists events for 30 days (docs.stripe.com/api/events/list). A day is kept free, so that no
/// event goes while they are listed.
const EVENTS_KEPT: Duration = Duration::from_hours(29 * 24);

/// What a run calls Stripe's list of events where it could not be read.
pub const EVENTS: &str = "events";

/// The basis of a scan that begins at `now` and reads by `key` only what has changed since the latest
/// of `runs` that was complete, or everything where it cannot go on from that.
pub fn incremental<'a>(
    runs: impl IntoIterator<Item = &'a Run>,
    key: SecretId,
    now: Timestamp,
) -> Basis {
    match latest(runs, key, now) {
        Ok((baseline, read_since)) => Basis {
            key,
            reader: reader(),
            read_since,
            since: Some(baseline),
            instead: None,
        },
        Err(instead) => Basis::full(key, reader(), now, Some(instead)),
    }
}

fn latest<'a>(
    runs: impl IntoIterator<Item = &'a Run>,
    key: SecretId,
    now: Timestamp,
) -> Result<(Baseline, Timestamp), Instead> {
    let latest = last_complete(runs).ok_or(Instead::NoBaseline)?;
    let basis = latest.basis.as_ref().ok_or(Instead::NoBaseline)?;
    if basis.key != key {
        return Err(Instead::OtherKey);
    }
    if basis.reader != reader() {
        return Err(Instead::OtherReader);
    }
    if latest.pruned.is_some() {
        return Err(Instead::BaselineGone);
    }
    if now.since(latest.as_of) > EVENTS_KEPT {
        return Err(Instead::BaselineOld);
    }
    let baseline = Baseline {
        run: latest.id,
        as_of: latest.as_of,
        changed: 0,
    };
    Ok((baseline, basis.read_since))
}

/// The newest scan that has read everything, or what has changed since one that did.
pub fn last_complete<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Option<&'a Run> {
    complete(runs).max_by_key(|run| run.as_of)
}

/// When the latest scan began that was not complete, where no complete one came after it, and how many
/// there were in a row.
pub fn failed<'a>(runs: impl IntoIterator<Item = &'a Run> + Copy) -> Option<(Timestamp, u32)> {
    let complete = last_complete(runs).map(|run| run.as_of);
    let failed = runs.into_iter().filter(|run| {
        let ended = run.result.is_some_and(|it| it != RunResult::Complete);
        run.scope == RunScope::Scan && ended && Some(run.as_of) > complete
    });
    let (mut latest, mut times) = (None, 0_u32);
    for run in failed {
        latest = latest.max(Some(run.as_of));
        times = times.saturating_add(1);
    }
    latest.map(|latest| (latest, times))
}

/// The newest scan that has read everything itself.
pub fn last_full<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Option<&'a Run> {
    let full = complete(runs).filter(|run| run.since().is_none());
    full.max_by_key(|run| run.as_of)
}

fn complete<'a>(runs: impl IntoIterator<Item = &'a Run>) -> impl Iterator<Item = &'a Run> {
    let runs = runs.into_iter();
    runs.filter(|run| run.scope == RunScope::Scan && run.result == Some(RunResult::Complete))
}

/// Customers that change in `hours`, by what the scans of changes among `runs` have read again:
/// rounded up, 0 where there are none.
pub fn changed_in<'a>(runs: impl IntoIterator<Item = &'a Run>, hours: u64) -> u64 {
    let (mut changed, mut time) = (0_u64, Duration::ZERO);
    for run in complete(runs) {
        if let Some(baseline) = run.since() {
            changed = changed.saturating_add(baseline.changed);
            time = time.saturating_add(run.as_of.since(baseline.as_of));
        }
    }
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let wanted = millis(Duration::from_hours(hours));
    let product = u128::from(changed).saturating_mul(u128::from(wanted));
    let per = u128::from(millis(time));
    if per == 0 {
        return changed;
    }
    u64::try_from(product.div_ceil(per)).unwrap_or(u64::MAX)
}

/// Of a hundred scans that were to read only what has changed, those that read everything instead.
pub fn in_full<'a>(runs: impl IntoIterator<Item = &'a Run>) -> u64 {
    let (mut all, mut full) = (0_u64, 0_u64);
    for basis in complete(runs).filter_map(|run| run.basis.as_ref()) {
        let instead = basis.instead.is_some_and(|it| it != Instead::NoBaseline);
        all = all.saturating_add(u64::from(instead || basis.since.is_some()));
        full = full.saturating_add(u64::from(instead));
    }
    full.saturating_mul(100).checked_div(all).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RunId;
    use crate::run::Pruned;

    const HOUR: Duration = Duration::from_hours(1);

    fn key(bits: u128) -> SecretId {
        SecretId::from_bits(bits)
    }

    fn began() -> Timestamp {
        Timestamp::from_millis(1_795_392_000_000)
    }

    fn scan(hours: u64, basis: Option<Basis>) -> Run {
        let as_of = began().plus(Duration::from_hours(hours));
        let mut run = Run::opened(
            RunId::new(as_of, u128::from(hours)),
            RunScope::Scan,
            "schedule",
            as_of,
        );
        run.result = Some(RunResult::Complete);
        run.basis = basis;
        run
    }

    fn full(hours: u64) -> Run {
        let as_of = began().plus(Duration::from_hours(hours));
        scan(hours, Some(Basis::full(key(1), reader(), as_of, None)))
    }

    #[test]
    fn a_scan_goes_on_from_the_latest_complete_one_and_remembers_the_full_one() {
        let first = full(0);
        let mut second = scan(
            2,
            Some(incremental([&first], key(1), began().plus(HOUR * 2))),
        );
        let mut partial = full(4);
        partial.result = Some(RunResult::Partial);
        let now = began().plus(HOUR * 6);
        let runs = [&partial, &second, &first];
        let basis = incremental(runs, key(1), now);
        assert_eq!(basis.read_since, began());
        assert_eq!(basis.since.map(|it| it.run), Some(second.id));
        assert_eq!(last_full(runs).map(|run| run.id), Some(first.id));
        second.pruned = Some(Pruned {
            at: now,
            gone: false,
            again: false,
        });
        // The one before is not gone on from: what the latest has read since would be lost.
        let basis = incremental([&second, &first], key(1), now);
        assert_eq!(
            basis,
            Basis::full(key(1), reader(), now, Some(Instead::BaselineGone))
        );
    }

    #[test]
    fn everything_is_read_where_there_is_nothing_to_go_on_from() {
        let now = |hours| began().plus(Duration::from_hours(hours));
        let nothing: [&Run; 0] = [];
        let instead = |runs: &[&Run], by, hours| {
            let basis = incremental(runs.iter().copied(), key(by), now(hours));
            assert_eq!((basis.since, basis.read_since), (None, now(hours)));
            basis.instead.map(Instead::code)
        };
        assert_eq!(instead(&nothing, 1, 0), Some("no-baseline"));
        let old = scan(0, None);
        assert_eq!(instead(&[&old], 1, 1), Some("no-baseline"));
        let first = full(0);
        assert_eq!(instead(&[&first], 2, 1), Some("other-key"));
        let mut other = full(0);
        if let Some(basis) = &mut other.basis {
            basis.reader = "0.0.1".to_owned();
        }
        assert_eq!(instead(&[&other], 1, 1), Some("other-reader"));
        assert_eq!(instead(&[&first], 1, 29 * 24 + 1), Some("baseline-old"));
        let basis = incremental([&first], key(1), now(29 * 24));
        assert_eq!(basis.since.map(|it| it.run), Some(first.id));
    }

    #[test]
    fn how_many_change_is_what_was_counted_spread_over_the_time_it_took() {
        let first = full(0);
        let then = |hours, from: &Run, changed| {
            let now = began().plus(Duration::from_hours(hours));
            let mut basis = incremental([from], key(1), now);
            basis.since = basis.since.map(|it| Baseline { changed, ..it });
            scan(hours, Some(basis))
        };
        assert_eq!(changed_in([&first], 5), 0);
        let second = then(2, &first, 30);
        let third = then(6, &second, 3);
        assert_eq!(changed_in([&first, &second], 1), 15);
        assert_eq!(changed_in([&first, &second, &third], 2), 11);
        assert_eq!(changed_in([&first, &second, &third], 1), 6, "rounded up");
    }
}
