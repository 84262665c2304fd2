//! `kill -9` under load, again and again, with a ledger of every acknowledgement and every receipt (promises G1-G4).
//!
//! `SOCKEYE_CRASH_ROUNDS` makes it longer, `SOCKEYE_CRASH_SEED` repeats a run's moments of death.

mod common;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    fs::OpenOptions,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use common::{Client, Person, Server, Transport, embedded_only, setting};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const ROUNDS: u64 = 6;
/// Sends that a sender has in flight.
const WINDOW: usize = 12;
/// The last message of every conversation.
const END: &str = "the end";

/// What one device was shown of a conversation, or what its history holds, in order.
type View = Vec<Shown>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shown {
    id: String,
    text: String,
}

/// What a sender was promised: the receiver and the message, in the order of sending.
#[derive(Debug, Default)]
struct Promised {
    acks: Vec<(String, Shown)>,
    retries: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_doubled_or_reordered_by_kill_9_under_load() {
    let rounds = setting("SOCKEYE_CRASH_ROUNDS").unwrap_or(ROUNDS);
    let seed = setting("SOCKEYE_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    println!("{rounds} rounds; to repeat: SOCKEYE_CRASH_SEED={seed}");

    let mut server = Server::with(&[("SOCKEYE_RECOVERY_LEN_MAX", "100000")]).await;
    let ann = server.person("ann").await;
    let bob = server.person("bob").await;
    let cid = server.person("cid").await;
    let dan = server.person("dan").await;

    // Ann and bob write to each other and to cid and dan, who only read; everybody also has a device that only reads.
    let writing = Arc::new(AtomicBool::new(true));
    let plans = [(&ann, [&bob, &cid, &dan]), (&bob, [&ann, &cid, &dan])];
    let mut devices = Vec::new();
    for (person, transport, conversations) in [
        (&ann, Transport::WebSocket, 3),
        (&bob, Transport::Polling, 3),
        (&cid, Transport::WebSocket, 2),
        (&cid, Transport::Polling, 2),
        (&dan, Transport::WebSocket, 2),
    ] {
        let mut client = person.dial().over(transport).connect().await.expect("let in");
        client.next("getOnlineUsers").await;
        devices.push((person, tokio::spawn(watch(client, conversations))));
    }

    let senders: Vec<JoinHandle<Promised>> = plans
        .iter()
        .map(|(from, to)| tokio::spawn(write((*from).clone(), to.map(|to| to.id.clone()), writing.clone())))
        .collect();

    for round in 0..rounds {
        let life = Duration::from_millis(20 + random.below(380));
        // The moment of death is what is random here; nothing is waited for.
        tokio::time::sleep(life).await;
        server.kill9().await;
        println!("round {round}: killed after {life:?} of service");
        server.run().await;
    }
    writing.store(false, Ordering::Release);
    let mut promises = Vec::new();
    for sender in senders {
        promises.push(common::soon("the last acknowledgement", sender).await.expect("a sender"));
    }
    // Everything accepted so far in a conversation comes before its end, on every device.
    let (mut anns, mut bobs) = (ann.connect().await, bob.connect().await);
    for to in [&bob, &cid, &dan] {
        anns.send(&to.id, END).await;
    }
    for to in [&cid, &dan] {
        bobs.send(&to.id, END).await;
    }
    let mut views = Vec::new();
    for (person, device) in devices {
        views.push((person, common::soon("the last message", device).await.expect("a device")));
    }

    let mut ledger = Ledger::default();
    for (from, others) in &plans {
        for to in others {
            let key = pair(&from.id, &to.id);
            let history = from.whole_history(to).await;
            assert_eq!(history, to.whole_history(from).await, "both sides read the same");
            ledger.histories.insert(key, history.iter().map(shown).collect());
        }
    }
    for ((from, _), promised) in plans.iter().zip(&promises) {
        ledger.check_promises(from, promised);
    }
    for (person, view) in &views {
        ledger.check_view(person, view);
    }
    println!(
        "{} acknowledged ({} sends repeated), {} in histories, {} shown, {} recoveries; none lost, doubled or reordered",
        ledger.acknowledged,
        promises.iter().map(|promised| promised.retries).sum::<usize>(),
        ledger.histories.values().map(Vec::len).sum::<usize>(),
        ledger.shown,
        views.iter().map(|(_, view)| view.recoveries).sum::<usize>(),
    );
    assert!(ledger.acknowledged > 0, "the load was none");
    server.still_serves().await;
}

/// Everything that was promised and shown, against the histories after the last restart.
#[derive(Default)]
struct Ledger {
    /// By the two members.
    histories: BTreeMap<(String, String), View>,
    acknowledged: usize,
    shown: usize,
}

impl Ledger {
    /// Every acknowledged message is there, once, with the id that was acknowledged, in the order of sending.
    fn check_promises(&mut self, from: &Person, promised: &Promised) {
        for ((one, other), history) in &self.histories {
            let own = |shown: &&Shown| shown.text.starts_with(&from.email);
            let acknowledged: View = promised
                .acks
                .iter()
                .filter(|(to, _)| pair(&from.id, to) == (one.clone(), other.clone()))
                .map(|(_, shown)| shown.clone())
                .collect();
            let stored: View = history.iter().filter(own).cloned().collect();
            assert_same(
                &acknowledged,
                &stored,
                &format!("acknowledged to {} and in the history", from.email),
            );
            self.acknowledged += acknowledged.len();
        }
        for history in self.histories.values() {
            let (ids, texts): (HashSet<_>, HashSet<_>) =
                history.iter().map(|shown| (&shown.id, &shown.text)).unzip();
            assert_eq!((ids.len(), texts.len()), (history.len(), history.len()), "something is stored twice");
        }
    }

    /// A device that only reads was shown all of its user's conversations, each in the history's order, each message once.
    fn check_view(&mut self, person: &Person, view: &Watched) {
        self.shown += view.shown.values().map(Vec::len).sum::<usize>();
        for (key, history) in &self.histories {
            if key.0 != person.id && key.1 != person.id {
                assert!(!view.shown.contains_key(key), "{} was shown what is not theirs", person.email);
                continue;
            }
            let nothing = Vec::new();
            let got = view.shown.get(key).unwrap_or(&nothing);
            assert_same(history, got, &format!("in the history and shown to a device of {}", person.email));
        }
    }
}

/// Says the difference, not two lists of thousands.
fn assert_same(expected: &View, got: &View, what: &str) {
    if expected == got {
        return;
    }
    let missing: Vec<_> = expected.iter().filter(|shown| !got.contains(shown)).take(10).collect();
    let extra: Vec<_> = got.iter().filter(|shown| !expected.contains(shown)).take(10).collect();
    let differs = expected.iter().zip(got).position(|(one, other)| one != other);
    panic!(
        "{what}: {} and {} differ, first at {differs:?}; missing {missing:?}, too many {extra:?}",
        expected.len(),
        got.len()
    );
}

/// Writes until told to stop: keeps a window of sends in flight, and repeats what was not acknowledged, with the same
/// `clientId`, after every crash.
async fn write(person: Person, to: [String; 3], writing: Arc<AtomicBool>) -> Promised {
    let mut client = person.connect().await;
    let mut promised = Promised::default();
    let mut unacknowledged: VecDeque<(u64, usize)> = VecDeque::new();
    let mut next = 0;
    let message = |n: usize| {
        let text = format!("{} {n}", person.email);
        json!({ "to": to[n % 3], "text": text, "image": null, "clientId": text })
    };
    loop {
        while unacknowledged.len() < WINDOW && writing.load(Ordering::Acquire) {
            unacknowledged.push_back((client.ask("sendMessage", &[message(next)]), next));
            next += 1;
        }
        if unacknowledged.is_empty() {
            return promised;
        }
        let alive = client.read().await;
        while let Some((id, mut ack)) = client.take_ack() {
            let (expected, n) = unacknowledged.pop_front().expect("an acknowledgement of something sent");
            assert_eq!(id, expected, "acknowledgements come in the order of sending");
            assert_eq!(ack[0]["status"], "ok", "{ack:?}");
            promised.acks.push((to[n % 3].clone(), shown(&ack[0]["message"].take())));
        }
        if !alive {
            come_back(&mut client).await;
            promised.retries += unacknowledged.len();
            for (id, n) in &mut unacknowledged {
                *id = client.ask("sendMessage", &[message(*n)]);
            }
        }
    }
}

/// What a device was shown, by conversation.
#[derive(Default)]
struct Watched {
    shown: BTreeMap<(String, String), View>,
    recoveries: usize,
}

/// Reads, and returns after every crash as `socket.io-client` does, until all conversations of its user have ended.
async fn watch(mut client: Client, conversations: usize) -> Watched {
    let mut watched = Watched::default();
    let mut ended = 0;
    while ended < conversations {
        match client.next_any().await {
            Some(event) if event.name == "newMessage" => {
                let message = &event.args[0];
                let member = |field: &str| message[field].as_str().expect("an id").to_owned();
                let key = pair(&member("senderId"), &member("receiverId"));
                ended += usize::from(message["text"] == END);
                watched.shown.entry(key).or_default().push(shown(message));
            }
            Some(_) => {}
            None => {
                come_back(&mut client).await;
                assert!(client.recovered, "a device that was away for a moment gets what it missed");
                watched.recoveries += 1;
            }
        }
    }
    watched
}

async fn come_back(client: &mut Client) {
    let mut tries = tokio::time::interval(Duration::from_millis(10));
    common::soon("the server is back", async {
        while client.reconnect().await.is_err() {
            tries.tick().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_torn_end_of_a_file_is_no_obstacle() {
    if embedded_only("it tears files of the data directory") {
        return;
    }
    let mut server = Server::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let mut sender = ann.connect().await;
    let mut texts = Vec::new();
    for round in 0..3 {
        for n in 0..20 {
            texts.push(format!("{round}.{n}"));
            sender.send(&bob.id, texts.last().expect("just pushed")).await;
        }
        server.kill9().await;
        // What a write that was cut off by a power failure leaves behind: bytes that were never synced.
        let mut torn = 0;
        for file in
            std::fs::read_dir(server.data_dir()).expect("a directory").map(|file| file.expect("a file"))
        {
            if file.file_name().to_string_lossy().ends_with("-wal") {
                let mut file = OpenOptions::new().append(true).open(file.path()).expect("a file of ours");
                file.write_all(&vec![0x5a; 4096 * round + 1234]).expect("written");
                torn += 1;
            }
        }
        assert!(torn > 0, "nothing was torn");
        server.run().await;
        sender.reconnect().await.expect("let in again");
        let history = bob.whole_history(&ann).await;
        assert_eq!(
            history.iter().map(|message| &message["text"]).collect::<Vec<_>>(),
            texts.iter().collect::<Vec<_>>()
        );
    }
    server.still_serves().await;
}

fn shown(message: &Value) -> Shown {
    let field = |name: &str| message[name].as_str().expect("a text").to_owned();
    Shown { id: field("_id"), text: field("text") }
}

fn pair(one: &str, other: &str) -> (String, String) {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    (low.to_owned(), high.to_owned())
}

/// xorshift64: moments of death need no better.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
