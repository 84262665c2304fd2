use std::{net::IpAddr, path::PathBuf};

use super::Settings;

/// How the process is reached.
#[derive(Debug, Clone)]
pub struct Http {
    /// `SOCKEYE_HOST`: the address to listen on, or a name such as `localhost`: then all its addresses. Default `::`, which is
    /// IPv4 too; where there is no IPv6, `0.0.0.0`.
    pub host: Host,
    /// `SERVER_PORT`, else `PORT`. Default 5000; 0 takes a free one.
    pub port: u16,
    /// `CORS_ORIGINS`: origins of pages that may call us with cookies, separated by commas, and `CLIENT_URL`, one more.
    /// Default `http://localhost:5173,http://localhost:3000`. Pages from our own origin always may.
    pub origins: Vec<String>,
    /// `SOCKEYE_PUBLIC_URL`: how all clients reach us, for absolute picture addresses. Default: what each client used.
    pub public_url: Option<String>,
    /// `SOCKEYE_TRUST_PROXY_HOPS`: proxies in front that set `X-Forwarded-For`. Default 0; 1 in production.
    pub proxy_hops: usize,
    /// `SOCKEYE_STATIC_DIR`: a built single-page app to serve. Default none.
    pub static_dir: Option<PathBuf>,
    /// `SOCKEYE_REQUEST_TIMEOUT_MS`: after this a request is answered 503; the time its body takes to come is not counted.
    /// Default 15 s.
    pub request_timeout_ms: u64,
    /// `SOCKEYE_METRICS_PUBLIC`: whether `/metrics` and `/readyz` are also answered where clients are served, to everybody.
    /// Default off: only `SOCKEYE_OPS_PORT` answers them, and in development the clients' port does to the machine itself.
    pub metrics_public: bool,
}

/// What to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Every address of the machine.
    Any,
    Address(IpAddr),
    /// Every address that the name stands for.
    Name(String),
}

impl Http {
    pub(super) fn from_settings(settings: &Settings, production: bool) -> Self {
        let port = settings.parse("PORT", 5000);
        Self {
            host: settings.read("SOCKEYE_HOST", Host::Any, host),
            port: settings.parse("SERVER_PORT", port),
            origins: origins(settings),
            public_url: settings.read("SOCKEYE_PUBLIC_URL", None, |text| origin(text).map(Some)),
            proxy_hops: settings.parse("SOCKEYE_TRUST_PROXY_HOPS", usize::from(production)),
            static_dir: settings.text("SOCKEYE_STATIC_DIR").map(PathBuf::from),
            request_timeout_ms: settings.millis("SOCKEYE_REQUEST_TIMEOUT_MS", 15_000),
            metrics_public: settings.switch("SOCKEYE_METRICS_PUBLIC", false),
        }
    }
}

/// An address, in brackets or not, or a name as DNS has them.
fn host(text: &str) -> Result<Host, String> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse() {
        return Ok(Host::Address(address));
    }
    let numbers = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let named = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !named || numbers || text.len() > 253 {
        return Err("is an address or a name to listen on, such as 127.0.0.1, :: or localhost".to_owned());
    }
    Ok(Host::Name(text.to_owned()))
}

fn origins(settings: &Settings) -> Vec<String> {
    let list = settings.read("CORS_ORIGINS", None, |text| {
        text.split(',')
            .map(str::trim)
            .filter(|o| !o.is_empty())
            .map(origin)
            .collect::<Result<_, _>>()
            .map(Some)
    });
    let client = settings.read("CLIENT_URL", None, |text| origin(text).map(Some));
    let mut origins: Vec<String> = match (list, &client) {
        (Some(list), _) => list,
        (None, Some(_)) => vec![],
        (None, None) => vec!["http://localhost:5173".to_owned(), "http://localhost:3000".to_owned()],
    };
    origins.extend(client);
    origins
}

/// `scheme://host[:port]` as browsers write it in `Origin`.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("has {text:?}, which is no origin such as http://localhost:5173");
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !matches!(url.path(), "" | "/") {
        return Err(wrong());
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_as_browsers_write_them() {
        let settings = Settings::from_pairs([
            ("CORS_ORIGINS", "HTTP://Localhost:5173/, https://chat.test:443"),
            ("CLIENT_URL", "http://a.test"),
        ]);
        let http = Http::from_settings(&settings, false);
        assert_eq!(http.origins, ["http://localhost:5173", "https://chat.test", "http://a.test"]);
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        let read = |text| Http::from_settings(&Settings::from_pairs([("SOCKEYE_HOST", text)]), false).host;
        assert_eq!(read(""), Host::Any);
        assert_eq!(read("::"), Host::Address("::".parse().unwrap()));
        assert_eq!(read("[::1]"), Host::Address("::1".parse().unwrap()));
        assert_eq!(read("0.0.0.0"), Host::Address("0.0.0.0".parse().unwrap()));
        assert_eq!(read("localhost"), Host::Name("localhost".to_owned()));
        for wrong in ["http://localhost", "localhost:5000", "127.0.0.256", "a b", "::g"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_star_is_refused_because_cookies_need_exact_origins() {
        let settings = Settings::from_pairs([("CORS_ORIGINS", "*")]);
        Http::from_settings(&settings, false);
        assert_eq!(settings.into_problems().len(), 1);
    }

    #[test]
    fn an_old_port_variable_works_and_the_newer_one_wins() {
        let port = |pairs: &[(&'static str, &'static str)]| {
            Http::from_settings(&Settings::from_pairs(pairs.iter().copied()), false).port
        };
        assert_eq!(port(&[("PORT", "5001")]), 5001);
        assert_eq!(port(&[("PORT", "5001"), ("SERVER_PORT", "5002")]), 5002);
    }
}
