//! Stories of the routes, on the local adapters.

use std::net::IpAddr;

use serde_json::{Value, json};
use sockeye_core::{Bounds, limits::Throttle};

use super::Direct;
use crate::{
    gateway::contract::Contract,
    testing::{Answer, BASE_URL, Browser, PNG, SIGN_INS_MAX, SIGN_UPS_MAX, TestChat},
};

async fn signed_up(chat: &TestChat, name: &str) -> (Browser, String) {
    let mut browser = chat.browser();
    let account = json!({ "fullName": name, "email": format!("{name}@b.co"), "password": "123456" });
    let answer = browser.post("/api/auth/signup", account).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    let id = answer.body["_id"].as_str().expect("an id").to_owned();
    (browser, id)
}

fn texts(history: &Value) -> Vec<&str> {
    let messages = history.as_array().expect("an array");
    messages.iter().map(|message| message["text"].as_str().expect("a text")).collect()
}

#[tokio::test]
async fn somebody_signs_up_and_is_remembered_until_logging_out() {
    let chat = TestChat::serving(&Direct::new()).await;
    let (mut ann, id) = signed_up(&chat, "ann").await;
    let token = ann.cookie.clone().expect("a cookie");
    assert!(token.starts_with("jwt="));

    let checked = ann.get("/api/auth/check").await;
    assert_eq!((checked.status, &checked.body["_id"]), (200, &id.into()));
    assert_eq!(checked.body["password"], Value::Null);

    let out = ann.post("/api/auth/logout", json!({})).await;
    assert_eq!((out.status, out.body), (200, json!({ "message": "Logged out successfully" })));
    assert_eq!(ann.cookie, None);
    let unknown = json!({ "message": "Unauthorized - No Token Provided" });
    let checked = ann.get("/api/auth/check").await;
    assert_eq!((checked.status, checked.body), (401, unknown));

    // A copy of the token is dead too.
    ann.cookie = Some(token);
    let dead = json!({ "message": "Unauthorized - Invalid Token" });
    let checked = ann.get("/api/auth/check").await;
    assert_eq!((checked.status, checked.body), (401, dead.clone()));
    ann.cookie = Some("jwt=nonsense".into());
    let checked = ann.get("/api/auth/check").await;
    assert_eq!((checked.status, checked.body), (401, dead));
    // And logging out with it is no failure.
    assert_eq!(ann.post("/api/auth/logout", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_token_ends_by_itself() {
    let chat = TestChat::serving(&Direct::new()).await;
    let (mut ann, _) = signed_up(&chat, "ann").await;
    chat.clock.advance_ms(7 * 24 * 60 * 60 * 1000);
    let checked = ann.get("/api/auth/check").await;
    let ended = json!({ "message": "Unauthorized - Invalid Token" });
    assert_eq!((checked.status, checked.body), (401, ended));
}

#[tokio::test]
async fn log_in_does_not_tell_which_addresses_exist() {
    let chat = TestChat::serving(&Direct::new()).await;
    signed_up(&chat, "ann").await;
    let mut page = chat.browser();
    for credentials in [
        json!({ "email": "ann@b.co", "password": "654321" }),
        json!({ "email": "bob@b.co", "password": "123456" }),
        json!({ "email": "Ann@b.co", "password": "123456" }),
        json!({ "email": { "$gt": "" }, "password": "123456" }),
        json!({ "email": "ann@b.co" }),
        json!({}),
    ] {
        let answer = page.post("/api/auth/login", credentials.clone()).await;
        let refused = json!({ "message": "Invalid credentials" });
        assert_eq!((answer.status, answer.body, &page.cookie), (400, refused, &None), "{credentials}");
    }
    let right = json!({ "email": "ann@b.co", "password": "123456" });
    assert_eq!(page.post("/api/auth/login", right).await.status, 200);
    assert_eq!(page.get("/api/auth/check").await.body["email"], "ann@b.co");
}

#[tokio::test]
async fn an_address_has_one_account() {
    let chat = TestChat::serving(&Direct::new()).await;
    signed_up(&chat, "ann").await;
    let again = json!({ "fullName": "Other", "email": "ann@b.co", "password": "123456" });
    let answer = chat.browser().post("/api/auth/signup", again).await;
    assert_eq!((answer.status, answer.body), (400, json!({ "message": "Email already exists" })));
}

#[tokio::test]
async fn guessing_is_limited_and_logging_out_is_not() {
    let chat = TestChat::serving(&Direct::new()).await;
    let (mut ann, _) = signed_up(&chat, "ann").await;
    for _ in 1..SIGN_INS_MAX {
        assert_eq!(ann.post("/api/auth/login", json!({})).await.status, 400);
    }
    let refused = ann.post("/api/auth/login", json!({})).await;
    assert_eq!((refused.status, &refused.body["message"]), (429, &"Too many requests".into()));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(ann.get("/api/auth/check").await.status, 200);
    assert_eq!(ann.post("/api/auth/logout", json!({})).await.status, 200);
}

/// Three wrong passwords are free in a network, five of strangers.
fn few_guesses() -> Bounds {
    let bounds = Bounds::default();
    Bounds {
        guesses_from_network: Throttle { free_max: 3, ..bounds.guesses_from_network },
        guesses_from_strangers: Throttle { free_max: 5, ..bounds.guesses_from_strangers },
        ..bounds
    }
}

/// From an address of its own, as if each log-in came from another machine.
async fn log_in(chat: &TestChat, from: impl Into<IpAddr>, email: &str, password: &str) -> Answer {
    let mut page = chat.browser_at(from.into());
    page.post("/api/auth/login", json!({ "email": email, "password": password })).await
}

#[tokio::test]
async fn wrong_passwords_slow_down_the_next_one_for_their_network() {
    for email in ["ann@b.co", "nobody@b.co"] {
        let guesses_from_strangers = Bounds::default().guesses_from_strangers;
        let bounds = Bounds { guesses_from_strangers, ..few_guesses() };
        let chat = TestChat::bounded(&Direct::new(), bounds).await;
        signed_up(&chat, "ann").await;
        for n in 1..=3 {
            assert_eq!(log_in(&chat, [192, 0, 2, n], email, "wrong").await.status, 400, "{n}");
        }
        for (wait_ms, retry_after) in [(1_000, "1"), (2_000, "2"), (4_000, "4")] {
            let refused = log_in(&chat, [192, 0, 2, 9], email, "123456").await;
            assert_eq!((refused.status, &refused.body["message"]), (429, &"Too many requests".into()));
            assert_eq!(refused.headers["retry-after"], retry_after);
            chat.clock.advance_ms(wait_ms);
            assert_eq!(log_in(&chat, [192, 0, 2, 9], email, "wrong").await.status, 400, "after {wait_ms}");
        }
        assert_eq!(log_in(&chat, [192, 0, 3, 1], email, "wrong").await.status, 400, "another network");
        assert_eq!(log_in(&chat, [192, 0, 2, 9], "bob@b.co", "wrong").await.status, 400, "another account");
    }
}

#[tokio::test]
async fn an_account_made_with_the_same_address_in_other_letters_does_not_help_to_guess() {
    let chat = TestChat::bounded(&Direct::new(), few_guesses()).await;
    signed_up(&chat, "ann").await;
    signed_up(&chat, "ANN").await;
    let from = [192, 0, 2, 9];
    for n in 1..=3 {
        assert_eq!(log_in(&chat, from, "ann@b.co", "wrong").await.status, 400, "{n}");
        assert_eq!(log_in(&chat, from, "ANN@b.co", "123456").await.status, 200, "{n}");
    }
    assert_eq!(log_in(&chat, from, "ann@b.co", "wrong").await.status, 429);
}

#[tokio::test]
async fn guessers_everywhere_do_not_keep_an_accounts_owner_out_at_home() {
    let chat = TestChat::bounded(&Direct::new(), few_guesses()).await;
    signed_up(&chat, "ann").await;
    let home = [198, 51, 100, 7];
    assert_eq!(log_in(&chat, home, "ann@b.co", "123456").await.status, 200);
    let guess = async |network| log_in(&chat, [203, 0, network, 1], "ann@b.co", "wrong").await.status;
    for network in 0..5 {
        assert_eq!(guess(network).await, 400, "{network}");
    }
    assert_eq!(guess(9).await, 429, "all strangers together");
    assert_eq!(
        log_in(&chat, [198, 51, 100, 200], "ann@b.co", "123456").await.status,
        200,
        "a neighbour at home"
    );
    assert_eq!(guess(9).await, 429, "for strangers nothing has changed");
    chat.clock.advance_ms(60_000);
    assert_eq!(
        log_in(&chat, [203, 0, 10, 1], "ann@b.co", "123456").await.status,
        200,
        "on a journey, in time"
    );
}

#[tokio::test]
async fn good_log_ins_are_never_too_many_for_an_account() {
    let chat = TestChat::bounded(&Direct::new(), few_guesses()).await;
    signed_up(&chat, "ann").await;
    for n in 0..20 {
        assert_eq!(log_in(&chat, [203, 0, n, n], "ann@b.co", "123456").await.status, 200);
        assert_eq!(log_in(&chat, [192, 0, 2, n], "ann@b.co", "123456").await.status, 200);
    }
}

#[tokio::test]
async fn ipv6_is_limited_by_its_64() {
    let chat = TestChat::serving(&Direct::new()).await;
    let guess = async |address: String| {
        let address: IpAddr = address.parse().expect("an address");
        chat.browser_at(address).post("/api/auth/login", json!({})).await.status
    };
    for n in 0..SIGN_INS_MAX {
        assert_eq!(guess(format!("2001:db8:1:2::{n:x}")).await, 400);
    }
    assert_eq!(guess("2001:db8:1:2:ffff::1".to_owned()).await, 429);
    assert_eq!(guess("2001:db8:1:3::1".to_owned()).await, 400);
}

#[tokio::test]
async fn sign_ups_have_a_rule_of_their_own_and_a_switch() {
    let chat = TestChat::serving(&Direct::new()).await;
    let sign_up = async |chat: &TestChat, n: u32| {
        let account = json!({ "fullName": "x", "email": format!("x{n}@b.co"), "password": "123456" });
        chat.browser().post("/api/auth/signup", account).await
    };
    for n in 0..SIGN_UPS_MAX {
        assert_eq!(sign_up(&chat, n).await.status, 201);
    }
    assert_eq!(sign_up(&chat, 99).await.status, 429);
    assert_eq!(chat.browser().post("/api/auth/login", json!({})).await.status, 400, "log-ins go on");
    let closed =
        TestChat::bounded(&Direct::new(), Bounds { sign_up_is_open: false, ..Bounds::default() }).await;
    let refused = sign_up(&closed, 0).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &"sign_up_off".into()));
    assert!(refused.body["message"].is_string());
}

#[tokio::test]
async fn a_profile_picture_is_a_picture() {
    let chat = TestChat::serving(&Direct::new()).await;
    let (mut ann, _) = signed_up(&chat, "ann").await;
    let route = "/api/auth/update-profile";
    for none in [json!({}), json!({ "profilePic": "" }), json!({ "profilePic": { "a": 1 } })] {
        let answer = ann.put(route, none).await;
        assert_eq!((answer.status, answer.body), (400, json!({ "message": "Profile pic is required" })));
    }
    let html = "data:image/png;base64,PGh0bWw+";
    for (bad, code) in [("https://example.org/a.png", "image_malformed"), (html, "image_type")] {
        let answer = ann.put(route, json!({ "profilePic": bad })).await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &code.into()));
    }
    let large = format!("data:image/png;base64,{}", "A".repeat(7_000_000));
    // Over the bound of pictures, and of a body where nothing has raised that.
    assert_eq!(ann.put(route, json!({ "profilePic": large })).await.status, 413);

    let answer = ann.put(route, json!({ "profilePic": PNG })).await;
    assert_eq!(answer.status, 200);
    let url = answer.body["profilePic"].as_str().expect("a text");
    assert!(url.starts_with(&format!("{BASE_URL}/media/")), "{url}");
    assert_ne!(answer.body["updatedAt"], answer.body["createdAt"]);
    assert_eq!(ann.get("/api/auth/check").await.body, answer.body);
}

#[tokio::test]
async fn two_people_talk() {
    let chat = TestChat::serving(&Direct::new()).await;
    let (mut ann, ann_id) = signed_up(&chat, "ann").await;
    let (mut bob, bob_id) = signed_up(&chat, "bob").await;
    let (to_bob, to_ann) = (format!("/api/messages/send/{bob_id}"), format!("/api/messages/send/{ann_id}"));

    let one = ann.post(&to_bob, json!({ "text": "one", "image": null })).await;
    assert_eq!(one.status, 201);
    assert_eq!(
        (&one.body["senderId"], &one.body["receiverId"]),
        (&ann_id.clone().into(), &bob_id.clone().into())
    );
    assert_eq!(one.body.get("image"), None);
    let two = bob.post(&to_ann, json!({ "text": "", "image": PNG })).await;
    assert!(two.body["image"].as_str().is_some_and(|url| url.starts_with(BASE_URL)), "{:?}", two.body);
    let three = ann.post(&to_bob, json!({ "text": "three" })).await;

    let all = json!([one.body, two.body, three.body]);
    assert_eq!(ann.get(&format!("/api/messages/{bob_id}")).await.body, all);
    assert_eq!(bob.get(&format!("/api/messages/{ann_id}")).await.body, all);

    let before = format!("/api/messages/{ann_id}?limit=1&before={}", three.body["_id"].as_str().unwrap());
    assert_eq!(bob.get(&before).await.body, json!([two.body]));
}

#[tokio::test]
async fn a_retry_is_the_same_message() {
    let chat = TestChat::serving(&Direct::new()).await;
    let (mut ann, _) = signed_up(&chat, "ann").await;
    let (_, bob_id) = signed_up(&chat, "bob").await;
    let route = format!("/api/messages/send/{bob_id}");
    let message = json!({ "text": "once", "clientId": "mine-1" });
    let first = ann.post(&route, message.clone()).await;
    assert_eq!(first.body["clientId"], "mine-1");
    // The history holds it, so the store does, and the retry is recognised.
    let history = format!("/api/messages/{bob_id}");
    assert_eq!(texts(&ann.get(&history).await.body), ["once"]);
    assert_eq!(ann.post(&route, message).await.body, first.body);
    assert_eq!(texts(&ann.get(&history).await.body), ["once"]);

    let long = json!({ "text": "x", "clientId": "x".repeat(129) });
    assert_eq!(ann.post(&route, long).await.body["code"], "client_id_too_long");
    assert_eq!(ann.post(&route, json!({ "text": "x", "clientId": 1 })).await.status, 400);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_in_words() {
    let chat = TestChat::serving(&Direct::new()).await;
    let (mut ann, ann_id) = signed_up(&chat, "ann").await;
    let (_, bob_id) = signed_up(&chat, "bob").await;
    let nobody = "0123456789abcdef01234567";
    for (to, body, status, text) in [
        (&*bob_id, json!({ "text": "", "image": null }), 400, "Text or image is required."),
        (&*bob_id, json!({}), 400, "Text or image is required."),
        (&*bob_id, json!({ "text": { "$ne": 1 } }), 400, "`text` must be a text"),
        (&*bob_id, json!({ "text": "x", "image": 7 }), 400, "`image` must be a text"),
        (nobody, json!({ "text": "x" }), 404, "Receiver not found."),
        ("undefined", json!({ "text": "x" }), 400, "Invalid user id"),
        ("%ff", json!({ "text": "x" }), 400, "Invalid user id"),
    ] {
        let answer = ann.post(&format!("/api/messages/send/{to}"), body.clone()).await;
        assert_eq!((answer.status, &answer.body["message"]), (status, &text.into()), "{to} {body}");
    }
    let history = ann.get("/api/messages/undefined").await;
    assert_eq!((history.status, history.body), (400, json!({ "message": "Invalid user id" })));
    assert_eq!(ann.get(&format!("/api/messages/{nobody}")).await.body, json!([]));
    // To oneself is allowed.
    let note = ann.post(&format!("/api/messages/send/{ann_id}"), json!({ "text": "note" })).await;
    assert_eq!(note.status, 201);
}

#[tokio::test]
async fn bodies_that_are_no_objects_are_refused_in_json() {
    let chat = TestChat::serving(&Direct::new()).await;
    for body in ["{", "[]", "7", "\"text\"", "null"] {
        let answer = chat.browser().ask("POST", "/api/auth/signup", body.to_owned()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body["message"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn people_are_everybody_else_and_chats_those_one_talked_with() {
    let chat = TestChat::serving(&Direct::new()).await;
    let (mut ann, _) = signed_up(&chat, "ann").await;
    let (_, bob_id) = signed_up(&chat, "bob").await;
    let (_, cyd_id) = signed_up(&chat, "cyd").await;
    let names = |people: &Value| -> Vec<String> {
        let people = people.as_array().expect("an array");
        people.iter().map(|user| user["fullName"].as_str().expect("a name").to_owned()).collect()
    };
    let users = ann.get("/api/messages/users").await.body;
    assert_eq!(names(&users), ["bob", "cyd"]);
    assert!(!users.to_string().contains("$2b$"));
    assert_eq!(ann.get("/api/messages/contacts").await.body, users);
    assert_eq!(names(&ann.get(&format!("/api/messages/users?after={bob_id}")).await.body), ["cyd"]);
    assert_eq!(names(&ann.get("/api/messages/users?limit=1").await.body), ["bob"]);

    assert_eq!(ann.get("/api/messages/chats").await.body, json!([]));
    ann.post(&format!("/api/messages/send/{cyd_id}"), json!({ "text": "hi" })).await;
    // Reading the history waits until the message is stored.
    ann.get(&format!("/api/messages/{cyd_id}")).await;
    assert_eq!(names(&ann.get("/api/messages/chats").await.body), ["cyd"]);
}

#[tokio::test]
async fn nothing_is_shown_to_strangers() {
    let chat = TestChat::serving(&Direct::new()).await;
    let id = "0123456789abcdef01234567";
    let mut stranger = chat.browser();
    for path in ["users", "contacts", "chats", id] {
        assert_eq!(stranger.get(&format!("/api/messages/{path}")).await.status, 401, "{path}");
    }
    let send = format!("/api/messages/send/{id}");
    assert_eq!(stranger.post(&send, json!({ "text": "x" })).await.status, 401);
    assert_eq!(stranger.put("/api/auth/update-profile", json!({ "profilePic": PNG })).await.status, 401);
    assert_eq!(stranger.get("/api/messages").await.status, 404);
    assert_eq!(stranger.get("/api/auth/login").await.status, 405);
}

#[tokio::test]
async fn a_pushed_message_equals_the_answered_one() {
    let direct = Direct::new();
    let chat = TestChat::serving(&direct).await;
    let (mut ann, ann_id) = signed_up(&chat, "ann").await;
    let (_, bob_id) = signed_up(&chat, "bob").await;
    let answer =
        ann.post(&format!("/api/messages/send/{bob_id}"), json!({ "text": "x", "image": PNG })).await;
    let (ann_id, bob_id) = (ann_id.parse().unwrap(), bob_id.parse().unwrap());
    let conversation = sockeye_core::conversation::ConversationId::direct(ann_id, bob_id);
    let history = chat.gateway.chat.read_history(bob_id, conversation, Default::default()).await.unwrap();
    let pushed = direct.message(&history[0], bob_id, BASE_URL);
    assert_eq!((pushed.name, pushed.args), ("newMessage", vec![answer.body]));
}

#[tokio::test]
async fn the_table_has_every_route() {
    crate::testing::routes_are_those_of_the_table(&Direct::new()).await;
}
