use sockeye_core::{
    Bounds,
    limits::{Rule, Throttle},
};

use super::{Settings, settings::parse_millis};

/// Rates and bounds. A rate is written `events/window` or `events/window/block`, for instance `100/5m/1m`; `off` is none.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `SOCKEYE_LIMIT_REQUESTS`: REST requests per client address. Default `3000/30s/15s`, an office behind one address;
    /// in development `100000/30s`.
    pub requests: Rule,
    /// `SOCKEYE_LIMIT_SIGN_IN`: log-ins and sign-ups per client address. Default `100/5m/1m`; in
    /// development `10000/5m`.
    pub sign_in: Rule,
    /// `SOCKEYE_LIMIT_FILES`: pictures and files of the page per client address. Default `10000/30s/5s`; in development
    /// `100000/30s`.
    pub files: Rule,
    /// `SOCKEYE_LIMIT_SIGN_UP`: sign-ups per client address, beside the rule above. Default `50/1h`; in development `10000/1h`.
    pub sign_up: Rule,
    /// `SOCKEYE_LIMIT_GUESSES`: wrong passwords for one account from one network (/24, of IPv6 /64), written
    /// `free/first wait/longest wait`: after so many, the next log-in must wait, twice as long each time. Default `10/1s/15m`;
    /// in development 1000 are free.
    pub guesses: Throttle,
    /// `SOCKEYE_LIMIT_GUESSES_BY_STRANGERS`: wrong passwords for one account from all networks together that nobody has
    /// logged in to it from for a month. Default `100/1s/1m`; in development 10,000 are free.
    pub guesses_by_strangers: Throttle,
    /// `SOCKEYE_LIMIT_EVENTS`: socket events per connection. Default `2000/10s`: what a client held back while it was
    /// away comes in one burst.
    pub events: Rule,
    /// `SOCKEYE_LIMIT_USER_EVENTS`: socket events of one user over all sockets on one gateway. Default `4000/10s`.
    pub user_events: Rule,
    /// `SOCKEYE_LIMIT_SOCKETS_PER_USER`: proven sockets of one user on one gateway, up to 1,000,000. Default 200.
    pub sockets_per_user_max: usize,
    /// `SOCKEYE_LIMIT_CONNECTIONS_PER_ADDRESS`: Socket.IO connections per client address, up to 10,000,000. Default 5000.
    pub connections_per_address_max: usize,
    /// `SOCKEYE_TEXT_CHARS_MAX`: characters in a message, up to 1,000,000. Default 10,000.
    pub text_chars_max: usize,
    /// `SOCKEYE_MEDIA_MAX_BYTES`: bytes of a picture, up to 64 MiB. Default 5,000,000; JSON bodies with one may be half as large again, and 10 MB in any case; others 16 KiB.
    pub media_bytes_max: usize,
    /// `SOCKEYE_BODIES_BYTES_MAX`: bytes of request bodies under way at once, of all clients, up to 64 GiB; beyond, 503. Default
    /// 67,108,864 (64 MiB); one picture fits in any case, and those up to 16 KiB have 16 MiB of their own.
    pub bodies_bytes_max: usize,
    /// `SOCKEYE_IMAGE_PIXELS_MAX`: width times height of a picture, which costs whoever looks at it four bytes of memory
    /// each, up to 2^32. Default 50,000,000: phones' photos pass.
    pub image_pixels_max: u64,
    /// `SOCKEYE_PICTURE_BYTES_PER_DAY`: bytes of pictures that one user may send or set within a day, below 4 TiB. Default 200,000,000;
    /// `off`: as many as they like.
    pub picture_bytes_per_day: u64,
    /// `SOCKEYE_EXTERNAL_PICTURES`: whether an account may be made with a picture on another server, which then sees the
    /// address of everybody who looks at the list of people (contract `direct-v1`). Default `on`, as the original has it;
    /// `off`: such accounts have no picture. Those that are there keep theirs.
    pub external_pictures: bool,
    /// `SOCKEYE_HISTORY_LEN_MAX`: messages in one answer, up to 1,000,000. Default 1000.
    pub history_len_max: usize,
    /// `SOCKEYE_ANSWER_BYTES_MAX`: bytes of messages or people in one answer, which ends with the one that reaches it, up to
    /// 1 GiB. Default 4,000,000.
    pub answer_bytes_max: usize,
    /// `SOCKEYE_PEOPLE_LEN_MAX`: people in one answer, up to 1,000,000. Default 10,000.
    pub people_len_max: usize,
    /// `SOCKEYE_RECOVERY_LEN_MAX`: missed messages replayed to a returning client, up to 1,000,000. Default 1000.
    pub recovery_len_max: usize,
}

/// What the adapters read back.
const PICTURE_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Limits {
    pub(super) fn from_settings(settings: &Settings, production: bool) -> Self {
        // A developer's load test comes from one address; nobody guesses passwords on a laptop.
        let requests = if production { (3000, 30_000, 15_000) } else { (100_000, 30_000, 0) };
        let files = if production { (10_000, 30_000, 5_000) } else { (100_000, 30_000, 0) };
        let sign_in = if production { (100, 300_000, 60_000) } else { (10_000, 300_000, 0) };
        let sign_up = if production { (50, 3_600_000, 0) } else { (10_000, 3_600_000, 0) };
        let Bounds { mut guesses_from_network, mut guesses_from_strangers, .. } = Bounds::default();
        if !production {
            (guesses_from_network.free_max, guesses_from_strangers.free_max) = (1_000, 10_000);
        }
        Self {
            requests: rate(settings, "SOCKEYE_LIMIT_REQUESTS", "requests", requests),
            sign_in: rate(settings, "SOCKEYE_LIMIT_SIGN_IN", "sign_in", sign_in),
            files: rate(settings, "SOCKEYE_LIMIT_FILES", "files", files),
            sign_up: rate(settings, "SOCKEYE_LIMIT_SIGN_UP", "sign_up", sign_up),
            guesses: throttle(settings, "SOCKEYE_LIMIT_GUESSES", guesses_from_network),
            guesses_by_strangers: throttle(
                settings,
                "SOCKEYE_LIMIT_GUESSES_BY_STRANGERS",
                guesses_from_strangers,
            ),
            events: rate(settings, "SOCKEYE_LIMIT_EVENTS", "events", (2_000, 10_000, 0)),
            user_events: rate(settings, "SOCKEYE_LIMIT_USER_EVENTS", "user_events", (4_000, 10_000, 0)),
            sockets_per_user_max: settings.positive("SOCKEYE_LIMIT_SOCKETS_PER_USER", 200, 1_000_000),
            connections_per_address_max: settings.positive(
                "SOCKEYE_LIMIT_CONNECTIONS_PER_ADDRESS",
                5_000,
                10_000_000,
            ),
            text_chars_max: settings.positive("SOCKEYE_TEXT_CHARS_MAX", 10_000, 1_000_000),
            media_bytes_max: settings.positive("SOCKEYE_MEDIA_MAX_BYTES", 5_000_000, PICTURE_BYTES_MAX),
            bodies_bytes_max: settings.positive("SOCKEYE_BODIES_BYTES_MAX", 64 << 20, 64 << 30),
            image_pixels_max: settings.bounded("SOCKEYE_IMAGE_PIXELS_MAX", 50_000_000, 1..=1 << 32),
            picture_bytes_per_day: settings.read(
                "SOCKEYE_PICTURE_BYTES_PER_DAY",
                200_000_000,
                parse_bytes_per_day,
            ),
            external_pictures: settings.switch("SOCKEYE_EXTERNAL_PICTURES", true),
            history_len_max: settings.positive("SOCKEYE_HISTORY_LEN_MAX", 1_000, 1_000_000),
            answer_bytes_max: settings.positive("SOCKEYE_ANSWER_BYTES_MAX", 4_000_000, 1 << 30),
            people_len_max: settings.positive("SOCKEYE_PEOPLE_LEN_MAX", 10_000, 1_000_000),
            recovery_len_max: settings.positive("SOCKEYE_RECOVERY_LEN_MAX", 1_000, 1_000_000),
        }
    }

    /// Bytes of a JSON body: a picture grows by a third as base64, and there is a text beside it.
    pub fn body_bytes_max(&self) -> usize {
        self.media_bytes_max.saturating_add(self.media_bytes_max / 2).max(10_000_000)
    }
}

/// Counters hold KiB in 32 bits.
const BYTES_PER_DAY_MAX: u64 = 1 << 42;

fn parse_bytes_per_day(text: &str) -> Result<u64, String> {
    match text.parse() {
        _ if text == "off" => Ok(u64::MAX),
        Ok(bytes @ 1..BYTES_PER_DAY_MAX) => Ok(bytes),
        _ => Err(format!("is a number of bytes below {BYTES_PER_DAY_MAX}, such as 200000000, or off")),
    }
}

fn rate(
    settings: &Settings,
    variable: &'static str,
    name: &'static str,
    (events_max, window_ms, block_ms): (u32, u64, u64),
) -> Rule {
    let default = Rule { name, events_max, window_ms, block_ms };
    settings.read(variable, default, |text| parse_rate(name, text))
}

fn parse_rate(name: &'static str, text: &str) -> Result<Rule, String> {
    if text == "off" {
        return Ok(Rule { name, events_max: u32::MAX, window_ms: 1, block_ms: 0 });
    }
    let wrong = || "is a rate such as 100/5m or 100/5m/1m, or off".to_owned();
    let mut parts = text.split('/');
    let events_max = parts.next().and_then(|part| part.trim().parse().ok()).ok_or_else(wrong)?;
    let mut millis = |default: Option<u64>| match parts.next() {
        Some(part) => parse_millis(part.trim()).map_err(|_| wrong()),
        None => default.ok_or_else(wrong),
    };
    let (window_ms, block_ms) = (millis(None)?, millis(Some(0))?);
    if parts.next().is_some() || window_ms == 0 || events_max == 0 {
        return Err(wrong());
    }
    Ok(Rule { name, events_max, window_ms, block_ms })
}

fn throttle(settings: &Settings, variable: &'static str, default: Throttle) -> Throttle {
    let unset = default.clone();
    settings.read(variable, unset, |text| parse_throttle(default, text))
}

fn parse_throttle(rule: Throttle, text: &str) -> Result<Throttle, String> {
    if text == "off" {
        return Ok(Throttle { free_max: u32::MAX, ..rule });
    }
    let wrong = || "is failures and waits such as 10/1s/15m, or off".to_owned();
    let parts: Vec<&str> = text.split('/').map(str::trim).collect();
    let [free_max, wait, wait_max] = parts[..] else { return Err(wrong()) };
    let millis = |part| parse_millis(part).map_err(|_| wrong());
    let free_max: u32 = free_max.parse().map_err(|_| wrong())?;
    let (wait_ms, wait_ms_max) = (millis(wait)?, millis(wait_max)?);
    if free_max == 0 || wait_ms == 0 || wait_ms_max < wait_ms {
        return Err(wrong());
    }
    Ok(Throttle { free_max, wait_ms, wait_ms_max, ..rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_events_window_and_block() {
        let rule = |text| parse_rate("r", text);
        assert_eq!(
            rule("100/5m/1m"),
            Ok(Rule { name: "r", events_max: 100, window_ms: 300_000, block_ms: 60_000 })
        );
        assert_eq!(rule("10/1s").unwrap().block_ms, 0);
        assert_eq!(rule("off").unwrap().events_max, u32::MAX);
        for wrong in ["", "10", "10/", "x/1s", "1/1s/1s/1s", "1/0", "0/1s", "-1/1s", "1/-1s"] {
            assert!(rule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn guesses_are_failures_and_waits() {
        let default = Bounds::default().guesses_from_network;
        let rule = |text| parse_throttle(default.clone(), text);
        assert_eq!(rule("10/1s/15m").as_ref(), Ok(&default));
        let tight = rule("3/500ms/1m").unwrap();
        assert_eq!((tight.free_max, tight.wait_ms, tight.wait_ms_max), (3, 500, 60_000));
        assert_eq!(rule("off").unwrap().free_max, u32::MAX);
        for wrong in ["", "10", "10/1s", "0/1s/1m", "x/1s/1m", "10/0/1m", "10/1m/1s", "10/1s/1m/1m"] {
            assert!(rule(wrong).is_err(), "{wrong}");
        }
    }
}
