//! Paths as Express's router takes them, which frontends were written against: a slash at the end does not matter, nor do
//! capital letters in the words of a route. What stands for a parameter stays as it is, and so does every other path.

use axum::{Router, extract::Request};
use http::{Uri, uri::PathAndQuery};
use tower::{Layer, util::MapRequestLayer};

/// A router that is asked for its `routes` (method and path) by their own spelling.
pub(super) fn as_express(router: Router, routes: &'static [(&'static str, &'static str)]) -> Router {
    let spelled = MapRequestLayer::new(move |mut request: Request| {
        if let Some(path) = own_spelling(request.uri().path(), routes)
            && let Some(uri) = with_path(request.uri(), &path)
        {
            *request.uri_mut() = uri;
        }
        request
    });
    // A layer on a router runs after it has chosen a route.
    Router::new().fallback_service(spelled.layer(router))
}

/// The path as its route spells it; `None` when it is spelled so, or is of no route.
fn own_spelling(path: &str, routes: &[(&str, &str)]) -> Option<String> {
    let asked = path.strip_suffix('/').unwrap_or(path);
    let spelled = routes.iter().find_map(|(_, route)| spelled_as(asked, route));
    // Of an unknown path under `/api`, that much: it is answered as one.
    let spelled = spelled.or_else(|| {
        let (api, rest) = path.split_at_checked(API.len())?;
        (api.eq_ignore_ascii_case(API) && rest.starts_with('/')).then(|| format!("{API}{rest}"))
    });
    spelled.filter(|spelled| spelled != path)
}

const API: &str = "/api";

fn spelled_as(asked: &str, route: &str) -> Option<String> {
    if asked.split('/').count() != route.split('/').count() {
        return None;
    }
    let parts = asked.split('/').zip(route.split('/')).map(|(asked, word)| {
        if word.starts_with('{') {
            Some(asked).filter(|asked| !asked.is_empty())
        } else {
            Some(word).filter(|word| word.eq_ignore_ascii_case(asked))
        }
    });
    parts.collect::<Option<Vec<_>>>().map(|parts| parts.join("/"))
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &[(&str, &str)] =
        &[("GET", "/api/messages/users"), ("GET", "/api/messages/{id}"), ("POST", "/api/messages/send/{id}")];

    #[test]
    fn a_route_is_found_by_any_spelling_that_express_takes() {
        for (asked, own) in [
            ("/api/messages/users/", "/api/messages/users"),
            ("/API/Messages/USERS", "/api/messages/users"),
            ("/api/messages/AbC/", "/api/messages/AbC"),
            ("/api/Messages/Send/AbC", "/api/messages/send/AbC"),
            ("/api/messages/SEND/", "/api/messages/SEND"),
            ("/API/Nothing", "/api/Nothing"),
            ("/API/nothing/", "/api/nothing/"),
        ] {
            assert_eq!(own_spelling(asked, ROUTES).as_deref(), Some(own), "{asked}");
        }
        for other in [
            "/api/messages/users",
            "/api/messages/AbC",
            "/",
            "",
            "//",
            "/socket.io/",
            "/Index.html",
            "/media/A.png",
            "/apis/",
            // Express serves neither.
            "/api/messages/users//",
            "/api//messages/users",
        ] {
            assert_eq!(own_spelling(other, ROUTES), None, "{other}");
        }
    }

    #[test]
    fn the_query_stays() {
        let uri: Uri = "/API/messages/users/?limit=1&A=%20".parse().expect("a URI");
        let spelled = own_spelling(uri.path(), ROUTES).expect("another spelling");
        assert_eq!(with_path(&uri, &spelled).expect("a URI"), "/api/messages/users?limit=1&A=%20");
    }
}
