//! The log in a real Kafka: `scripts/services run kafka -- cargo test -p sockeye-adapters --features services`.

mod dead_letters;
mod forgetting;
mod group;
mod original;
mod producing;
mod security;
#[path = "../support/kafka.rs"]
mod support;
mod topics;

mod suite_of_one_partition {
    use super::support::Kafka;
    sockeye_adapters::log_suite!(Kafka::new(1));
}

mod suite_of_three_partitions {
    use super::support::Kafka;
    sockeye_adapters::log_suite!(Kafka::new(3));
}
