//! Times as people read them: always UTC.

use krilla::metadata::DateTime;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A time of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: u64,
    /// 1 to 12.
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    milli: u64,
}

impl Civil {
    fn of(ms: u64) -> Self {
        let (seconds, milli) = (ms / 1_000, ms % 1_000);
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        // Days are counted from 1 March of the year 0, so that a leap day ends its year.
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * from_march + 2) / 5 + 1,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
            milli,
        }
    }

    fn date(self) -> String {
        let month = usize::try_from(self.month - 1).unwrap_or_default();
        let name = MONTHS.get(month).copied().unwrap_or_default();
        format!("{} {} {}", self.day, name, self.year)
    }
}

/// `24 Nov 2026, 14:02:17 UTC`
pub(crate) fn utc(ms: u64) -> String {
    let civil = Civil::of(ms);
    let (hour, minute, second) = (civil.hour, civil.minute, civil.second);
    format!("{}, {hour:02}:{minute:02}:{second:02} UTC", civil.date())
}

/// `24 Nov 2026, 14:02:17.038 UTC`
pub(crate) fn utc_exact(ms: u64) -> String {
    let civil = Civil::of(ms);
    let (hour, minute, second, milli) = (civil.hour, civil.minute, civil.second, civil.milli);
    format!(
        "{}, {hour:02}:{minute:02}:{second:02}.{milli:03} UTC",
        civil.date()
    )
}

/// `24 Nov 2026 14:02:17`, for a column that says UTC.
pub(crate) fn short(ms: u64) -> String {
    let civil = Civil::of(ms);
    let (hour, minute, second) = (civil.hour, civil.minute, civil.second);
    format!("{} {hour:02}:{minute:02}:{second:02}", civil.date())
}

/// `14:02:17.038`
pub(crate) fn clock(ms: u64) -> String {
    let civil = Civil::of(ms);
    let (hour, minute, second, milli) = (civil.hour, civil.minute, civil.second, civil.milli);
    format!("{hour:02}:{minute:02}:{second:02}.{milli:03}")
}

/// `3 minutes 5 seconds`: the time from `from` to `to`.
pub(crate) fn duration(from: u64, to: u64) -> String {
    let ms = to.saturating_sub(from);
    let unit = |count: u64, name: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {name}{plural}")
    };
    match ms / 1_000 {
        0 => unit(ms, "millisecond"),
        seconds @ 1..60 => unit(seconds, "second"),
        seconds @ 60..3_600 => {
            format!(
                "{} {}",
                unit(seconds / 60, "minute"),
                unit(seconds % 60, "second")
            )
        }
        seconds @ 3_600..172_800 => {
            format!(
                "{} {}",
                unit(seconds / 3_600, "hour"),
                unit(seconds / 60 % 60, "minute")
            )
        }
        seconds => unit(seconds / 86_400, "day"),
    }
}

/// For the metadata of the file.
pub(crate) fn metadata(ms: u64) -> DateTime {
    let civil = Civil::of(ms);
    let small = |value: u64| u8::try_from(value).unwrap_or_default();
    DateTime::new(u16::try_from(civil.year).unwrap_or(9_999))
        .month(small(civil.month))
        .day(small(civil.day))
        .hour(small(civil.hour))
        .minute(small(civil.minute))
        .second(small(civil.second))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_read_right() {
        assert_eq!(utc(0), "1 Jan 1970, 00:00:00 UTC");
        assert_eq!(utc_exact(951_782_399_999), "28 Feb 2000, 23:59:59.999 UTC");
        assert_eq!(utc(951_782_400_000), "29 Feb 2000, 00:00:00 UTC");
        assert_eq!(utc(4_107_542_399_000), "28 Feb 2100, 23:59:59 UTC");
        assert_eq!(utc(4_107_542_400_000), "1 Mar 2100, 00:00:00 UTC");
        assert_eq!(utc(1_798_761_599_000), "31 Dec 2026, 23:59:59 UTC");
        assert_eq!(clock(1_795_634_537_759), "19:22:17.759");
    }

    #[test]
    fn the_largest_number_of_the_format_is_a_time() {
        assert_eq!(utc(9_007_199_254_740_991), "12 Oct 287396, 08:59:00 UTC");
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration(0, 1), "1 millisecond");
        assert_eq!(duration(0, 61_000), "1 minute 1 second");
        assert_eq!(duration(10, 0), "0 milliseconds");
        assert_eq!(duration(0, 7_200_000), "2 hours 0 minutes");
        assert_eq!(duration(0, 864_000_000), "10 days");
    }
}
