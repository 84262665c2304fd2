use std::{net::IpAddr, path::PathBuf};

use ipnet::IpNet;

use super::{Settings, settings::DAY};

/// How the process is reached.
#[derive(Debug, Clone)]
pub struct Http {
    /// `SOCKEYE_HOST`: the address to listen on, or a name such as `localhost`: then all its addresses. Default `::`, which is
    /// IPv4 too; where there is no IPv6, `0.0.0.0`.
    pub host: Host,
    /// `SERVER_PORT`, else `PORT`. Default 5000; 0 takes a free one.
    pub port: u16,
    /// `CORS_ORIGINS`: origins of pages and apps that may call us with cookies, separated by commas, and `CLIENT_URL`, one
    /// more: `https://app.example.org`, `capacitor://localhost`, `file://`, `null`. Default in development
    /// `http://localhost:5173,http://localhost:3000`, in production none. Pages from our own origin always may.
    pub origins: Vec<String>,
    /// `SOCKEYE_PUBLIC_URL`: how all clients reach us, for absolute picture addresses and to know our own pages.
    /// Default: what each client used.
    pub public_url: Option<String>,
    /// `SOCKEYE_TRUST_PROXY_HOPS`: proxies in front, one behind the other, that set `X-Forwarded-For`, up to 100. Default 0;
    /// 1 in production, and when `SOCKEYE_TRUSTED_PROXIES` is set.
    pub proxy_hops: usize,
    /// `SOCKEYE_TRUSTED_PROXIES`: networks (`10.0.0.0/8`) or addresses, separated by commas, from which the last of these
    /// proxies connects; `X-Forwarded` headers of anybody else are ignored. Default: loopback and private networks.
    pub trusted_proxies: Vec<IpNet>,
    /// `SOCKEYE_STATIC_DIR`: a built single-page app to serve. Default none.
    pub static_dir: Option<PathBuf>,
    /// `SOCKEYE_REQUEST_TIMEOUT_MS`: after this, up to a day, a request is answered 503; the time its body takes to come is
    /// not counted. Default 15 s.
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

impl Host {
    /// Whether only this machine can connect.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Address(address) => address.to_canonical().is_loopback(),
            Self::Name(name) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

const PROXY_HOPS_MAX: usize = 100;
/// Where proxies usually are, and clients usually are not: loopback, private, link-local and shared (carrier) networks.
const PRIVATE_NETWORKS: &str =
    "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7,fe80::/10";

impl Http {
    pub(super) fn from_settings(settings: &Settings, production: bool) -> Self {
        let port = settings.bounded("PORT", 5000, 0..=u16::MAX);
        let named_proxies = settings.read("SOCKEYE_TRUSTED_PROXIES", None, |text| networks(text).map(Some));
        let proxy_hops = usize::from(production || named_proxies.is_some());
        let proxy_hops = settings.bounded("SOCKEYE_TRUST_PROXY_HOPS", proxy_hops, 0..=PROXY_HOPS_MAX);
        if proxy_hops == 0 && named_proxies.is_some() {
            settings.problem(
                "SOCKEYE_TRUSTED_PROXIES is set, but SOCKEYE_TRUST_PROXY_HOPS is 0, which believes no proxy. Set the hops to the \
                 number of proxies one behind the other, or unset SOCKEYE_TRUSTED_PROXIES",
            );
        }
        Self {
            host: settings.read("SOCKEYE_HOST", Host::Any, host),
            port: settings.bounded("SERVER_PORT", port, 0..=u16::MAX),
            origins: origins(settings, production),
            public_url: settings.read("SOCKEYE_PUBLIC_URL", None, |text| public_url(text).map(Some)),
            proxy_hops,
            trusted_proxies: named_proxies.unwrap_or_else(|| networks(PRIVATE_NETWORKS).unwrap_or_default()),
            static_dir: settings.text("SOCKEYE_STATIC_DIR").map(PathBuf::from),
            request_timeout_ms: request_timeout_ms(settings),
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

fn request_timeout_ms(settings: &Settings) -> u64 {
    let timeout = settings.positive_duration("SOCKEYE_REQUEST_TIMEOUT_MS", 15_000, DAY);
    u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)
}

fn origins(settings: &Settings, production: bool) -> Vec<String> {
    let list = settings.read("CORS_ORIGINS", None, |text| {
        entries(text)
            .map(|(nth, entry)| origin(entry).map_err(|problem| format!("{problem} (entry {nth})")))
            .collect::<Result<_, _>>()
            .map(Some)
    });
    let client = settings.read("CLIENT_URL", None, |text| origin(text).map(Some));
    let mut origins: Vec<String> = match (list, &client) {
        (Some(list), _) => list,
        (None, None) if !production => {
            vec!["http://localhost:5173".to_owned(), "http://localhost:3000".to_owned()]
        }
        (None, _) => vec![],
    };
    origins.extend(client);
    origins
}

/// `scheme://host[:port]` as browsers and the web views of apps write it in `Origin`. Problems are told without the value,
/// which may be a password's address that was put into the wrong setting.
fn origin(text: &str) -> Result<String, String> {
    const NONE: &str = "has something that is no origin such as http://localhost:5173";
    match text {
        "*" => return Err("does not take *: with cookies browsers want the origins by name".to_owned()),
        "null" => return Ok("null".to_owned()),
        _ => {}
    }
    let url = url::Url::parse(text).map_err(|_| NONE.to_owned())?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let named = url.username().is_empty() && url.password().is_none();
    if !bare || !named {
        return Err(NONE.to_owned());
    }
    match (url.scheme(), url.host_str()) {
        ("http" | "https", _) => Ok(url.origin().ascii_serialization()),
        // They have addresses, but no pages.
        ("ws" | "wss" | "ftp", _) => Err("wants the scheme of the page: http or https".to_owned()),
        ("file", None | Some("")) => Ok("file://".to_owned()),
        ("file", Some(_)) | (_, None | Some("")) => Err(NONE.to_owned()),
        // Apps: capacitor://localhost, ionic://localhost, tauri://localhost.
        (scheme, Some(host)) => {
            let host = host.to_ascii_lowercase();
            Ok(url
                .port()
                .map_or_else(|| format!("{scheme}://{host}"), |port| format!("{scheme}://{host}:{port}")))
        }
    }
}

fn public_url(text: &str) -> Result<String, String> {
    let origin = origin(text)?;
    if origin.starts_with("http") {
        Ok(origin)
    } else {
        Err("is an address such as https://chat.example.org".to_owned())
    }
}

fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let network = |(nth, entry): (usize, &str)| {
        let parsed = entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
        parsed
            .map_err(|_| format!("lists networks such as 10.0.0.0/8, and addresses; entry {nth} is neither"))
    };
    let networks: Vec<IpNet> = entries(text).map(network).collect::<Result<_, _>>()?;
    if networks.is_empty() { Err("lists no network".to_owned()) } else { Ok(networks) }
}

/// What stands between commas, with its number from 1.
fn entries(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.split(',').map(str::trim).filter(|entry| !entry.is_empty()))
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

    fn read(pairs: &[(&'static str, &'static str)], production: bool) -> (Http, Vec<String>) {
        let settings = Settings::from_pairs(pairs.iter().copied());
        let http = Http::from_settings(&settings, production);
        (http, settings.into_problems())
    }

    #[test]
    fn apps_have_origins_too() {
        let list = "capacitor://localhost, ionic://localhost,tauri://LOCALHOST,app://chat:80/,file://,null";
        let (http, problems) = read(&[("CORS_ORIGINS", list)], true);
        assert_eq!(problems, [""; 0]);
        let apps = ["capacitor://localhost", "ionic://localhost", "tauri://localhost", "app://chat:80"];
        assert_eq!(http.origins[..4], apps);
        assert_eq!(http.origins[4..], ["file://", "null"]);
    }

    #[test]
    fn what_is_no_origin_is_refused_without_being_shown() {
        for (name, value) in [
            ("CORS_ORIGINS", "*"),
            ("CORS_ORIGINS", "https://a.test, https://u:se-cret@b.test"),
            ("CORS_ORIGINS", "https://a.test/se-cret"),
            ("CORS_ORIGINS", "https://a.test?se-cret"),
            ("CORS_ORIGINS", "postgres://u:se-cret@h"),
            ("CORS_ORIGINS", "data:se-cret"),
            ("CORS_ORIGINS", "file:///se-cret"),
            ("CORS_ORIGINS", "se-cret"),
            ("CORS_ORIGINS", "wss://se-cret.test"),
            ("CLIENT_URL", "postgres://u:se-cret@h"),
            ("SOCKEYE_PUBLIC_URL", "https://u:se-cret@h"),
            ("SOCKEYE_PUBLIC_URL", "null"),
            ("SOCKEYE_PUBLIC_URL", "capacitor://se-cret"),
            ("SOCKEYE_TRUSTED_PROXIES", "10.0.0.0/8, se-cret"),
            ("SOCKEYE_TRUSTED_PROXIES", "10.0.0.0/33"),
            ("SOCKEYE_TRUSTED_PROXIES", ","),
        ] {
            let (_, problems) = read(&[(name, value)], false);
            assert_eq!(problems.len(), 1, "{name}={value}");
            let problem = &problems[0];
            assert!(problem.starts_with(name) && !problem.contains("se-cret"), "{problem}");
        }
    }

    #[test]
    fn in_production_no_page_on_a_developers_machine_is_trusted_unasked() {
        assert_eq!(read(&[], false).0.origins, ["http://localhost:5173", "http://localhost:3000"]);
        assert_eq!(read(&[], true).0.origins, [""; 0]);
        let asked = read(&[("CORS_ORIGINS", "http://localhost:5173")], true).0;
        assert_eq!(asked.origins, ["http://localhost:5173"]);
    }

    #[test]
    fn proxies_are_expected_in_production_and_where_they_are_named() {
        let hops = |pairs: &[_], production| read(pairs, production).0.proxy_hops;
        assert_eq!((hops(&[], false), hops(&[], true)), (0, 1));
        assert_eq!(hops(&[("SOCKEYE_TRUSTED_PROXIES", "10.0.0.1")], false), 1);
        let two = [("SOCKEYE_TRUSTED_PROXIES", "10.0.0.1"), ("SOCKEYE_TRUST_PROXY_HOPS", "2")];
        assert_eq!(hops(&two, false), 2);

        let none = [("SOCKEYE_TRUSTED_PROXIES", "10.0.0.1"), ("SOCKEYE_TRUST_PROXY_HOPS", "0")];
        assert_eq!(read(&none, false).1.len(), 1, "one of them is not meant");

        let trusts = |pairs: &[_], address: &str| {
            let address: IpAddr = address.parse().unwrap();
            read(pairs, true).0.trusted_proxies.iter().any(|network| network.contains(&address))
        };
        for private in ["127.0.0.1", "::1", "10.2.3.4", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1"]
        {
            assert!(trusts(&[], private), "{private}");
        }
        for public in ["203.0.113.9", "172.32.0.1", "100.128.0.1", "2001:db8::1", "0.0.0.0"] {
            assert!(!trusts(&[], public), "{public}");
        }
        let named = [("SOCKEYE_TRUSTED_PROXIES", "203.0.113.0/24, 2001:db8::7")];
        assert!(trusts(&named, "203.0.113.9") && trusts(&named, "2001:db8::7"));
        assert!(!trusts(&named, "10.0.0.1") && !trusts(&named, "2001:db8::8"));
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        let host_of = |text| read(&[("SOCKEYE_HOST", text)], false).0.host;
        assert_eq!(host_of(""), Host::Any);
        assert_eq!(host_of("::"), Host::Address("::".parse().unwrap()));
        assert_eq!(host_of("[::1]"), Host::Address("::1".parse().unwrap()));
        assert_eq!(host_of("0.0.0.0"), Host::Address("0.0.0.0".parse().unwrap()));
        assert_eq!(host_of("localhost"), Host::Name("localhost".to_owned()));
        for wrong in ["http://localhost", "localhost:5000", "127.0.0.256", "a b", "::g"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
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
