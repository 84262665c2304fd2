//! Who is online, as everybody is told.

mod common;

use common::{Server, Transport};

/// A client that polls and vanishes between two polls can only be missed at the heartbeat.
const QUICK_HEARTBEAT: [(&str, &str); 2] =
    [("SOCKEYE_PING_INTERVAL_MS", "500"), ("SOCKEYE_PING_TIMEOUT_MS", "2000")];

#[tokio::test]
async fn a_user_is_online_while_any_tab_is_open() {
    let server = Server::with(&QUICK_HEARTBEAT).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut watcher = ann.connect().await;
    watcher.until_online(&[&ann.id]).await;
    let mut first = bob.connect().await;
    watcher.until_online(&[&ann.id, &bob.id]).await;
    let second = bob.dial().over(Transport::Polling).connect().await.expect("let in");
    first.disconnect();
    first.ended().await;
    // Somebody new is told of both: bob's second tab is still open.
    let mut late = server.person("cid").await.connect().await;
    let online = late.next("getOnlineUsers").await.args[0].clone();
    assert!(online.as_array().is_some_and(|ids| ids.contains(&bob.id.clone().into())), "{online}");
    late.disconnect();
    drop(second);
    watcher.until_online(&[&ann.id]).await;
}

#[tokio::test]
async fn a_connection_that_is_cut_leaves_no_ghost() {
    let server = Server::with(&QUICK_HEARTBEAT).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut watcher = ann.connect().await;
    for transport in [Transport::WebSocket, Transport::Polling] {
        let mut other = bob.dial().over(transport).connect().await.expect("let in");
        watcher.until_online(&[&ann.id, &bob.id]).await;
        other.cut();
        watcher.until_online(&[&ann.id]).await;
    }
}

#[tokio::test]
async fn a_client_that_falls_silent_is_offline_after_the_heartbeat() {
    let server = Server::with(&QUICK_HEARTBEAT).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut watcher = ann.connect().await;
    // Connected, and then nobody ever reads or answers a ping.
    let mut silent = bob.dial().raw().await.expect("a WebSocket");
    let connect = tokio_tungstenite::tungstenite::Message::text("40");
    futures_util::SinkExt::send(&mut silent, connect).await.expect("sent");
    watcher.until_online(&[&ann.id, &bob.id]).await;
    watcher.until_online(&[&ann.id]).await;
}

#[tokio::test]
async fn after_a_restart_nobody_is_online_who_did_not_return() {
    let mut server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let (mut watcher, mut other) = (ann.connect().await, bob.connect().await);
    watcher.until_online(&[&ann.id, &bob.id]).await;
    server.kill9().await;
    server.run().await;
    watcher.reconnect().await.expect("let in again");
    watcher.until_online(&[&ann.id]).await;
    other.reconnect().await.expect("let in again");
    watcher.until_online(&[&ann.id, &bob.id]).await;
}

#[tokio::test]
async fn everybody_is_told_with_each_user_once_and_oneself_included() {
    let server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut tabs = vec![ann.connect().await, ann.connect().await, bob.connect().await, bob.connect().await];
    for tab in &mut tabs {
        tab.until_online(&[&ann.id, &bob.id]).await;
    }
}

#[tokio::test]
async fn many_who_come_and_go_in_every_way_leave_no_ghost() {
    let server = Server::with(&QUICK_HEARTBEAT).await;
    let ann = server.person("ann").await;
    let mut watcher = ann.connect().await;
    let mut coming = Vec::new();
    for n in 0..8 {
        let person = server.person(&format!("guest-{n}")).await;
        coming.push(tokio::spawn(async move {
            for visit in 0..12 {
                let transport = [Transport::WebSocket, Transport::Polling, Transport::Upgrade][visit % 3];
                let mut client = person.dial().over(transport).connect().await.expect("let in");
                match (visit + n) % 4 {
                    0 => client.disconnect(),
                    1 => {
                        client.next("getOnlineUsers").await;
                    }
                    2 => client.emit("anything", &[]),
                    _ => {}
                }
                client.cut();
            }
        }));
    }
    for guest in coming {
        guest.await.expect("a guest");
    }
    watcher.until_online(&[&ann.id]).await;
    let bob = server.person("bob").await;
    bob.connect().await.until_online(&[&ann.id, &bob.id]).await;
}
