//! A broker that says, for a moment, that there are no brokers: as one does that was paused and has not heard of itself
//! again. librdkafka then forgets the address it was given (its issue 5301).

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use sockeye_adapters::log::kafka::KafkaLog;
use sockeye_core::ports::MessageLog;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::support::Kafka;

const API_VERSIONS: i16 = 18;
const METADATA: i16 = 3;
/// Questions for brokers and topics until a client has its connections.
const STEADY: usize = 12;

/// As much of a broker as tells about itself (Kafka protocol: ApiVersions v0, Metadata v1). Now and then, when everything
/// has settled, it names no broker.
struct Forgetful {
    port: u16,
    asked: AtomicUsize,
}

impl Forgetful {
    async fn serve(self: Arc<Self>, mut stream: TcpStream) -> std::io::Result<()> {
        loop {
            let length = stream.read_i32().await?;
            let mut request = vec![0; usize::try_from(length).expect("a length")];
            stream.read_exact(&mut request).await?;
            let number = |at: usize| i16::from_be_bytes([request[at], request[at + 1]]);
            let (api, version, correlation) = (number(0), number(2), &request[4..8]);
            let mut answer = correlation.to_vec();
            match api {
                // The client asks in its newest version first, and again in the oldest when that is refused.
                API_VERSIONS if version > 0 => answer.extend(versions(35)),
                API_VERSIONS => answer.extend(versions(0)),
                METADATA => answer.extend(self.metadata(&request[8..])),
                _ => return Ok(()),
            }
            stream.write_i32(i32::try_from(answer.len()).expect("short")).await?;
            stream.write_all(&answer).await?;
        }
    }

    fn metadata(&self, request: &[u8]) -> Vec<u8> {
        // Behind the client's name: the topics asked for, here one or none.
        let name = usize::from(u16::from_be_bytes([request[0], request[1]]));
        let topics = &request[2 + name..];
        let named = topics.get(..4) == Some(&[0, 0, 0, 1][..]);
        let forgets = self.asked.fetch_add(1, Ordering::SeqCst) % STEADY == STEADY - 1;
        let mut answer = vec![];
        if forgets {
            answer.extend(0i32.to_be_bytes());
        } else {
            answer.extend(1i32.to_be_bytes());
            answer.extend(1i32.to_be_bytes());
            answer.extend([0, 9]);
            answer.extend(b"127.0.0.1");
            answer.extend(i32::from(self.port).to_be_bytes());
            answer.extend((-1i16).to_be_bytes());
        }
        answer.extend(1i32.to_be_bytes());
        if named {
            // One topic without a leader: error 5, its name, not internal, no partitions.
            answer.extend([0, 0, 0, 1, 0, 5]);
            answer.extend(&topics[4..]);
            answer.push(0);
        }
        answer.extend(0i32.to_be_bytes());
        answer
    }
}

fn versions(error: i16) -> Vec<u8> {
    let mut answer = error.to_be_bytes().to_vec();
    answer.extend(2i32.to_be_bytes());
    for (api, max) in [(API_VERSIONS, 0i16), (METADATA, 1)] {
        answer.extend([api.to_be_bytes(), [0, 0], max.to_be_bytes()].concat());
    }
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_forgot_all_brokers_is_replaced() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let broker = Arc::new(Forgetful { port, asked: AtomicUsize::new(0) });
    let serving = Arc::clone(&broker);
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&serving).serve(stream));
        }
    });
    let mut options = Kafka::new(1).options;
    options.brokers = format!("127.0.0.1:{port}");
    options.answer_after_ms = 500;
    let log = KafkaLog::open(options).expect("settings");
    // librdkafka gets over some of these by itself. After the others nobody would ever ask again.
    while broker.asked.load(Ordering::SeqCst) < 6 * STEADY {
        assert!(log.end().await.is_err(), "the topic has no leader");
    }
    accepting.abort();
}
