//! How far the store is behind, as far as the wire tells: the server's `/metrics`, or else the history.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use reqwest::{Client, StatusCode};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::accounts::{self, Account};
use crate::errors::{Failure, Tally};
use crate::session::Shared;
use crate::stamp::Stamp;
use crate::usage::exact;

/// Entries of the log that the store has confirmed, of one process.
const COUNTER: &str = "sockeye_messages_stored_total";
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
const ASK_EVERY: Duration = Duration::from_millis(25);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What was found about storing. "The end" is when the last sender had sent its last message.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Stored {
    pub(crate) seen_through: SeenThrough,
    /// What the store confirmed by the end of the measurement; may include repeats. `None` without metrics.
    pub(crate) messages: Option<u64>,
    /// Acknowledged but not stored at the end. `None` without metrics: a history read waits for the store.
    pub(crate) lag_at_end_messages: Option<u64>,
    /// The most that was so while sending; looked at four times a second.
    pub(crate) lag_max_messages: Option<u64>,
    /// From the end until everything acknowledged was stored; `None` when it never was.
    pub(crate) caught_up_seconds: Option<f64>,
    /// Acknowledged messages by the time from the first sending until all of them were stored.
    pub(crate) messages_per_second: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SeenThrough {
    Metrics,
    History,
}

/// A sender as the one who reads its history, and whom it wrote to.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) url: &'a str,
    pub(crate) sender: &'a Account,
    pub(crate) receiver: &'a str,
}

/// Watches the store of one run.
#[derive(Debug)]
pub(crate) struct StoreWatch {
    http: Client,
    metrics_urls: Vec<String>,
    /// What the counters said before the load; `None` when there are none.
    before: Option<u64>,
}

impl StoreWatch {
    /// Before the load begins.
    pub(crate) async fn begin(metrics_urls: &[String]) -> Result<Self, Failure> {
        let http = Client::builder().timeout(ANSWER_WITHIN).build().map_err(Failure::rest("a client"))?;
        let mut watch = Self { http, metrics_urls: metrics_urls.to_vec(), before: None };
        watch.before = watch.total().await?;
        Ok(watch)
    }

    /// The most that is acknowledged but not stored, until `stop`; `None` without metrics.
    pub(crate) async fn lag_max(&self, shared: &Shared, mut stop: watch::Receiver<bool>) -> Option<u64> {
        self.before?;
        let mut most = 0;
        loop {
            // What cannot be read now is the business of whoever asks at the end.
            most = most.max(self.lag(shared).await.ok().flatten().unwrap_or(0));
            let stopped = timeout(SAMPLE_EVERY, stop.wait_for(|stop| *stop)).await;
            if stopped.is_ok() {
                return Some(most);
            }
        }
    }

    /// From the end of sending until all is stored, at most `patience`; what breaks off goes into `errors`.
    /// `started`: when the load began.
    pub(crate) async fn catch_up(
        &self,
        shared: &Shared,
        readings: &[Reading<'_>],
        started: Instant,
        patience: Duration,
        errors: &mut Tally,
    ) -> Stored {
        let ended = Instant::now();
        let lag_at_end_messages = match self.lag(shared).await {
            Ok(lag) => lag,
            Err(failure) => {
                errors.add("metrics unreadable", failure.to_string());
                None
            }
        };
        let all = timeout(patience, self.all_stored(shared, readings)).await;
        let at = Instant::now();
        match &all {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => errors.add("storing unreadable", failure.to_string()),
            Err(_) => errors.add("not stored", format!("not everything within {patience:?}")),
        }
        let stored = all.is_ok_and(|read| read.is_ok());
        let messages = self.grown().await.ok().flatten();
        let accepted = exact(shared.progress.accepted.load(Ordering::SeqCst));
        Stored {
            seen_through: if self.before.is_some() { SeenThrough::Metrics } else { SeenThrough::History },
            messages,
            lag_at_end_messages,
            lag_max_messages: None,
            caught_up_seconds: stored.then(|| (at - ended).as_secs_f64()),
            messages_per_second: stored.then(|| accepted / (at - started).as_secs_f64()),
        }
    }

    async fn all_stored(&self, shared: &Shared, readings: &[Reading<'_>]) -> Result<(), Failure> {
        let progress = &shared.progress;
        while progress.answered.load(Ordering::SeqCst) < progress.sent.load(Ordering::SeqCst) {
            sleep(ASK_EVERY).await;
        }
        if self.before.is_none() {
            return self.all_in_history(shared, readings).await;
        }
        while self.lag(shared).await?.is_some_and(|lag| lag > 0) {
            sleep(ASK_EVERY).await;
        }
        Ok(())
    }

    /// Until every conversation's history ends with the last message that was acknowledged, or a later one.
    async fn all_in_history(&self, shared: &Shared, readings: &[Reading<'_>]) -> Result<(), Failure> {
        let mut found = stream::iter(readings.iter().zip(&shared.progress.accepted_until).map(
            |(reading, until)| async move {
                let until = until.load(Ordering::SeqCst);
                while until > 0 && self.last_in_history(shared, reading).await? < until {
                    sleep(ASK_EVERY).await;
                }
                Ok(())
            },
        ))
        .buffer_unordered(8);
        while let Some(one) = found.next().await {
            one?;
        }
        Ok(())
    }

    /// How many of the sender's messages its history holds, if none is missing before the last.
    async fn last_in_history(&self, shared: &Shared, reading: &Reading<'_>) -> Result<u64, Failure> {
        let Reading { url, sender, receiver } = reading;
        match accounts::history(&self.http, url, sender, receiver, Some(1)).await {
            Ok(texts) => Ok(texts
                .last()
                .and_then(|text| Stamp::read(text, &shared.run))
                .map_or(0, |stamp| u64::from(stamp.seq) + 1)),
            // The store is too far behind for this read to wait for it: the very thing that is measured.
            Err(Failure::Refused { status: 503, .. }) => Ok(0),
            Err(failure) => Err(failure),
        }
    }

    /// Acknowledged but not stored.
    async fn lag(&self, shared: &Shared) -> Result<Option<u64>, Failure> {
        // In this order: what is acknowledged while the counter is read must not count as late.
        let accepted = shared.progress.accepted.load(Ordering::SeqCst);
        Ok(self.grown().await?.map(|stored| accepted.saturating_sub(stored)))
    }

    /// What the counters have grown by; a counter that is gone is a failure.
    async fn grown(&self) -> Result<Option<u64>, Failure> {
        let Some(before) = self.before else { return Ok(None) };
        let now = self.total().await?.ok_or_else(|| Failure::Setup(format!("{COUNTER} is gone")))?;
        Ok(Some(now.saturating_sub(before)))
    }

    /// The sum of all counters; `None` when nobody has one.
    async fn total(&self) -> Result<Option<u64>, Failure> {
        let mut total = None;
        for url in &self.metrics_urls {
            let doing = "reading /metrics";
            let answer = self.http.get(format!("{url}/metrics")).send().await;
            let answer = answer.map_err(Failure::rest(doing))?;
            // Servers without the route answer what they answer for any unknown one, some that one must log in.
            if answer.status().is_client_error() && answer.status() != StatusCode::TOO_MANY_REQUESTS {
                continue;
            }
            let answer = answer.error_for_status().map_err(Failure::rest(doing))?;
            if let Some(count) = counter(&answer.text().await.map_err(Failure::rest(doing))?, COUNTER) {
                total = Some(total.unwrap_or(0) + count);
            }
        }
        Ok(total)
    }
}

/// The sum of a counter's samples over all its labels, in Prometheus' text format; `None` when there is none.
fn counter(text: &str, name: &str) -> Option<u64> {
    let samples = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labelled) => labelled.rsplit_once('}')?.1,
            None => rest.strip_prefix(' ')?,
        };
        value.split_whitespace().next()?.parse::<u64>().ok()
    });
    samples.reduce(|sum, count| sum + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_counter() {
        let text = "# TYPE stored_total counter\nstored_total{shard=\"a\"} 3\nstored_total{shard=\"b\"} 4\n\
                    stored_total_bytes 9\nplain 5\n";
        assert_eq!(counter(text, "stored_total"), Some(7));
        assert_eq!(counter(text, "plain"), Some(5));
        assert_eq!(counter(text, "absent"), None);
    }
}
