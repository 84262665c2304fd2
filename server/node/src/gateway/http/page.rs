//! Paging, which no existing frontend asks for: without the parameters the core's bounds apply. Every page says where the
//! next one is, in a header (RFC 8288): existing frontends read a bare list. The last page is the one that is empty.

use std::{fmt::Display, str::FromStr};

use axum::{extract::FromRequestParts, response::Response};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use sockeye_core::{HistoryPage, PeoplePage, message::Message, user::Person};

use super::reply::refusal;

/// `?before=<message id>&limit=<n>` of a history, newest page first.
#[derive(Debug)]
pub struct HistoryQuery(pub HistoryPage);

/// `?after=<user id>&limit=<n>` of a list of people.
#[derive(Debug)]
pub struct PeopleQuery(pub PeoplePage);

impl<S: Send + Sync> FromRequestParts<S> for HistoryQuery {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let before = parameter(parts, "before").map_err(refused)?;
        Ok(Self(HistoryPage { before, len_max: limit(parts).map_err(refused)? }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PeopleQuery {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let after = parameter(parts, "after").map_err(refused)?;
        Ok(Self(PeoplePage { after, len_max: limit(parts).map_err(refused)? }))
    }
}

/// A `Link` to the older messages, given the page that is answered.
pub fn older(page: HistoryPage, messages: &[Message]) -> HeaderMap {
    next("before", messages.first().map(|message| message.id), page.len_max)
}

/// A `Link` to those who signed up later.
pub fn later(page: PeoplePage, users: &[Person]) -> HeaderMap {
    next("after", users.last().map(|user| user.id), page.len_max)
}

fn next(parameter: &str, id: Option<impl Display>, limit: Option<usize>) -> HeaderMap {
    let limit = limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
    let link = id.map(|id| format!("<?{parameter}={id}{limit}>; rel=\"next\""));
    let value = link.and_then(|link| HeaderValue::try_from(link).ok());
    value.into_iter().map(|value| (header::LINK, value)).collect()
}

fn limit(parts: &Parts) -> Result<Option<usize>, &'static str> {
    match parameter(parts, "limit")? {
        Some(0) => Err("limit"),
        limit => Ok(limit),
    }
}

/// The named parameter of the query; an error names it when it does not parse.
fn parameter<T: FromStr>(parts: &Parts, name: &'static str) -> Result<Option<T>, &'static str> {
    let query = parts.uri.query().unwrap_or_default();
    let value = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name);
    value.map(|(_, value)| value.parse().map_err(|_| name)).transpose()
}

/// Ignoring it would show a page that was not asked for.
fn refused(name: &'static str) -> Response {
    refusal(StatusCode::BAD_REQUEST, "page_malformed", &format!("The parameter `{name}` is not valid"))
}

#[cfg(test)]
mod tests {
    use sockeye_core::id::MessageId;

    use super::*;

    async fn history(query: &str) -> Result<HistoryPage, StatusCode> {
        let (mut parts, ()) =
            http::Request::builder().uri(format!("/x{query}")).body(()).unwrap().into_parts();
        let page = HistoryQuery::from_request_parts(&mut parts, &()).await;
        page.map(|query| query.0).map_err(|response| response.status())
    }

    #[tokio::test]
    async fn a_page_is_what_was_asked_for_or_everything() {
        let all = history("").await.unwrap();
        assert_eq!((all.before, all.len_max), (None, None));
        let page = history("?limit=20&before=0123456789abcdef01234567&_=1").await.unwrap();
        let before: MessageId = "0123456789abcdef01234567".parse().unwrap();
        assert_eq!((page.before, page.len_max), (Some(before), Some(20)));
    }

    #[test]
    fn a_page_says_where_the_next_one_is() {
        let link = |id: Option<&str>, limit| next("before", id, limit).remove(header::LINK);
        assert_eq!(link(Some("ab"), None).expect("a link"), "<?before=ab>; rel=\"next\"");
        assert_eq!(link(Some("ab"), Some(2)).expect("a link"), "<?before=ab&limit=2>; rel=\"next\"");
        assert_eq!(link(None, Some(2)), None);
    }

    #[tokio::test]
    async fn a_page_that_cannot_be_meant_is_refused() {
        for query in ["?limit=0", "?limit=-1", "?limit=", "?limit=1e3", "?before=undefined", "?before=%ff"] {
            assert_eq!(history(query).await.unwrap_err(), StatusCode::BAD_REQUEST, "{query}");
        }
    }
}
