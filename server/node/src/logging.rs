//! Structured logs: pretty on a terminal in development, JSON lines in production.

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::config::Config;

/// Our crates: `sockeye`, `sockeye_core` and so on.
const OURS: &str = "sockeye";

/// # Errors
/// When `SOCKEYE_LOG` is no filter.
pub fn start(config: &Config) -> Result<(), String> {
    let wanted = EnvFilter::try_new(&config.log_filter)
        .map_err(|_| "SOCKEYE_LOG is a filter such as info, or info,sockeye=debug".to_owned())?;
    let filter = wanted.and(filter_fn(is_fit_for_logs));
    if config.log_json {
        let lines = fmt::layer().json().flatten_event(true);
        tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    } else {
        let lines = fmt::layer().with_target(false);
        tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    }
    Ok(())
}

/// What other crates say below `info` holds what they carry: tokens, passwords, messages. Whatever the filter, that is not
/// logged; they do not know what is secret, we do.
fn is_fit_for_logs(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || is_ours(metadata.target())
}

fn is_ours(target: &str) -> bool {
    let krate = target.split("::").next().unwrap_or_default();
    krate.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_crates_are_heard_below_info() {
        for ours in ["sockeye", "sockeye::audit", "sockeye_core::chat", "sockeye_socketio::engine"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in ["tungstenite::protocol", "hyper", "log", "sockeyesque", "mongodb::sockeye", ""] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
