//! Dates as JavaScript writes them.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use sockeye_core::time::Timestamp;

/// Serializes as ISO 8601 in UTC with milliseconds, `2026-01-31T08:05:00.000Z` (contracts, "REST routes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date(pub Timestamp);

/// 9999-12-31T23:59:59.999Z, the last date of that form.
const LATEST_MS: u64 = 253_402_300_799_999;

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = UNIX_EPOCH + Duration::from_millis(self.0.as_millis().min(LATEST_MS));
        serializer.collect_str(&humantime::format_rfc3339_millis(time))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dates_are_as_javascript_writes_them() {
        let text = |millis| json!(Date(Timestamp::from_millis(millis)));
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(1_700_000_000_120), "2023-11-14T22:13:20.120Z");
        assert_eq!(text(u64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
