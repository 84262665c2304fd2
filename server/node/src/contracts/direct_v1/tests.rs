//! Stories of the routes and of the socket's events, on the local adapters.

use serde_json::{Value, json};
use sockeye_core::{
    HistoryPage,
    conversation::ConversationId,
    id::{DeviceId, UserId},
};

use super::DirectV1;
use crate::{
    gateway::contract::{Caller, ClientEvent, Contract},
    testing::{BASE_URL, Browser, PNG, SIGN_INS_MAX, TestChat},
};

const CONTRACT: DirectV1 = DirectV1;

async fn signed_up(chat: &TestChat, name: &str) -> (Browser, String) {
    let mut browser = chat.browser();
    let account = json!({
        "full_name": name, "email": format!("{name}@b.co"), "password": "123456", "profilePicture": "", "bio": "",
    });
    let answer = browser.post("/api/v1/auth/signup", account).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    let id = answer.body["user"]["_id"].as_str().expect("an id").to_owned();
    (browser, id)
}

/// The acknowledgement of an event from a device of `user`.
async fn emit(chat: &TestChat, user: &str, name: &str, args: Vec<Value>) -> Value {
    let user: UserId = user.parse().expect("an id");
    let device: DeviceId = chat.gateway.chat.new_device();
    let caller = Caller { chat: &chat.gateway.chat, user, device, base_url: BASE_URL };
    let mut answer = CONTRACT.handle(&caller, ClientEvent { name: name.to_owned(), args }).await.answer;
    assert_eq!(answer.len(), 1, "the frontend reads one argument");
    answer.remove(0)
}

#[tokio::test]
async fn somebody_signs_up_and_is_remembered_until_logging_out() {
    let chat = TestChat::serving(&CONTRACT).await;
    let mut ann = chat.browser();
    let account = json!({ "full_name": "Ann", "email": "ann@b.co", "password": "123456", "bio": "hi" });
    let answer = ann.post("/api/v1/auth/signup", account).await;
    assert_eq!((answer.status, &answer.body["message"]), (201, &"User account created successfully".into()));
    assert_eq!(answer.body["user"]["bio"], "hi");
    let token = answer.body["token"].as_str().expect("a token").to_owned();
    assert_eq!(ann.cookie, Some(format!("token={token}")));

    let checked = ann.get("/api/v1/auth/check-auth").await;
    assert_eq!((checked.status, &checked.body["message"]), (200, &"User is authenticated".into()));
    assert_eq!(checked.body["user"]["o_auth_provider"], "local");
    assert_eq!(checked.body["user"].get("password"), None);
    let got = ann.get("/api/v1/auth/get-user").await;
    assert_eq!(got.body, json!({ "user": checked.body["user"] }));

    let out = ann.post("/api/v1/auth/logout", json!({})).await;
    assert_eq!((out.status, out.body), (200, json!({ "message": "User logged out successfully" })));
    assert_eq!(ann.cookie, None);
    let checked = ann.get("/api/v1/auth/check-auth").await;
    let unknown = json!({ "success": false, "message": "Unauthorized" });
    assert_eq!((checked.status, checked.body), (401, unknown));
    // A copy of the token is dead too.
    ann.cookie = Some(format!("token={token}"));
    let checked = ann.get("/api/v1/auth/check-auth").await;
    let dead = json!({ "success": false, "message": "Invalid token" });
    assert_eq!((checked.status, checked.body), (401, dead));
}

#[tokio::test]
async fn log_in_does_not_tell_which_addresses_exist() {
    let chat = TestChat::serving(&CONTRACT).await;
    signed_up(&chat, "ann").await;
    let mut page = chat.browser();
    for email in ["ann@b.co", "bob@b.co"] {
        let wrong = json!({ "email": email, "password": "654321" });
        let answer = page.post("/api/v1/auth/login", wrong).await;
        assert_eq!((answer.status, answer.body), (400, json!({ "message": "Invalid Credentials" })));
    }
    let operator = json!({ "email": { "$gt": "" }, "password": "123456" });
    let answer = page.post("/api/v1/auth/login", operator).await;
    assert_eq!((answer.status, &answer.body["message"]), (400, &"Validation error".into()));
    assert_eq!(page.cookie, None);

    let right = json!({ "email": "ann@b.co", "password": "123456" });
    let answer = page.post("/api/v1/auth/login", right).await;
    assert_eq!((answer.status, &answer.body["message"]), (200, &"User logged in successfully".into()));
    assert_eq!(page.get("/api/v1/auth/check-auth").await.status, 200);
}

#[tokio::test]
async fn a_sign_up_that_cannot_be_is_explained() {
    let chat = TestChat::serving(&CONTRACT).await;
    signed_up(&chat, "ann").await;
    let mut page = chat.browser();
    let taken = json!({ "full_name": "B", "email": "ann@b.co", "password": "123456" });
    let answer = page.post("/api/v1/auth/signup", taken).await;
    let text = "User account already exists with this email";
    assert_eq!((answer.status, answer.body), (400, json!({ "message": text })));
    let long = json!({ "full_name": "B", "email": "b@b.co", "password": "x".repeat(73) });
    let answer = page.post("/api/v1/auth/signup", long).await;
    assert_eq!((answer.status, &answer.body["message"]), (400, &"Validation error".into()));
    assert!(answer.body["errors"]["password"][0].is_string());
    assert_eq!(page.cookie, None);
}

#[tokio::test]
async fn guessing_is_limited_and_logging_out_is_not() {
    let chat = TestChat::serving(&CONTRACT).await;
    let (mut ann, _) = signed_up(&chat, "ann").await;
    for _ in 1..SIGN_INS_MAX {
        assert_eq!(ann.post("/api/v1/auth/login", json!({})).await.status, 400);
    }
    let refused = ann.post("/api/v1/auth/login", json!({})).await;
    assert_eq!((refused.status, &refused.body["message"]), (429, &"Too many requests".into()));
    assert_eq!(ann.get("/api/v1/auth/check-auth").await.status, 200);
    assert_eq!(ann.post("/api/v1/auth/logout", json!({})).await.status, 200);
}

#[tokio::test]
async fn a_profile_picture_shows_under_both_names() {
    let chat = TestChat::serving(&CONTRACT).await;
    let (mut ann, _) = signed_up(&chat, "ann").await;
    let (mut bob, _) = signed_up(&chat, "bob").await;
    let route = "/api/v1/auth/update-profile";
    let none = ann.put(route, json!({ "profile_picture": null })).await;
    assert_eq!((none.status, none.body), (400, json!({ "message": "Profile picture is required" })));
    let answer = ann.put(route, json!({ "profile_picture": PNG })).await;
    assert_eq!(
        (answer.status, &answer.body["message"]),
        (200, &"Profile picture updated successfully".into())
    );
    let user = &answer.body["user"];
    assert!(user["profile_picture"].as_str().is_some_and(|url| url.starts_with(BASE_URL)));
    assert_eq!(user["profilePic"], user["profile_picture"]);

    let people = bob.get("/api/messages/users").await.body;
    assert_eq!(people["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(people["data"][0]["profilePic"], user["profilePic"]);
    assert_eq!(people["data"][0].get("createdAt"), None);
    assert!(!people.to_string().contains("$2b$"));
}

#[tokio::test]
async fn text_goes_over_the_socket_and_images_over_rest() {
    let chat = TestChat::serving(&CONTRACT).await;
    let (mut ann, ann_id) = signed_up(&chat, "ann").await;
    let (mut bob, bob_id) = signed_up(&chat, "bob").await;

    let sent = json!({ "to": bob_id, "text": "one", "image": null });
    let ack = emit(&chat, &ann_id, "sendMessage", vec![sent]).await;
    assert_eq!(ack["status"], "ok");
    let mut one = ack["message"].clone();
    assert_eq!((&one["senderId"], &one["receiverId"]), (&ann_id.clone().into(), &bob_id.clone().into()));
    assert_eq!((&one["text"], &one["image"]), (&"one".into(), &"".into()));
    assert!(one["timestamp"].is_u64());

    let image = json!({ "text": "", "image": PNG });
    let answer = bob.post(&format!("/api/messages/send/{ann_id}"), image).await;
    assert_eq!((answer.status, &answer.body["message"]), (200, &"Message sent successfully".into()));
    let two = &answer.body["data"];
    assert!(two["image"].as_str().is_some_and(|url| url.starts_with(BASE_URL)));

    one.as_object_mut().unwrap().remove("timestamp");
    let all = json!({ "data": [one, two] });
    assert_eq!(ann.get(&format!("/api/messages/{bob_id}")).await.body, all);
    assert_eq!(bob.get(&format!("/api/messages/{ann_id}")).await.body, all);
    assert_eq!(bob.get(&format!("/api/messages/{ann_id}?limit=1")).await.body, json!({ "data": [two] }));
}

#[tokio::test]
async fn the_acknowledged_message_is_what_others_are_told() {
    let chat = TestChat::serving(&CONTRACT).await;
    let (_, ann_id) = signed_up(&chat, "ann").await;
    let (_, bob_id) = signed_up(&chat, "bob").await;
    let sent = json!({ "to": bob_id, "text": "x", "image": PNG, "clientId": "mine" });
    let ack = emit(&chat, &ann_id, "sendMessage", vec![sent.clone()]).await;
    assert_eq!(ack["message"]["clientId"], "mine");
    let (ann, bob) = (ann_id.parse().unwrap(), bob_id.parse().unwrap());
    let history = chat
        .gateway
        .chat
        .read_history(bob, ConversationId::direct(ann, bob), HistoryPage::default())
        .await
        .unwrap();
    assert_eq!(history.len(), 1);
    let pushed = CONTRACT.message(&history[0], bob, BASE_URL);
    assert_eq!((pushed.name, pushed.args), ("newMessage", vec![ack["message"].clone()]));
    // Sent again under the same name, it is the same message.
    assert_eq!(emit(&chat, &ann_id, "sendMessage", vec![sent]).await, ack);
}

#[tokio::test]
async fn junk_is_acknowledged_as_an_error() {
    let chat = TestChat::serving(&CONTRACT).await;
    let (_, ann) = signed_up(&chat, "ann").await;
    let (_, bob) = signed_up(&chat, "bob").await;
    let nobody = "0123456789abcdef01234567";
    for (args, code) in [
        (vec![], "bad_request"),
        (vec![json!(null)], "bad_request"),
        (vec![json!("hello")], "bad_request"),
        (vec![json!([{ "to": bob, "text": "x" }])], "bad_request"),
        (vec![json!({ "text": "x" })], "bad_request"),
        (vec![json!({ "to": "undefined", "text": "x" })], "bad_request"),
        (vec![json!({ "to": { "$ne": null }, "text": "x" })], "bad_request"),
        (vec![json!({ "to": bob })], "message_empty"),
        (vec![json!({ "to": bob, "text": "" })], "message_empty"),
        (vec![json!({ "to": bob, "text": 7 })], "field_no_text"),
        (vec![json!({ "to": bob, "text": "x", "clientId": {} })], "field_no_text"),
        (vec![json!({ "to": bob, "text": "x", "clientId": "x".repeat(129) })], "client_id_too_long"),
        (vec![json!({ "to": bob, "text": "x".repeat(10_001) })], "text_too_long"),
        (vec![json!({ "to": bob, "text": "x", "image": "https://example.org/a.png" })], "image_malformed"),
        (vec![json!({ "to": nobody, "text": "x" })], "no_such_receiver"),
    ] {
        let ack = emit(&chat, &ann, "sendMessage", args.clone()).await;
        assert_eq!((&ack["status"], &ack["code"]), (&"error".into(), &code.into()), "{args:?}");
        assert!(ack["message"].is_string(), "{args:?}");
    }
    let ack = emit(&chat, &ann, "deleteEverything", vec![]).await;
    assert_eq!((&ack["status"], &ack["code"]), (&"error".into(), &"no_such_event".into()));
}

#[tokio::test]
async fn what_cannot_be_sent_over_rest_is_a_bad_request() {
    let chat = TestChat::serving(&CONTRACT).await;
    let (mut ann, _) = signed_up(&chat, "ann").await;
    let (_, bob) = signed_up(&chat, "bob").await;
    for (to, body) in [
        (&*bob, json!({})),
        (&*bob, json!({ "text": "", "image": "" })),
        (&*bob, json!({ "text": { "$ne": 1 } })),
        ("undefined", json!({ "text": "x" })),
        ("%ff", json!({ "text": "x" })),
    ] {
        let answer = ann.post(&format!("/api/messages/send/{to}"), body.clone()).await;
        assert_eq!((answer.status, answer.body), (400, json!({ "message": "Bad Request" })), "{to} {body}");
    }
    let nobody = "0123456789abcdef01234567";
    let answer = ann.post(&format!("/api/messages/send/{nobody}"), json!({ "text": "x" })).await;
    assert_eq!((answer.status, &answer.body["code"]), (404, &"no_such_receiver".into()));
    assert_eq!(ann.get(&format!("/api/messages/{nobody}")).await.body, json!({ "data": [] }));
    assert_eq!(ann.get("/api/messages/undefined").await.status, 400);
}

#[tokio::test]
async fn nothing_is_shown_to_strangers() {
    let chat = TestChat::serving(&CONTRACT).await;
    let id = "0123456789abcdef01234567";
    let mut stranger = chat.browser();
    for path in ["messages/users", "messages/0123456789abcdef01234567", "v1/auth/get-user"] {
        assert_eq!(stranger.get(&format!("/api/{path}")).await.status, 401, "{path}");
    }
    let send = format!("/api/messages/send/{id}");
    assert_eq!(stranger.post(&send, json!({ "text": "x" })).await.status, 401);
    let picture = json!({ "profile_picture": PNG });
    assert_eq!(stranger.put("/api/v1/auth/update-profile", picture).await.status, 401);
    assert_eq!(stranger.post("/api/auth/login", json!({})).await.status, 404);
    assert_eq!(stranger.get("/api/v1/auth/login").await.status, 405);
}

#[tokio::test]
async fn the_table_has_every_route() {
    crate::testing::routes_are_those_of_the_table(&DirectV1::new()).await;
}
