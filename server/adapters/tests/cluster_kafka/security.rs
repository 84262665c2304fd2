//! Passwords and encryption.

use sockeye_adapters::{
    conformance::values::record,
    log::kafka::{KafkaAdmin, KafkaLog, KafkaLogOptions, KafkaSasl, KafkaSaslMechanism, KafkaTls},
};
use sockeye_core::{
    ports::{LogError, MessageLog},
    position::Cursor,
};

use super::support::{Kafka, follow, setting};

fn sasl(mechanism: KafkaSaslMechanism) -> Option<KafkaSasl> {
    Some(KafkaSasl {
        mechanism,
        username: setting("SOCKEYE_TEST_KAFKA_SASL_USERNAME"),
        password: setting("SOCKEYE_TEST_KAFKA_SASL_PASSWORD"),
    })
}

fn tls() -> Option<KafkaTls> {
    Some(KafkaTls { ca_file: Some(setting("SOCKEYE_TEST_KAFKA_TLS_CA").into()) })
}

/// Topics, an append, and reading it, all through one kind of connection.
async fn everything_works(options: KafkaLogOptions) {
    KafkaAdmin::open(options.clone()).expect("settings").migrate().await.expect("topics");
    let log = KafkaLog::open(options).expect("settings");
    let position = log.append(&record(1, 1, 2)).await.expect("append").position;
    assert!(log.end().await.expect("end").covers(position));
    let mut tail = log.tail(&Cursor::default()).await.expect("tail");
    assert_eq!(follow(&mut *tail, 1).await[0].record, record(1, 1, 2));
    let mut consumer = log.consumer().await.expect("consumer");
    let batch = super::support::next(&mut *consumer, 1).await;
    consumer.commit(&batch.through).await.expect("commit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_in_every_mechanism() {
    for mechanism in
        [KafkaSaslMechanism::Plain, KafkaSaslMechanism::ScramSha256, KafkaSaslMechanism::ScramSha512]
    {
        let mut options = Kafka::new(1).options;
        options.brokers = setting("SOCKEYE_TEST_KAFKA_SASL_BROKERS");
        options.sasl = sasl(mechanism);
        everything_works(options).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encryption() {
    let mut options = Kafka::new(1).options;
    options.brokers = setting("SOCKEYE_TEST_KAFKA_TLS_BROKERS");
    options.tls = tls();
    everything_works(options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_over_encryption() {
    let mut options = Kafka::new(1).options;
    options.brokers = setting("SOCKEYE_TEST_KAFKA_SASL_TLS_BROKERS");
    options.sasl = sasl(KafkaSaslMechanism::ScramSha512);
    options.tls = tls();
    everything_works(options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_and_an_unknown_authority_get_nothing() {
    let mut wrong = Kafka::new(1).options;
    (wrong.deadline_ms, wrong.answer_after_ms) = (2_000, 2_000);
    let mut unknown = wrong.clone();
    wrong.brokers = setting("SOCKEYE_TEST_KAFKA_SASL_BROKERS");
    wrong.sasl = sasl(KafkaSaslMechanism::Plain).map(|sasl| KafkaSasl { password: "wrong".into(), ..sasl });
    unknown.brokers = setting("SOCKEYE_TEST_KAFKA_TLS_BROKERS");
    unknown.tls = Some(KafkaTls::default());
    for options in [wrong, unknown] {
        let log = KafkaLog::open(options).expect("settings");
        assert!(matches!(log.append(&record(1, 1, 2)).await, Err(LogError::Unavailable(_))));
        assert!(matches!(log.end().await, Err(LogError::Unavailable(_))));
    }
}
