//! Whatever JSON a client sends, it is answered, and the connection lives (promise G8).

mod common;

use common::{Client, Person, Server};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::{Map, Value, json};

/// Any JSON, not too large.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9a-f]{24}".prop_map(Value::from),
        "data:image/[a-z]{3,4};base64,[A-Za-z0-9+/=]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let names = prop_oneof![
            4 => any::<String>(),
            1 => Just("_placeholder".to_owned()),
            1 => Just("num".to_owned()),
            2 => Just("to".to_owned()),
            2 => Just("text".to_owned()),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Something like a message: some fields right, some anything.
fn nearly_a_message(to: String) -> impl Strategy<Value = Value> {
    let maybe = |right: Value| prop_oneof![Just(Some(right)), any_json().prop_map(Some), Just(None)];
    (maybe(json!(to)), maybe(json!("hello")), maybe(Value::Null), maybe(json!("c-1"))).prop_map(
        |(to, text, image, client_id)| {
            let fields = [("to", to), ("text", text), ("image", image), ("clientId", client_id)];
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
        },
    )
}

#[test]
fn any_json_to_send_message_is_acknowledged_and_the_connection_lives() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (server, bob, client) = runtime.block_on(async {
        let server = Server::start().await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let client = ann.connect().await;
        (server, bob, client)
    });
    // The runner wants a function that can be called again; calls come one after another.
    let client = std::sync::Mutex::new(client);
    let message = prop_oneof![nearly_a_message(bob.id.clone()), any_json()];
    let args = prop_oneof![
        4 => message.prop_map(|message| vec![message]),
        1 => prop::collection::vec(any_json(), 0..4),
    ];
    let config = Config { cases: 200, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&args, |args| {
        let mut client = client.lock().expect("no case panics while it holds the client");
        runtime.block_on(is_acknowledged(&mut client, &bob, &args))
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    runtime.block_on(server.still_serves());
    runtime.block_on(async { drop((server, client)) });
}

async fn is_acknowledged(client: &mut Client, bob: &Person, args: &[Value]) -> Result<(), TestCaseError> {
    let id = client.ask("sendMessage", args);
    let Some(ack) = client.try_ack(id).await else {
        // A fresh connection, for the smaller cases that are tried now.
        client.reconnect().await.expect("let in again");
        return Err(TestCaseError::fail("the connection ended instead of an acknowledgement"));
    };
    let status = ack.first().map(|answer| &answer["status"]);
    prop_assert!(status == Some(&json!("ok")) || status == Some(&json!("error")), "{ack:?}");
    let fine = client.emit_ack("sendMessage", &[json!({ "to": bob.id, "text": "fine" })]).await;
    prop_assert_eq!(&fine[0]["status"], "ok");
    Ok(())
}
