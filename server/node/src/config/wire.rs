use std::{ops::RangeInclusive, time::Duration};

use super::{Settings, settings::DAY};

/// The Socket.IO server. Defaults are the Node server's.
#[derive(Debug, Clone)]
pub struct Wire {
    /// `SOCKEYE_PING_INTERVAL_MS`: up to a day. Default: the contract's.
    pub ping_interval_ms: Option<u64>,
    /// `SOCKEYE_PING_TIMEOUT_MS`: up to a day. Default: the contract's.
    pub ping_timeout_ms: Option<u64>,
    /// `SOCKEYE_CONNECT_TIMEOUT_MS`: until the first namespace is joined, up to a day. Default 45 s.
    pub connect_timeout: Duration,
    /// `SOCKEYE_UPGRADE_TIMEOUT_MS`: for the change from polling to WebSocket, up to a day. Default 10 s.
    pub upgrade_timeout: Duration,
    /// `SOCKEYE_MAX_PAYLOAD_BYTES`: of one polling request or WebSocket message, 1,000 to 1 GB. Default 1,000,000.
    pub max_payload_bytes: usize,
    /// `SOCKEYE_TRANSPORTS`: `polling`, `websocket` or both. Default both.
    pub transports: Transports,
    /// `SOCKEYE_OUTBOUND_QUEUE_LEN_MAX`: packets waiting for one client; beyond, it is disconnected and recovers. Up
    /// to 1,000,000. Default 1024.
    pub outbound_queue_len_max: usize,
    /// `SOCKEYE_INBOUND_QUEUE_LEN_MAX`: events of one client waiting to be handled; beyond, it is not read from until
    /// there is room. Up to 1,000,000. Default 256.
    pub inbound_queue_len_max: usize,
    /// `SOCKEYE_WRITE_STALL_MS`: a client that takes nothing for this long, up to a day, is gone. Default 20 s.
    pub write_stall_after: Duration,
    /// `SOCKEYE_RECOVERY`: whether returning clients get what they missed (Socket.IO connection state recovery). Default on.
    pub recovery: bool,
    /// `SOCKEYE_PRESENCE_COALESCE_MS`: the shortest time between two announcements of who is online, up to
    /// a minute; 0: every change at once. Default 100 ms.
    pub presence_coalesce: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transports {
    pub polling: bool,
    pub websocket: bool,
}

/// Below the least, clients cannot even join.
const PAYLOAD_BYTES: RangeInclusive<usize> = 1_000..=1_000_000_000;
const QUEUE_LEN_MAX: usize = 1_000_000;

impl Wire {
    pub(super) fn from_settings(settings: &Settings) -> Self {
        let ping = |name| {
            let duration = settings.optional_duration(name, Duration::from_millis(1)..=DAY)?;
            u64::try_from(duration.as_millis()).ok()
        };
        Self {
            ping_interval_ms: ping("SOCKEYE_PING_INTERVAL_MS"),
            ping_timeout_ms: ping("SOCKEYE_PING_TIMEOUT_MS"),
            connect_timeout: settings.positive_duration("SOCKEYE_CONNECT_TIMEOUT_MS", 45_000, DAY),
            upgrade_timeout: settings.positive_duration("SOCKEYE_UPGRADE_TIMEOUT_MS", 10_000, DAY),
            max_payload_bytes: settings.bounded("SOCKEYE_MAX_PAYLOAD_BYTES", 1_000_000, PAYLOAD_BYTES),
            transports: settings.read(
                "SOCKEYE_TRANSPORTS",
                Transports { polling: true, websocket: true },
                transports,
            ),
            outbound_queue_len_max: settings.positive("SOCKEYE_OUTBOUND_QUEUE_LEN_MAX", 1024, QUEUE_LEN_MAX),
            inbound_queue_len_max: settings.positive("SOCKEYE_INBOUND_QUEUE_LEN_MAX", 256, QUEUE_LEN_MAX),
            write_stall_after: settings.positive_duration("SOCKEYE_WRITE_STALL_MS", 20_000, DAY),
            recovery: settings.switch("SOCKEYE_RECOVERY", true),
            presence_coalesce: settings.duration_within(
                "SOCKEYE_PRESENCE_COALESCE_MS",
                100,
                Duration::ZERO..=Duration::from_secs(60),
            ),
        }
    }
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
