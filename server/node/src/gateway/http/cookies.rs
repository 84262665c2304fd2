//! The cookie that carries a session's token.

use cookie::{
    Cookie, SameSite,
    time::{Duration, OffsetDateTime},
};
use http::{HeaderMap, HeaderValue, header};
use sockeye_core::time::Timestamp;

/// How cookies are set (`SOCKEYE_COOKIE_*`).
#[derive(Debug, Clone, Copy)]
pub struct CookieRules {
    /// Only over https (and to localhost).
    pub secure: bool,
    pub same_site: SameSite,
}

/// `name=token; HttpOnly; SameSite=...; Path=/; Max-Age=...; Expires=...` (contracts, "Authentication").
pub fn session_cookie(
    name: &str,
    token: &str,
    now: Timestamp,
    expires_at: Timestamp,
    rules: CookieRules,
) -> HeaderValue {
    // Tokens end at whole seconds: rounding up keeps a week a week.
    let seconds = i64::try_from(expires_at.millis_since(now).div_ceil(1000)).unwrap_or(i64::MAX);
    render(name, token, Duration::seconds(seconds), expires_at, rules)
}

/// Makes the browser forget the cookie.
pub fn cleared_cookie(name: &str, rules: CookieRules) -> HeaderValue {
    // The one date every client understands as long ago.
    render(name, "", Duration::ZERO, Timestamp::default(), rules)
}

/// Tokens that are tried for one request; more of them cannot be meant.
const TOKENS_MAX: usize = 8;

/// Every token that a request shows, each once: of `Authorization: Bearer <token>` first, then of the cookie. The first need
/// not be the one that proves something: pages send `Bearer null`, and a proxy's own log-in comes in the same header.
pub fn tokens_of(headers: &HeaderMap, cookie: &str) -> Vec<String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut tokens = Vec::new();
    for value in headers.get_all(header::AUTHORIZATION) {
        tokens.extend(bearer_token(&text(value)).map(str::to_owned));
    }
    for value in headers.get_all(header::COOKIE) {
        tokens.extend(cookie_tokens(&text(value), cookie).map(str::to_owned));
    }
    each_once(tokens)
}

/// The first of equal tokens, in their order, and of all at most [`TOKENS_MAX`].
pub fn each_once(tokens: Vec<String>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for token in tokens {
        if known.len() < TOKENS_MAX && !known.contains(&token) {
            known.push(token);
        }
    }
    known
}

/// The token in the value of an `Authorization` header.
pub fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// The tokens in the value of a `Cookie` header. Other cookies may hold anything, and quotes around a value are none of it.
pub fn cookie_tokens<'a>(value: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let pairs = value.split(';').filter_map(|pair| pair.split_once('='));
    let ours = pairs.filter(move |(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    let bare =
        |value: &'a str| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    ours.map(bare).filter(|token| !token.is_empty())
}

fn render(
    name: &str,
    value: &str,
    max_age: Duration,
    expires_at: Timestamp,
    rules: CookieRules,
) -> HeaderValue {
    let seconds = i64::try_from(expires_at.as_millis() / 1000).unwrap_or(i64::MAX);
    let expires = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let cookie = Cookie::build((name.to_owned(), value.to_owned()))
        .max_age(max_age)
        .expires(expires)
        .path("/")
        .http_only(true)
        .same_site(rules.same_site)
        .secure(rules.secure);
    // Tokens and the fixed attributes are visible ASCII, which is what header values may hold.
    HeaderValue::from_str(&cookie.build().to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: CookieRules = CookieRules { secure: false, same_site: SameSite::Strict };

    #[test]
    fn a_session_cookie_is_what_the_contracts_say() {
        let (now, week_later) =
            (Timestamp::from_millis(1_700_000_000_123), Timestamp::from_millis(1_700_604_800_000));
        let cookie = session_cookie("jwt", "abc", now, week_later, RULES);
        let expected = "jwt=abc; HttpOnly; SameSite=Strict; Path=/; Max-Age=604800; Expires=Tue, 21 Nov 2023 22:13:20 GMT";
        assert_eq!(cookie, expected);
        let secure = session_cookie("jwt", "abc", now, week_later, CookieRules { secure: true, ..RULES });
        assert!(secure.to_str().unwrap().contains("; Secure"));
    }

    #[test]
    fn a_cleared_cookie_is_long_expired() {
        let cleared = cleared_cookie("jwt", RULES);
        assert!(cleared.to_str().unwrap().starts_with("jwt=; "));
        assert!(cleared.to_str().unwrap().ends_with("Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"));
    }

    #[test]
    fn bearer_tokens_come_before_cookies() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; jwt=from-cookie"));
        assert_eq!(tokens_of(&headers, "jwt"), ["from-cookie"]);
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer from-header"));
        assert_eq!(tokens_of(&headers, "jwt"), ["from-header", "from-cookie"]);
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Basic cHJveHk6bG9naW4="));
        assert_eq!(tokens_of(&headers, "jwt"), ["from-cookie"]);
        assert!(tokens_of(&HeaderMap::new(), "jwt").is_empty());
    }

    #[test]
    fn foreign_bytes_beside_a_token_do_not_hide_it() {
        for cookie in [
            &b"theme=caf\xe9; jwt=good"[..],
            b"jwt=good; theme=\xff\xfe",
            b"\xff=1;jwt=good",
            "thème=café; jwt=good".as_bytes(),
            b"a; =; jwt=\"good\"",
            b"jwt=; jwt=good",
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::COOKIE, HeaderValue::from_bytes(b"x=\xe9").unwrap());
            headers.append(header::COOKIE, HeaderValue::from_bytes(cookie).unwrap());
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(b"Bearer caf\xe9").unwrap());
            let tokens = tokens_of(&headers, "jwt");
            assert_eq!(tokens.last().map(String::as_str), Some("good"), "{cookie:?}: {tokens:?}");
        }
    }

    #[test]
    fn only_the_cookie_of_that_name_is_a_token() {
        for cookie in ["jwt=", "jwt=\"\"", "other=1", "xjwt=1", "JWT=1", "jwt", "a=jwt=1"] {
            assert_eq!(cookie_tokens(cookie, "jwt").next(), None, "{cookie}");
        }
    }

    #[test]
    fn the_number_of_tokens_is_bounded() {
        let many: String = (0..100).map(|n| format!("jwt={n};")).collect();
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_str(&many).unwrap());
        assert_eq!(tokens_of(&headers, "jwt"), ["0", "1", "2", "3", "4", "5", "6", "7"]);
        assert_eq!(each_once(["a", "b", "a"].map(str::to_owned).into()), ["a", "b"]);
    }
}
