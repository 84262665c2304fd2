//! Structured logs: pretty on a terminal in development, JSON lines in production.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::Config;

/// # Errors
/// When `SOCKEYE_LOG` is no filter.
pub fn start(config: &Config) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.log_filter).map_err(|error| format!("SOCKEYE_LOG: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    if config.log_json {
        registry.with(fmt::layer().json().flatten_event(true)).init();
    } else {
        registry.with(fmt::layer().with_target(false)).init();
    }
    Ok(())
}
