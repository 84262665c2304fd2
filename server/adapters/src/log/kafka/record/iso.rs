//! A time as consumers in JavaScript write it.

use sockeye_core::time::Timestamp;

const DAY_MS: u64 = 86_400_000;

/// `2023-11-14T22:13:20.000Z`, as `Date.prototype.toISOString` does for the years 1970 to 9999; later years have more
/// digits.
pub(super) fn format(time: Timestamp) -> String {
    let (days, ms) = (time.as_millis() / DAY_MS, time.as_millis() % DAY_MS);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 0000-03-01, so that a leap day is the last of its year, in cycles of 400 years.
    const CYCLE: u64 = 146_097;
    let days = days + 719_468;
    let (cycle, rest) = (days / CYCLE, days % CYCLE);
    let year = (rest - rest / 1_460 + rest / 36_524 - rest / 146_096) / 365;
    let day_of_year = rest - (365 * year + year / 4 - year / 100);
    // Months from March on: 153 days in every five.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (cycle * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_written_as_javascript_writes_them() {
        let iso = |ms| format(Timestamp::from_millis(ms));
        assert_eq!(iso(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(iso(1_700_000_000_007), "2023-11-14T22:13:20.007Z");
        assert_eq!(iso(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
        assert_eq!(iso(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
        assert_eq!(iso(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut before = date(0);
        for days in 1..150_000 {
            let (year, month, day) = date(days);
            let follows = match before {
                (y, m, d) if (y, m) == (year, month) => day == d + 1,
                (y, m, d) if y == year => month == m + 1 && day == 1 && d >= 28,
                (y, m, d) => (year, month, day) == (y + 1, 1, 1) && (m, d) == (12, 31),
            };
            assert!(follows, "{before:?}, then {:?}", (year, month, day));
            before = (year, month, day);
        }
    }
}
