//! Times of the database (microseconds or days since 2000) and of the product (ms since 1970).
//!
//! Microseconds are cut to milliseconds. Times before 1970 become 1970. `infinity` becomes the
//! greatest number that evidence can hold, and is written back as `infinity`.

use counterfoil_core::time::Timestamp;

const EPOCH_2000_MS: i64 = 946_684_800_000;
const EPOCH_2000_DAYS: i64 = 10_957;
const DAY_MS: i64 = 86_400_000;
/// 2^53 - 1.
const FOREVER_MS: i64 = 9_007_199_254_740_991;

pub(crate) fn from_micros(micros: i64) -> Timestamp {
    match micros {
        i64::MAX => at(FOREVER_MS),
        i64::MIN => at(0),
        _ => at(micros.div_euclid(1_000).saturating_add(EPOCH_2000_MS)),
    }
}

pub(crate) fn from_days(days: i32) -> Timestamp {
    match days {
        i32::MAX => at(FOREVER_MS),
        i32::MIN => at(0),
        _ => at(i64::from(days)
            .saturating_add(EPOCH_2000_DAYS)
            .saturating_mul(DAY_MS)),
    }
}

/// `None` for a time beyond what the database can hold.
pub(crate) fn to_micros(time: Timestamp) -> Option<i64> {
    let ms = i64::try_from(time.as_millis()).ok()?;
    if ms == FOREVER_MS {
        return Some(i64::MAX);
    }
    ms.checked_sub(EPOCH_2000_MS)?.checked_mul(1_000)
}

/// The day that `time` falls on.
pub(crate) fn to_days(time: Timestamp) -> Option<i32> {
    let ms = i64::try_from(time.as_millis()).ok()?;
    if ms == FOREVER_MS {
        return Some(i32::MAX);
    }
    i32::try_from(ms.div_euclid(DAY_MS).checked_sub(EPOCH_2000_DAYS)?).ok()
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(ms.min(FOREVER_MS)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_there_and_back() {
        let time: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        assert_eq!(to_micros(time), Some(848_707_200_000_000));
        assert_eq!(from_micros(848_707_200_000_999), time);
        assert_eq!(from_days(to_days(time).unwrap()), time);
        assert_eq!(from_micros(-1_000_001).as_millis(), 946_684_798_999);
    }

    #[test]
    fn infinity_stays_infinity_and_the_past_stops_at_1970() {
        assert_eq!(to_micros(from_micros(i64::MAX)), Some(i64::MAX));
        assert_eq!(to_days(from_days(i32::MAX)), Some(i32::MAX));
        assert_eq!(from_micros(i64::MIN).as_millis(), 0);
        assert_eq!(from_days(-20_000).as_millis(), 0);
    }
}
