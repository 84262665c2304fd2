use std::time::Duration;

use super::Settings;

/// The Socket.IO server. Defaults are the Node server's.
#[derive(Debug, Clone)]
pub struct Wire {
    /// `SOCKEYE_PING_INTERVAL_MS`. Default: the contract's.
    pub ping_interval_ms: Option<u64>,
    /// `SOCKEYE_PING_TIMEOUT_MS`. Default: the contract's.
    pub ping_timeout_ms: Option<u64>,
    /// `SOCKEYE_CONNECT_TIMEOUT_MS`: until the first namespace is joined. Default 45 s.
    pub connect_timeout: Duration,
    /// `SOCKEYE_UPGRADE_TIMEOUT_MS`: for the change from polling to WebSocket. Default 10 s.
    pub upgrade_timeout: Duration,
    /// `SOCKEYE_MAX_PAYLOAD_BYTES`: of one polling request or WebSocket message. Default 1,000,000.
    pub max_payload_bytes: usize,
    /// `SOCKEYE_TRANSPORTS`: `polling`, `websocket` or both. Default both.
    pub transports: Transports,
    /// `SOCKEYE_OUTBOUND_QUEUE_LEN_MAX`: packets waiting for one client; beyond, it is disconnected and recovers. Default 1024.
    pub outbound_queue_len_max: usize,
    /// `SOCKEYE_INBOUND_QUEUE_LEN_MAX`: events of one client waiting to be handled; beyond, it is not read from until
    /// there is room. Default 256.
    pub inbound_queue_len_max: usize,
    /// `SOCKEYE_WRITE_STALL_MS`: a client that takes nothing for this long is gone. Default 20 s.
    pub write_stall_after: Duration,
    /// `SOCKEYE_RECOVERY`: whether returning clients get what they missed (Socket.IO connection state recovery). Default on.
    pub recovery: bool,
    /// `SOCKEYE_PRESENCE_COALESCE_MS`: the shortest time between two announcements of who is online. Default 100 ms.
    pub presence_coalesce: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    pub polling: bool,
    pub websocket: bool,
}

impl Wire {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        let optional = |name| settings.read(name, None, |text| super::settings::parse_millis(text).map(Some));
        Self {
            ping_interval_ms: optional("SOCKEYE_PING_INTERVAL_MS"),
            ping_timeout_ms: optional("SOCKEYE_PING_TIMEOUT_MS"),
            connect_timeout: settings.duration("SOCKEYE_CONNECT_TIMEOUT_MS", 45_000),
            upgrade_timeout: settings.duration("SOCKEYE_UPGRADE_TIMEOUT_MS", 10_000),
            max_payload_bytes: settings.parse("SOCKEYE_MAX_PAYLOAD_BYTES", 1_000_000),
            transports: settings.read(
                "SOCKEYE_TRANSPORTS",
                Transports { polling: true, websocket: true },
                transports,
            ),
            outbound_queue_len_max: positive(settings, "SOCKEYE_OUTBOUND_QUEUE_LEN_MAX", 1024),
            inbound_queue_len_max: positive(settings, "SOCKEYE_INBOUND_QUEUE_LEN_MAX", 256),
            write_stall_after: settings.duration("SOCKEYE_WRITE_STALL_MS", 20_000),
            recovery: settings.switch("SOCKEYE_RECOVERY", true),
            presence_coalesce: settings.duration("SOCKEYE_PRESENCE_COALESCE_MS", 100),
        }
    }
}

fn positive(settings: &Settings, name: &'static str, default: usize) -> usize {
    settings.read(name, default, |text| match text.parse() {
        Ok(0) | Err(_) => Err("is a whole number above 0".to_owned()),
        Ok(number) => Ok(number),
    })
}

fn transports(text: &str) -> Result<Transports, String> {
    let mut transports = Transports { polling: false, websocket: false };
    for word in text.split(',').map(str::trim) {
        match word {
            "polling" => transports.polling = true,
            "websocket" => transports.websocket = true,
            _ => return Err("lists polling, websocket or both".to_owned()),
        }
    }
    Ok(transports)
}
