//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept for files, other servers and health checks: a quarter of all, within these.
const RESERVE_MIN: u64 = 128;
const RESERVE_MAX: u64 = 1024;

/// More would be memory without a bound.
const CONNECTIONS_DEFAULT_MAX: usize = 100_000;

/// Raises the soft limit to the hard one, as Node does; gives the limit that holds then, `None` when there is none.
pub fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            // Some systems have a lower one that they do not tell.
            tracing::warn!(%error, limit = limit.current, "the limit of open files stays as it is");
            limit.current
        }
    }
}

/// How many connections a process with this limit of open files can have: as many as are wanted, if it can.
pub fn connections_max(limit: Option<u64>, wanted: Option<usize>) -> usize {
    let room = limit.map_or(usize::MAX, |limit| {
        let reserve = (limit / 4).clamp(RESERVE_MIN, RESERVE_MAX).min(limit / 2);
        usize::try_from(limit - reserve).unwrap_or(usize::MAX)
    });
    match wanted {
        Some(wanted) if wanted > room => {
            tracing::warn!(
                wanted,
                held_to = room,
                ?limit,
                "SOCKEYE_HTTP_CONNECTIONS_MAX is more than open files allow"
            );
            room
        }
        Some(wanted) => wanted,
        None => room.min(CONNECTIONS_DEFAULT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_everything_else() {
        for (limit, expected) in
            [(20, 10), (256, 128), (1024, 768), (20_000, 18_976), (1 << 30, CONNECTIONS_DEFAULT_MAX)]
        {
            assert_eq!(connections_max(Some(limit), None), expected, "{limit}");
        }
        assert_eq!(connections_max(None, None), CONNECTIONS_DEFAULT_MAX);
        assert_eq!(connections_max(Some(1024), Some(100)), 100);
        assert_eq!(connections_max(Some(1024), Some(5000)), 768, "more than there are is not possible");
        assert_eq!(connections_max(None, Some(500_000)), 500_000);
    }

    #[test]
    fn the_soft_limit_is_the_hard_one_afterwards() {
        let raised = raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!((limit.current, limit.maximum), (raised, raised));
    }
}
