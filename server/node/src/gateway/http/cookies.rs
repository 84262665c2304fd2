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

/// `Authorization: Bearer <token>` first, else the cookie.
pub fn token_of(headers: &HeaderMap, cookie: &str) -> Option<String> {
    let bearer =
        headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer_token);
    bearer.map(str::to_owned).or_else(|| {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .find_map(|value| cookie_token(value, cookie))
    })
}

/// The token in the value of an `Authorization` header.
pub fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// The token in the value of a `Cookie` header.
pub fn cookie_token(value: &str, name: &str) -> Option<String> {
    Cookie::split_parse(value.to_owned())
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
        .filter(|token| !token.is_empty())
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
    fn the_bearer_token_comes_before_the_cookie() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; jwt=from-cookie"));
        assert_eq!(token_of(&headers, "jwt").as_deref(), Some("from-cookie"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer from-header"));
        assert_eq!(token_of(&headers, "jwt").as_deref(), Some("from-header"));
        assert_eq!(token_of(&HeaderMap::new(), "jwt"), None);
    }

    #[test]
    fn an_empty_cookie_is_no_token() {
        assert_eq!(cookie_token("jwt=", "jwt"), None);
        assert_eq!(cookie_token("other=1", "jwt"), None);
    }
}
