//! Log-out means out: stories of sockets and of what happens at the same moment, told by hand.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::Ordering,
};

use serde_json::{Value, json};
use sockeye_core::{NewAccount, SignedIn, ports::Sessions};

use crate::{
    config::TrustQueryUser,
    contracts::direct_v1::DirectV1,
    testing::{Live, Socket},
};

/// Where everybody is.
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

async fn live() -> Live {
    Live::serving(DirectV1::new(), TrustQueryUser::Off).await
}

async fn sign_up(live: &Live, name: &str) -> SignedIn {
    let account = NewAccount {
        email: format!("{name}@example.org"),
        name: name.to_owned(),
        password: "a password".to_owned(),
        picture: None,
        bio: String::new(),
    };
    live.chat.gateway.chat.sign_up(account, HOME).await.expect("signed up")
}

async fn log_in(live: &Live, user: &SignedIn) -> SignedIn {
    live.chat.gateway.chat.log_in(&user.user.email, "a password", HOME).await.expect("logged in")
}

/// A socket that is told who is online, so that all is done that belongs to its beginning.
async fn connected(live: &Live, user: &SignedIn) -> Socket {
    let mut socket = live.connect(user, "").await;
    socket.until("42[\"getOnlineUsers\"").await;
    socket
}

/// Logs out, and returns when all who are known by then were told.
async fn log_out(live: &Live, user: &SignedIn) {
    let mut known = connected(live, user).await;
    live.chat.gateway.chat.log_out(&user.token.0).await.expect("logged out");
    assert!(known.ended().await);
}

async fn still_serves(live: &Live, socket: &mut Socket, to: &SignedIn) {
    let message = json!(["sendMessage", { "to": to.user.id, "text": "still here" }]);
    socket.send(&format!("427{message}")).await;
    let ack: Value = serde_json::from_str(&socket.until("437").await[3..]).expect("JSON");
    assert_eq!(ack[0]["status"], "ok", "{ack}");
    assert!(live.hub.device_count() > 0);
}

#[tokio::test]
async fn a_log_out_between_proof_and_joining_ends_the_socket() {
    let live = live().await;
    let ann = sign_up(&live, "ann").await;
    let polling = live.poll(&ann).await;
    polling.post("40").await;
    assert!(polling.get().await.starts_with("40{"), "held: proof may come with the upgrade");
    live.chat.store.user.close();
    let mut socket = polling.upgrade(&ann).await;
    // It was asked whether the session has ended: not yet.
    live.chat.store.user.reached().await;
    // Others of that session find the log-out, and the gate is theirs no more: it holds one answer.
    log_out(&live, &ann).await;
    live.chat.store.user.open();
    assert!(socket.ended().await, "a socket that outlives its log-out");
    assert_eq!(live.hub.device_count(), 0);
}

#[tokio::test]
async fn a_log_out_after_the_last_look_ends_the_socket() {
    let live = live().await;
    let ann = sign_up(&live, "ann").await;
    live.chat.store.accounts.close();
    let mut socket = live.connect(&ann, "").await;
    live.chat.store.accounts.reached().await;
    log_out(&live, &ann).await;
    live.chat.store.accounts.open();
    assert!(socket.ended().await, "a socket that outlives its log-out");
}

#[tokio::test]
async fn a_log_out_that_nobody_was_told_of_is_found_by_looking() {
    let live = live().await;
    let (ann, bob) = (sign_up(&live, "ann").await, sign_up(&live, "bob").await);
    let (mut anns, mut bobs) = (connected(&live, &ann).await, connected(&live, &bob).await);
    let mut phone = connected(&live, &log_in(&live, &ann).await).await;
    live.chat.store.end_session(ann.session.id, ann.session.expires_at).await.expect("ended");
    still_serves(&live, &mut anns, &bob).await;
    live.check.notify_one();
    assert!(anns.ended().await, "found, and not to come again by itself");
    for others in [&mut phone, &mut bobs] {
        still_serves(&live, others, &ann).await;
    }
}

#[tokio::test]
async fn an_account_that_is_gone_ends_its_sockets_those_that_only_claimed_it_too() {
    for trust in [TrustQueryUser::Off, TrustQueryUser::Always] {
        let live = Live::serving(DirectV1::new(), trust).await;
        let (ann, bob) = (sign_up(&live, "ann").await, sign_up(&live, "bob").await);
        let (mut anns, mut bobs) = if trust == TrustQueryUser::Off {
            (connected(&live, &ann).await, connected(&live, &bob).await)
        } else {
            (claiming(&live, &ann).await, claiming(&live, &bob).await)
        };
        live.chat.store.delete(ann.user.id);
        live.check.notify_one();
        assert!(anns.ended().await, "{trust:?}");
        let cid = sign_up(&live, "cid").await;
        still_serves(&live, &mut bobs, &cid).await;
    }
}

async fn claiming(live: &Live, user: &SignedIn) -> Socket {
    let mut socket = live.connect_without_cookie(user, "").await;
    socket.until("42[\"getOnlineUsers\"").await;
    socket
}

#[tokio::test]
async fn logging_out_everywhere_ends_every_session_of_one_user_and_none_that_begins_after() {
    let live = live().await;
    let (ann, bob) = (sign_up(&live, "ann").await, sign_up(&live, "bob").await);
    let phone = log_in(&live, &ann).await;
    let mut sockets = [connected(&live, &ann).await, connected(&live, &phone).await];
    let mut bobs = connected(&live, &bob).await;
    let chat = &live.chat.gateway.chat;
    chat.log_out_everywhere(&ann.user).await.expect("logged out");
    for socket in &mut sockets {
        assert!(socket.ended().await);
    }
    for dead in [&ann, &phone] {
        assert_eq!(chat.authenticate(&dead.token.0).await.expect_err("dead").code(), "token_expired");
    }
    // In the same second, by the same clock.
    let again = log_in(&live, &ann).await;
    chat.authenticate(&again.token.0).await.expect("alive");
    let mut socket = connected(&live, &again).await;
    still_serves(&live, &mut socket, &bob).await;
    still_serves(&live, &mut bobs, &ann).await;
    // And all over, at once.
    let now = chat.authenticate(&again.token.0).await.expect("alive").1;
    chat.log_out_everywhere(&now).await.expect("logged out");
    assert!(socket.ended().await);
    assert!(chat.authenticate(&again.token.0).await.is_err());
}

/// What an answer to CONNECT says.
fn pid_of(answer: &str) -> String {
    let answer: Value = serde_json::from_str(&answer[2..]).expect("JSON");
    answer["pid"].as_str().expect("a pid").to_owned()
}

#[tokio::test]
async fn who_asks_to_recover_is_answered_when_proven_and_the_store_is_not_asked_before() {
    let live = live().await;
    let (ann, bob) = (sign_up(&live, "ann").await, sign_up(&live, "bob").await);
    let mut first = live.connect(&ann, "").await;
    let pid = pid_of(&first.until("40").await);
    first.until("42[\"getOnlineUsers\"").await;
    drop(first);
    let mut bobs = connected(&live, &bob).await;
    still_serves(&live, &mut bobs, &ann).await;

    let before = live.chat.store.inbox_count.load(Ordering::SeqCst);
    let polling = live.poll(&ann).await;
    polling.post(&format!("40{}", json!({ "pid": pid, "offset": "" }))).await;
    let mut socket = polling.upgrade(&ann).await;
    assert_eq!(pid_of(&socket.until("40").await), pid, "recovered, now that it is proven");
    assert!(socket.until("42").await.contains("still here"));
    let after = live.chat.store.inbox_count.load(Ordering::SeqCst);
    assert_eq!(after - before, 1, "what was missed is read once");
}

#[tokio::test]
async fn without_proof_nothing_is_told_of_what_somebody_missed() {
    let live = live().await;
    let (ann, eve) = (sign_up(&live, "ann").await, sign_up(&live, "eve").await);
    let mut first = live.connect(&ann, "").await;
    let pid = pid_of(&first.until("40").await);
    drop(first);
    let before = live.chat.store.inbox_count.load(Ordering::SeqCst);
    let polling = live.poll(&ann).await;
    polling.post(&format!("40{}", json!({ "pid": pid, "offset": "" }))).await;
    // Eve's cookie does not prove Ann: that is the end, and the first thing it is told.
    let mut socket = polling.upgrade(&eve).await;
    assert_eq!(socket.next().await.as_deref(), Some(r#"44{"message":"Unauthorized"}"#));
    assert_eq!(live.chat.store.inbox_count.load(Ordering::SeqCst), before);
    // Nor is an unproven socket a device.
    let polling = live.poll(&ann).await;
    polling.post("40").await;
    assert!(polling.get().await.starts_with("40{"));
    assert!(live.hub.device_count() <= 1, "the first may not have been noticed to be gone");
}
