//! Exact percentiles: the ledger keeps every message anyway, so nothing is sampled or bucketed.

use serde::Serialize;

/// Nearest-rank percentiles in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Percentiles {
    /// Of durations in microseconds; `None` when there are none.
    pub(crate) fn of(mut durations_us: Vec<u64>) -> Option<Self> {
        durations_us.sort_unstable();
        let max = *durations_us.last()?;
        let count = durations_us.len();
        let at = |per_mille: usize| {
            let rank = (count * per_mille).div_ceil(1000).max(1);
            ms(durations_us[rank - 1])
        };
        Some(Self {
            count,
            p50_ms: at(500),
            p90_ms: at(900),
            p99_ms: at(990),
            p999_ms: at(999),
            max_ms: ms(max),
        })
    }
}

fn ms(us: u64) -> f64 {
    std::time::Duration::from_micros(us).as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_nearest_rank() {
        let of = Percentiles::of((1..=1000).rev().map(|ms| ms * 1000).collect()).expect("not empty");
        assert_eq!(
            (of.p50_ms, of.p90_ms, of.p99_ms, of.p999_ms, of.max_ms),
            (500.0, 900.0, 990.0, 999.0, 1000.0)
        );
        let single = Percentiles::of(vec![7000]).expect("not empty");
        assert_eq!((single.count, single.p50_ms, single.max_ms), (1, 7.0, 7.0));
        assert!(Percentiles::of(Vec::new()).is_none());
    }
}
