//! Topics: created when they are missing, and described for an operator.

use std::{collections::BTreeMap, time::Instant};

use rdkafka::{
    Offset,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    config::FromClientConfigAndContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    metadata::Metadata,
};
use sockeye_core::ports::LogError;

use super::{
    KafkaLogOptions, KafkaOpenError,
    context::{self, Quiet},
    end, rejected, unavailable,
};
use crate::workers::Workers;

/// Looks after the topics of a [`KafkaLog`](super::KafkaLog). Dropping the value joins its threads.
pub struct KafkaAdmin {
    options: KafkaLogOptions,
    admin: AdminClient<Quiet>,
    asking: Workers<BaseConsumer<Quiet>>,
}

/// What there is, for `sockeye doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KafkaDescription {
    pub brokers: usize,
    /// `None` when there is no such topic.
    pub topic: Option<KafkaTopic>,
    pub dead_letter_topic: Option<KafkaTopic>,
    /// Entries that the group has not committed yet, per partition.
    pub lag: BTreeMap<u32, u64>,
    /// The same as sentences.
    pub facts: Vec<String>,
    /// What an operator should do something about, as sentences.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaTopic {
    pub partitions: u32,
    /// Of the partition that has the fewest copies.
    pub replication: usize,
    /// Partitions with fewer copies in sync than they should have.
    pub under_replicated: usize,
    /// How many copies an acknowledged record has at least. `None` when the brokers do not tell.
    pub min_insync_replicas: Option<usize>,
    pub cleanup_policy: Option<String>,
}

impl KafkaAdmin {
    /// Does not wait for Kafka.
    ///
    /// # Errors
    /// As [`KafkaLog::open`](super::KafkaLog::open).
    pub fn open(options: KafkaLogOptions) -> Result<Self, KafkaOpenError> {
        let failed = |error: KafkaError| KafkaOpenError(context::words(&error));
        let admin = AdminClient::from_config_and_context(&options.client(), Quiet::default());
        let reader = BaseConsumer::from_config_and_context(&options.reader(), Quiet::default());
        let asking = Workers::start("kafka-admin", vec![reader.map_err(failed)?], 16, |reader| {
            // There is nothing to read; this logs what librdkafka has to say.
            let _ = reader.poll(std::time::Duration::ZERO);
        });
        let asking = asking.map_err(|error| KafkaOpenError(error.to_string()))?;
        Ok(Self { admin: admin.map_err(failed)?, asking, options })
    }

    /// Creates the topic and the one for dead letters where they are missing. What was done and what was found, as
    /// sentences; several processes may do it at once.
    ///
    /// # Errors
    /// Kafka cannot be reached, or refuses.
    pub async fn migrate(&self) -> Result<Vec<String>, LogError> {
        let mut done = Vec::new();
        let names = [self.options.topic.clone(), self.options.dead_letter_topic()];
        for (name, partitions) in names.iter().zip([self.options.partitions.max(1), 1]) {
            if self.topic(name).await?.is_none() {
                done.push(self.create(name, partitions).await?);
                self.appears(name).await?;
            } else {
                done.push(format!("Kafka topic {name} exists."));
            }
        }
        done.extend(warnings(&self.topics().await?, &self.options));
        Ok(done)
    }

    /// # Errors
    /// Kafka cannot be reached, or refuses.
    pub async fn describe(&self) -> Result<KafkaDescription, LogError> {
        let mut found = self.topics().await?;
        if let Some(topic) = &found.topic {
            let partitions = topic.partitions;
            found.lag = self.ask(move |reader, options| lag(reader, options, partitions)).await?;
        }
        found.facts = facts(&found, &self.options);
        found.warnings = warnings(&found, &self.options);
        Ok(found)
    }

    async fn topics(&self) -> Result<KafkaDescription, LogError> {
        let brokers = self.ask(|reader, options| {
            let metadata = reader.fetch_metadata(None, options.answer_after());
            Ok(metadata.map_err(|error| context::words(&error))?.brokers().len())
        });
        let mut found = KafkaDescription { brokers: brokers.await?, ..KafkaDescription::default() };
        found.topic = self.topic(&self.options.topic).await?;
        found.dead_letter_topic = self.topic(&self.options.dead_letter_topic()).await?;
        Ok(found)
    }

    async fn create(&self, name: &str, partitions: u32) -> Result<String, LogError> {
        let replication = self.options.replication.map_or(-1, i32::from);
        let count = i32::try_from(partitions).map_err(unavailable)?;
        let mut topic = NewTopic::new(name, count, TopicReplication::Fixed(replication))
            .set("compression.type", "producer")
            .set("cleanup.policy", "delete");
        if replication >= 3 {
            topic = topic.set("min.insync.replicas", "2");
        }
        let timeout = Some(self.options.answer_after());
        let options = AdminOptions::new().operation_timeout(timeout).request_timeout(timeout);
        let failed = |error: KafkaError| unavailable(context::words(&error));
        let results = self.admin.create_topics([&topic], &options).await.map_err(failed)?;
        for result in results {
            match result {
                Ok(_) => {}
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {
                    return Ok(format!("Kafka topic {name} exists."));
                }
                Err((_, code)) => return Err(unavailable(format!("Kafka topic {name}: {code}"))),
            }
        }
        let copies = if replication < 0 {
            "as many copies as the brokers' default".into()
        } else {
            format!("{replication} copies")
        };
        Ok(format!("Created Kafka topic {name}: {partitions} partitions, {copies}."))
    }

    /// Brokers tell of a new topic a moment after they have made it. Waits no longer than for any other answer: what is
    /// still missing then is told as such.
    async fn appears(&self, name: &str) -> Result<(), LogError> {
        let until = Instant::now() + self.options.answer_after();
        while self.layout_of(name).await?.is_none() && Instant::now() < until {
            tokio::time::sleep(end::RETRY_AFTER).await;
        }
        Ok(())
    }

    async fn layout_of(&self, name: &str) -> Result<Option<KafkaTopic>, LogError> {
        let asked = name.to_owned();
        self.ask(move |reader, options| {
            let metadata = reader.fetch_metadata(Some(&asked), options.answer_after());
            Ok(layout(&metadata.map_err(|error| context::words(&error))?, &asked))
        })
        .await
    }

    async fn topic(&self, name: &str) -> Result<Option<KafkaTopic>, LogError> {
        let Some(mut topic) = self.layout_of(name).await? else { return Ok(None) };
        let options = AdminOptions::new().request_timeout(Some(self.options.answer_after()));
        let configs = self.admin.describe_configs([&ResourceSpecifier::Topic(name)], &options).await;
        // Telling settings needs a permission of its own; without it the rest is still worth telling.
        let configs = configs.map_err(|error| unavailable(context::words(&error)))?;
        if let Some(Ok(config)) = configs.first() {
            let value = |key| config.get(key).and_then(|entry| entry.value.clone());
            topic.min_insync_replicas = value("min.insync.replicas").and_then(|text| text.parse().ok());
            topic.cleanup_policy = value("cleanup.policy");
        }
        Ok(Some(topic))
    }

    async fn ask<T, F>(&self, question: F) -> Result<T, LogError>
    where
        T: Send + 'static,
        F: Fn(&BaseConsumer<Quiet>, &KafkaLogOptions) -> Result<T, String> + Send + 'static,
    {
        let options = self.options.clone();
        // A topic that was just created has no leaders for a moment.
        let patiently = move |reader: &mut BaseConsumer<Quiet>| {
            let until = Instant::now() + options.answer_after();
            loop {
                match question(reader, &options) {
                    Err(_) if Instant::now() + end::RETRY_AFTER < until => {
                        std::thread::sleep(end::RETRY_AFTER)
                    }
                    answer => return answer,
                }
            }
        };
        self.asking.run(patiently).await.map_err(rejected)?.map_err(unavailable)
    }
}

fn layout(metadata: &Metadata, name: &str) -> Option<KafkaTopic> {
    let topic = metadata.topics().iter().find(|topic| topic.name() == name)?;
    let partitions = topic.partitions();
    let copies = partitions.iter().map(|partition| partition.replicas().len());
    Some(KafkaTopic {
        partitions: u32::try_from(partitions.len()).ok().filter(|&count| count > 0)?,
        replication: copies.min()?,
        under_replicated: partitions.iter().filter(|one| one.isr().len() < one.replicas().len()).count(),
        min_insync_replicas: None,
        cleanup_policy: None,
    })
}

fn lag(
    reader: &BaseConsumer<Quiet>,
    options: &KafkaLogOptions,
    partitions: u32,
) -> Result<BTreeMap<u32, u64>, String> {
    let (topic, timeout) = (&options.topic, options.answer_after());
    let asked = || (0..partitions).filter_map(|partition| i32::try_from(partition).ok());
    let mut next = BTreeMap::new();
    for first in end::offsets(reader, topic, asked(), Offset::Beginning, timeout)? {
        next.insert(first.partition, first.offset);
    }
    for at in end::committed(reader, topic, asked(), timeout)? {
        let first = next.entry(at.partition).or_insert(0);
        *first = at.offset.max(*first);
    }
    let ends = end::offsets(reader, topic, asked(), Offset::End, timeout)?;
    Ok(ends
        .into_iter()
        .map(|end| (end.partition, end.offset.saturating_sub(next.get(&end.partition).copied().unwrap_or(0))))
        .collect())
}

fn facts(found: &KafkaDescription, options: &KafkaLogOptions) -> Vec<String> {
    let mut facts = vec![format!("Kafka has {} broker(s).", found.brokers)];
    if let Some(topic) = &found.topic {
        let lag: u64 = found.lag.values().sum();
        facts.push(format!(
            "Topic {}: {} partition(s), {} copies of each.",
            options.topic, topic.partitions, topic.replication
        ));
        facts.push(format!("Group {} is {lag} entries behind the topic's end.", options.group));
    }
    facts
}

fn warnings(found: &KafkaDescription, options: &KafkaLogOptions) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, topic) in
        [(&options.topic, &found.topic), (&options.dead_letter_topic(), &found.dead_letter_topic)]
    {
        let Some(topic) = topic else {
            warnings.push(format!("Kafka topic {name} does not exist: `sockeye migrate` creates it."));
            continue;
        };
        if topic.replication < 2 {
            warnings.push(format!(
                "Kafka topic {name} has one copy only: a broker's disk is all there is of it."
            ));
        } else if topic.min_insync_replicas == Some(1) {
            warnings.push(format!(
                "Kafka topic {name} has min.insync.replicas 1: a record may be acknowledged that only one broker has. Set it to 2."
            ));
        }
        if topic.under_replicated > 0 {
            let count = topic.under_replicated;
            warnings.push(format!("Kafka topic {name}: {count} partition(s) lack copies in sync."));
        }
        if topic.cleanup_policy.as_deref().is_some_and(|policy| policy.contains("compact")) {
            warnings.push(format!(
                "Kafka topic {name} is compacted: of every conversation only the last message is kept. Set cleanup.policy to delete."
            ));
        }
    }
    warnings
}
