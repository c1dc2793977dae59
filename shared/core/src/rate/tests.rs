use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

/// One step of the world: time passes, then one of several processes gets a request.
#[derive(Debug, Clone)]
struct Step {
    wait_ms: u64,
    process: usize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        prop_oneof![0_u64..5, 0_u64..2_000, 0_u64..60_000],
        0_usize..4,
    )
        .prop_map(|(wait_ms, process)| Step { wait_ms, process });
    proptest::collection::vec(step, 1..400)
}

/// Times of the requests that passed.
fn passed(rate: Rate, steps: &[Step]) -> Vec<u64> {
    let mut bucket = Bucket::full(rate, at(0));
    let mut shares: [Option<Share>; 4] = [None; 4];
    let mut passed = Vec::new();
    let mut now = 0;
    for step in steps {
        now += step.wait_ms;
        let spent = shares[step.process].and_then(|share| share.spend(at(now)));
        shares[step.process] = spent.or_else(|| {
            let (after, given) = bucket.take(rate, rate.share(), at(now));
            bucket = after;
            Share::new(given, after.left(), at(now)).spend(at(now))
        });
        if shares[step.process].is_some() {
            passed.push(now);
        }
    }
    passed
}

proptest! {
    #[test]
    fn never_more_than_the_burst_and_the_refill_whatever_the_number_of_processes(
        per_minute in 1_u64..2_000,
        steps in steps(),
    ) {
        let rate = Rate::per_minute(per_minute);
        let times = passed(rate, &steps);
        for (count, time) in (1_u64..).zip(&times) {
            prop_assert!(count * PARTS <= rate.full() + time * per_minute, "{count} at {time}");
        }
        // In any window a process may spend, besides, what it took just before.
        let lasts = u64::try_from(SHARE_LASTS.as_millis()).unwrap();
        for (index, from) in times.iter().enumerate() {
            for (count, to) in (1_u64..).zip(&times[index..]) {
                let most = rate.full() + (to - from + lasts) * per_minute;
                prop_assert!(count * PARTS <= most, "{count} from {from} to {to}");
            }
        }
    }

    #[test]
    fn who_stays_below_the_rate_is_never_refused(per_minute in 1_u64..600, count in 1_u64..500) {
        let rate = Rate::per_minute(per_minute);
        let every = 60_000_u64.div_ceil(per_minute);
        let steps: Vec<Step> = (0..count).map(|_| Step { wait_ms: every, process: 0 }).collect();
        prop_assert_eq!(u64::try_from(passed(rate, &steps).len()).unwrap(), count);
    }

    #[test]
    fn a_clock_that_runs_behind_gives_nothing_and_takes_nothing(back in 0_u64..1_000_000) {
        let rate = Rate::per_minute(60);
        let (bucket, _) = Bucket::full(rate, at(1_000)).take(rate, 60, at(1_000));
        let (after, given) = bucket.take(rate, 1, at(1_000).min(Timestamp::from_millis(1_001_000 - back)));
        prop_assert_eq!(given, 0);
        prop_assert_eq!(after, bucket);
    }
}

#[test]
fn an_empty_bucket_says_how_long_to_wait() {
    let rate = Rate::per_minute(60);
    let (empty, given) = Bucket::full(rate, at(0)).take(rate, 60, at(0));
    assert_eq!((given, empty.left(), empty.wait_s(rate)), (60, 0, 1));
    let slow = Rate::per_minute(1);
    let (empty, _) = Bucket::full(slow, at(0)).take(slow, 1, at(0));
    assert_eq!(empty.wait_s(slow), 60);
    let (after, given) = empty.take(slow, 1, at(59_999));
    assert_eq!((given, after.wait_s(slow)), (0, 1));
    assert_eq!(empty.take(slow, 1, at(60_000)).1, 1);
}

#[test]
fn a_share_ends_with_its_time_and_its_tokens() {
    let share = Share::new(2, 7, at(0));
    assert_eq!(share.left(), 9);
    let one = share.spend(at(10)).unwrap();
    let none = one.spend(at(10)).unwrap();
    assert_eq!(none.spend(at(10)), None);
    assert_eq!(one.spend(at(5_000)), None);
}
