use std::{net::IpAddr, path::PathBuf};

use super::{Settings, settings::DAY};

/// How the process is reached.
#[derive(Debug, Clone)]
pub struct Http {
    /// `SOCKEYE_HOST`: the address to listen on. Default `0.0.0.0`.
    pub host: IpAddr,
    /// `SERVER_PORT`, else `PORT`. Default 5000; 0 takes a free one.
    pub port: u16,
    /// `CORS_ORIGINS`: origins of pages that may call us with cookies, separated by commas, and `CLIENT_URL`, one more.
    /// Default `http://localhost:5173,http://localhost:3000`. Pages from our own origin always may.
    pub origins: Vec<String>,
    /// `SOCKEYE_PUBLIC_URL`: how all clients reach us, for absolute picture addresses. Default: what each client used.
    pub public_url: Option<String>,
    /// `SOCKEYE_TRUST_PROXY_HOPS`: proxies in front that set `X-Forwarded-For`, up to 100. Default 0; 1 in production.
    pub proxy_hops: usize,
    /// `SOCKEYE_STATIC_DIR`: a built single-page app to serve. Default none.
    pub static_dir: Option<PathBuf>,
    /// `SOCKEYE_REQUEST_TIMEOUT_MS`: after this, up to a day, a request is answered 503. Default 15 s.
    pub request_timeout_ms: u64,
}

const PROXY_HOPS_MAX: usize = 100;

impl Http {
    pub(super) fn from_settings(settings: &Settings, production: bool) -> Self {
        let port = settings.bounded("PORT", 5000, 0..=u16::MAX);
        Self {
            host: settings.parse("SOCKEYE_HOST", IpAddr::from([0, 0, 0, 0])),
            port: settings.bounded("SERVER_PORT", port, 0..=u16::MAX),
            origins: origins(settings),
            public_url: settings.read("SOCKEYE_PUBLIC_URL", None, |text| origin(text).map(Some)),
            proxy_hops: settings.bounded(
                "SOCKEYE_TRUST_PROXY_HOPS",
                usize::from(production),
                0..=PROXY_HOPS_MAX,
            ),
            static_dir: settings.text("SOCKEYE_STATIC_DIR").map(PathBuf::from),
            request_timeout_ms: request_timeout_ms(settings),
        }
    }
}

fn request_timeout_ms(settings: &Settings) -> u64 {
    let timeout = settings.positive_duration("SOCKEYE_REQUEST_TIMEOUT_MS", 15_000, DAY);
    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)
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
    // Without the text: what was put into the wrong setting may be a secret.
    let wrong = || "has something that is no origin such as http://localhost:5173".to_owned();
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let more = url.username() != "" || url.password().is_some() || url.query().or(url.fragment()).is_some();
    if !matches!(url.scheme(), "http" | "https") || !matches!(url.path(), "" | "/") || more {
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
