//! A site on disk, asked as browsers ask.

use std::{fs, path::Path};

use http_body_util::BodyExt;
use tempfile::TempDir;

use super::*;

/// `home/site` is served.
fn site() -> (TempDir, Router) {
    let home = tempfile::tempdir().unwrap();
    let site = home.path().join("site");
    let write = |path: &str, text: &str| {
        let path = site.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("index.html", "<!doctype html><title>the page</title>");
    write("avatar.png", "a picture");
    write("assets/index-DiwrgTda.js", &"let text = 'script';\n".repeat(1000));
    write("docs/index.html", "the docs");
    write("empty/x.txt", "x");
    write("ü b.txt", "odd name");
    write(".env", "SECRET=1");
    write(".git/HEAD", "ref");
    write("assets/.DS_Store", "names");
    write("deep/.well-known/x", "hidden");
    write(".well-known/assetlinks.json", "[]");
    write(".well-known/.env", "SECRET=1");
    fs::write(home.path().join("outside.txt"), "outside").unwrap();
    fs::create_dir(home.path().join("beside")).unwrap();
    fs::write(home.path().join("beside/index.html"), "outside").unwrap();
    fs::write(home.path().join("site.txt"), "outside").unwrap();
    let routes = routes(&site);
    (home, routes)
}

#[cfg(unix)]
fn link(home: &Path, to: &str, name: &str) {
    std::os::unix::fs::symlink(to, home.join("site").join(name)).unwrap();
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn is_page(&self) -> bool {
        self.status == 200 && self.text().contains("the page")
    }
}

async fn ask(routes: &Router, method: &str, path: &str, headers: &[(&'static str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = routes.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

const PAGE: [(&str, &str); 1] = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];

#[tokio::test]
async fn files_are_served_as_what_they_are() {
    let (_home, routes) = site();
    for (path, kind, text) in [
        ("/", "text/html", "the page"),
        ("/index.html", "text/html", "the page"),
        ("/avatar.png", "image/png", "a picture"),
        ("/assets/index-DiwrgTda.js", "text/javascript", "script"),
        ("/%C3%BC%20b.txt", "text/plain", "odd name"),
        ("//docs//", "text/html", "the docs"),
        ("/.well-known/assetlinks.json", "application/json", "[]"),
    ] {
        let answer = ask(&routes, "GET", path, &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer.headers["content-type"].to_str().unwrap().starts_with(kind),
            "{path}: {:?}",
            answer.headers
        );
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
        assert_eq!(ask(&routes, "HEAD", path, &[]).await.body, b"", "{path}");
    }
    let posted = ask(&routes, "POST", "/", &[]).await;
    assert_eq!((posted.status, &posted.headers["allow"]), (405, &HeaderValue::from_static("GET, HEAD")));
}

#[tokio::test]
async fn names_with_a_leading_dot_are_not_served() {
    let (_home, routes) = site();
    for path in [
        "/.env",
        "/%2eenv",
        "//.env",
        "/.git/HEAD",
        "/.git/",
        "/assets/.DS_Store",
        "/deep/.well-known/x",
        "/.well-known/.env",
        "/.nothing/there",
        "/..",
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/assets/..%2f..%2foutside.txt",
        "/%00",
        "/%ff",
        "/.well-known/nothing",
    ] {
        let answer = ask(&routes, "GET", path, &PAGE).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn links_that_lead_out_are_not_followed() {
    let (home, routes) = site();
    let home = home.path();
    link(home, "../outside.txt", "link.txt");
    link(home, "../beside", "beside");
    link(home, "../site.txt", "twin.txt");
    link(home, ".git", "git");
    link(home, "../../../../../../../../etc/passwd", "passwd");
    fs::create_dir(home.join("site/led")).unwrap();
    link(home, "../../outside.txt", "led/index.html");
    for path in
        ["/link.txt", "/beside/", "/beside/index.html", "/twin.txt", "/git/HEAD", "/passwd", "/led/", "/led"]
    {
        let answer = ask(&routes, "GET", path, &PAGE).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    link(home, "avatar.png", "same.png");
    assert_eq!(ask(&routes, "GET", "/same.png", &[]).await.text(), "a picture");
}

#[cfg(unix)]
#[tokio::test]
async fn the_directory_itself_may_be_a_link_that_moves() {
    let home = tempfile::tempdir().unwrap();
    for release in ["1", "2"] {
        fs::create_dir(home.path().join(release)).unwrap();
        fs::write(home.path().join(release).join("index.html"), release).unwrap();
    }
    let current = home.path().join("current");
    std::os::unix::fs::symlink("1", &current).unwrap();
    let routes = routes(&current);
    assert_eq!(ask(&routes, "GET", "/", &[]).await.text(), "1");
    fs::remove_file(&current).unwrap();
    std::os::unix::fs::symlink("2", &current).unwrap();
    assert_eq!(ask(&routes, "GET", "/", &[]).await.text(), "2");
}

#[tokio::test]
async fn addresses_of_the_pages_router_are_the_page_also_with_dots() {
    let (_home, routes) = site();
    for path in
        ["/profile/ann", "/profile/ann@example.com", "/room/v1.2", "/verify/aaa.bbb.ccc", "/empty/", "/a.b/c"]
    {
        let answer = ask(&routes, "GET", path, &PAGE).await;
        assert!(answer.is_page(), "{path}: {} {}", answer.status, answer.text());
        assert_eq!(answer.headers["cache-control"], "no-cache", "{path}");
        assert_eq!(ask(&routes, "HEAD", path, &PAGE).await.status, 200, "{path}");
    }
    let navigated = [("accept", "text/html"), ("sec-fetch-dest", "document")];
    for path in ["/file/report.png", "/main.3f2a91bc.js"] {
        let answer = ask(&routes, "GET", path, &navigated).await;
        assert!(answer.is_page(), "{path}");
        assert_eq!(answer.headers["cache-control"], "no-cache", "{path}");
    }
}

#[tokio::test]
async fn a_missing_part_of_a_page_is_not_the_page() {
    let (_home, routes) = site();
    let script = [("accept", "*/*"), ("sec-fetch-dest", "script")];
    let picture = [("accept", "image/avif,*/*;q=0.8"), ("sec-fetch-dest", "image")];
    for (path, headers) in [
        ("/assets/gone-DiwrgTda.js", &PAGE[..]),
        ("/assets/gone", &PAGE),
        ("/gone.js", &PAGE),
        ("/gone.PNG", &PAGE),
        ("/room/v1.2", &script),
        ("/ann@example.com", &picture),
        ("/ann@example.com", &[]),
        ("/api/nothing", &PAGE),
        ("/api", &PAGE),
    ] {
        let answer = ask(&routes, "GET", path, headers).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().contains("not_found"), "{path}");
        assert!(!answer.headers.contains_key("cache-control"), "{path}");
    }
}

#[tokio::test]
async fn a_directory_with_a_page_has_an_address_with_a_slash() {
    let (_home, routes) = site();
    for path in ["/docs", "//docs"] {
        let answer = ask(&routes, "GET", path, &PAGE).await;
        assert_eq!((answer.status, &answer.headers["location"]), (307, &HeaderValue::from_static("/docs/")));
    }
}

#[tokio::test]
async fn files_with_a_hash_are_kept_and_others_asked_for_again() {
    let (_home, routes) = site();
    let hashed = ask(&routes, "GET", "/assets/index-DiwrgTda.js", &[]).await;
    assert_eq!(hashed.headers["cache-control"], "public, max-age=31536000, immutable");
    let page = ask(&routes, "GET", "/", &[]).await;
    assert_eq!(page.headers["cache-control"], "no-cache");
    let again = [("if-none-match", page.headers["etag"].to_str().unwrap())];
    let unchanged = ask(&routes, "GET", "/", &again).await;
    assert_eq!((unchanged.status, &unchanged.headers["cache-control"]), (304, &ASK_FIRST));
}

#[tokio::test]
async fn scripts_come_compressed_and_pictures_as_they_are() {
    let (home, routes) = site();
    let path = "/assets/index-DiwrgTda.js";
    let plain = ask(&routes, "GET", path, &[]).await;
    assert_eq!(plain.headers["vary"], "accept-encoding");
    assert!(!plain.headers.contains_key("content-encoding"));
    for encoding in ["br", "gzip"] {
        let asked = [("accept-encoding", encoding)];
        let small = ask(&routes, "GET", path, &asked).await;
        assert_eq!((small.status, small.headers["content-encoding"].to_str().unwrap()), (200, encoding));
        assert_eq!(small.headers["vary"], "accept-encoding");
        assert_eq!(small.headers["content-type"], plain.headers["content-type"]);
        assert_eq!(small.headers["content-length"].to_str().unwrap(), small.body.len().to_string());
        assert!(small.body.len() < plain.body.len() / 10);
        let head = ask(&routes, "HEAD", path, &asked).await;
        assert_eq!((head.body.len(), &head.headers), (0, &small.headers));
        // A browser that has it need not get it again.
        let again =
            [("accept-encoding", encoding), ("if-none-match", small.headers["etag"].to_str().unwrap())];
        assert_eq!(ask(&routes, "GET", path, &again).await.status, 304);
    }
    let part = ask(&routes, "GET", path, &[("accept-encoding", "br"), ("range", "bytes=0-9")]).await;
    assert_eq!((part.status, part.text()), (206, "let text ="));
    let picture = ask(&routes, "GET", "/avatar.png", &[("accept-encoding", "br")]).await;
    assert!(!picture.headers.contains_key("content-encoding") && !picture.headers.contains_key("vary"));

    // What changed is compressed anew.
    fs::write(home.path().join("site").join(&path[1..]), "let text = 'new';\n".repeat(2000)).unwrap();
    let changed = ask(&routes, "GET", path, &[("accept-encoding", "gzip")]).await;
    let mut text = String::new();
    let mut decoder = async_compression::tokio::bufread::GzipDecoder::new(&changed.body[..]);
    tokio::io::AsyncReadExt::read_to_string(&mut decoder, &mut text).await.unwrap();
    assert_eq!(text, "let text = 'new';\n".repeat(2000));
}

#[test]
fn only_names_with_a_hash_are_kept_forever() {
    for hashed in [
        "/assets/index-DiwrgTda.js",
        "/assets/index--c37zskd.js",
        "/static/js/main.3f2a91bc.js",
        "/static/css/2.1b2c3d4e.chunk.css",
    ] {
        assert!(is_hashed(hashed), "{hashed}");
    }
    for plain in ["/", "/index.html", "/avatar.png", "/socket-connection.js", "/vite.svg", "/a.b"] {
        assert!(!is_hashed(plain), "{plain}");
    }
}
