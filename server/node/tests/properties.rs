//! Whatever JSON a client sends, it is answered, and the connection lives (promise G8). Whatever happened while a device was
//! away, it gets exactly that, or is told to start afresh (promise G4).

mod common;

use common::{Client, Memory, Person, Server};
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

/// What may happen in conversations of one user, seen from one device of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happening {
    /// Somebody writes to the user.
    Received,
    /// The user writes, on another device.
    SentElsewhere,
    /// The user writes by a request: no device of theirs is told.
    Requested,
    /// The user writes on this device; nothing while it is away.
    Sent,
}

impl Happening {
    fn concerns_the_device(self) -> bool {
        matches!(self, Self::Received | Self::SentElsewhere)
    }
}

/// What a returning client shows beside its `pid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// The place of the last event.
    Offset,
    /// Nothing: it got no event.
    Nothing,
    /// A place from before everything.
    Beginning,
}

fn happenings(len_max: usize) -> impl Strategy<Value = Vec<Happening>> {
    use Happening::{Received, Requested, Sent, SentElsewhere};
    let one = prop_oneof![
        2 => Just(Received),
        1 => Just(SentElsewhere),
        2 => Just(Requested),
        3 => Just(Sent),
    ];
    prop::collection::vec(one, 0..len_max)
}

/// Messages a device may miss.
const MISSED_LEN_MAX: usize = 6;

/// The people and devices of the property.
struct Cast {
    ann: Person,
    bob: Person,
    elsewhere: Client,
    count: usize,
}

#[test]
fn a_device_that_was_away_gets_exactly_what_it_missed_or_starts_afresh() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (server, cast) = runtime.block_on(async {
        let len_max = MISSED_LEN_MAX.to_string();
        let server = Server::with(&[("SOCKEYE_RECOVERY_LEN_MAX", len_max.as_str())]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await.at(server.address));
        let elsewhere = bob.connect().await;
        (server, Cast { ann, bob, elsewhere, count: 0 })
    });
    // The runner wants a function that can be called again; calls come one after another.
    let cast = std::sync::Mutex::new(cast);
    let shown = prop_oneof![Just(Shown::Offset), Just(Shown::Nothing), Just(Shown::Beginning)];
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let outcome =
        TestRunner::new(config).run(&(happenings(12), happenings(24), shown), |(here, away, shown)| {
            let mut cast = cast.lock().expect("no case panics while it holds the cast");
            runtime.block_on(cast.play(&here, &away, shown))
        });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    runtime.block_on(server.still_serves());
    runtime.block_on(async { drop((server, cast)) });
}

impl Cast {
    async fn play(
        &mut self,
        here: &[Happening],
        away: &[Happening],
        shown: Shown,
    ) -> Result<(), TestCaseError> {
        self.settle().await;
        let mut device = self.bob.connect().await;
        let told = self.let_happen(here, Some(&mut device)).await;
        if let Some(last) = told.last() {
            prop_assert_eq!(&device.texts_until(last).await, &told);
        }
        device.next("getOnlineUsers").await;
        let memory = device.memory.clone();
        device.cut();
        let mut missed = self.let_happen(away, None).await;
        missed.push(self.settle().await);
        let (offset, owed) = match shown {
            Shown::Offset => (memory.offset, missed),
            Shown::Nothing => (None, [told, missed].concat()),
            Shown::Beginning => (Some(String::new()), [told, missed].concat()),
        };
        let memory = Memory { pid: memory.pid, offset };
        let mut back = self.bob.dial().remembering(memory).connect().await.expect("let in");
        prop_assert_eq!(back.recovered, owed.len() <= MISSED_LEN_MAX, "{} are owed", owed.len());
        let last = self.say(Happening::Received, None).await;
        let expected = if back.recovered { [owed, vec![last.clone()]].concat() } else { vec![last.clone()] };
        prop_assert_eq!(back.texts_until(&last).await, expected);
        back.disconnect();
        Ok(())
    }

    /// Has one more message come: what happened before it is then delivered where the device will be.
    async fn settle(&mut self) -> String {
        let text = self.say(Happening::Received, None).await;
        self.elsewhere.texts_until(&text).await;
        text
    }

    /// The texts that concern the device.
    async fn let_happen(&mut self, what: &[Happening], mut device: Option<&mut Client>) -> Vec<String> {
        let mut texts = vec![];
        for &happening in what {
            let text = self.say(happening, device.as_deref_mut()).await;
            texts.extend(happening.concerns_the_device().then_some(text));
        }
        texts
    }

    async fn say(&mut self, happening: Happening, device: Option<&mut Client>) -> String {
        self.count += 1;
        let text = format!("{} {happening:?}", self.count);
        match (happening, device) {
            (Happening::Received, _) => drop(self.ann.send(&self.bob, &text).await),
            (Happening::SentElsewhere, _) => drop(self.elsewhere.send(&self.ann.id, &text).await),
            (Happening::Sent, Some(device)) => drop(device.send(&self.ann.id, &text).await),
            (Happening::Requested, _) | (Happening::Sent, None) => {
                drop(self.bob.send(&self.ann, &text).await);
            }
        }
        text
    }
}
