//! What the engine's long-polling lacks against the Node server, mended.

use http::HeaderValue;
use sockeye::gateway::wire::WireConfig;

use super::{
    client::Poller,
    server::{Server, within},
};

#[tokio::test]
async fn an_aborted_poll_ends_the_session() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    let poll = tokio::spawn({
        let poller = poller.clone();
        async move { poller.poll().await }
    });
    // A second request shows that the first has been read: the server takes them up in this order.
    assert_eq!(poller.post("42[\"m\"]").await, 200);
    owned.event().await;
    poll.abort();
    owned.gone().await;
    server.empty().await;
    assert_eq!(poller.poll().await.0, 400);
}

#[tokio::test]
async fn of_two_polls_the_later_is_refused_and_the_session_ends() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    let (one, other) = tokio::join!(poller.poll(), poller.poll());
    let (first, second) = if one.0 == 200 { (one, other) } else { (other, one) };
    assert_eq!(first, (200, "1".into()));
    assert_eq!(second.0, 400);
    owned.gone().await;
    server.empty().await;
}

#[tokio::test]
async fn of_two_posts_the_later_is_refused_and_the_session_ends() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    let (started, start) = tokio::sync::oneshot::channel();
    let body = futures_util::stream::once(async move {
        let _ = started.send(());
        std::future::pending::<Result<String, std::io::Error>>().await
    });
    let first = poller.http.post(&poller.url).body(reqwest::Body::wrap_stream(body)).send();
    let first = tokio::spawn(first);
    within("the first post", start).await.expect("a body being read");
    let second = within("the refusal", async {
        loop {
            match poller.post("42[\"m\"]").await {
                200 => tokio::task::yield_now().await, // the first has not arrived yet
                status => break status,
            }
        }
    });
    assert_eq!(second.await, 400);
    owned.gone().await;
    server.empty().await;
    first.abort();
}

#[tokio::test]
async fn a_body_too_large_is_refused_and_nothing_else_ends() {
    let mut server = Server::start(WireConfig { max_payload_bytes: 1000, ..WireConfig::default() }).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    assert_eq!(poller.post(&"4".repeat(1001)).await, 413);
    let endless = poller.http.post(&poller.url).body("4".repeat(10_000)).send().await.expect("an answer");
    assert_eq!(
        (endless.status().as_u16(), &endless.headers()["connection"]),
        (413, &HeaderValue::from_static("close"))
    );
    assert_eq!(poller.post("42[\"m\"]").await, 200);
    assert_eq!(owned.event().await.name, "m");
}

#[tokio::test]
async fn a_body_is_read_as_the_node_server_reads_it() {
    let mut server = Server::start(WireConfig {
        allow_eio3: true,
        namespaces: vec!["/".into(), "/a".into()],
        ..WireConfig::default()
    })
    .await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    // In lines, as Android's Base64 writes; names escaped, as Python's json does.
    let body = "451-[\"\\u00e9t\\u00e9\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID\nBA==\n";
    assert_eq!(poller.post(body).await, 200);
    let event = owned.event().await;
    assert_eq!((event.name.as_str(), &event.attachments[0][..]), ("été", &[1, 2, 3, 4][..]));

    let old = Poller::open_with(&server, "EIO=3").await;
    let _main = server.accept().await;
    assert_eq!(old.post("12:40/a?token=x").await, 200);
    assert_eq!(server.accept().await.connection.namespace, "/a");
}

#[tokio::test]
async fn a_payload_that_is_none_ends_the_session() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    assert_eq!(poller.post("abc").await, 400);
    owned.gone().await;
    assert_eq!(poller.poll().await, (400, r#"{"code":1,"message":"Session ID unknown"}"#.into()));
}

#[tokio::test]
async fn binary_bodies_ended_with_eio3() {
    let mut server = Server::start(WireConfig::default()).await;
    let (poller, _) = Poller::join(&server, "").await;
    let mut owned = server.accept().await;
    let request =
        poller.http.post(&poller.url).header("content-type", "application/octet-stream").body("42[\"m\"]");
    assert_eq!(request.send().await.expect("an answer").status(), 400);
    owned.gone().await;
}
