//! Asks again and again whether those who are connected may stay: whether their log-ins ended, and whether their accounts are
//! there. News of both comes by the bus mostly; what was lost on the way, or never said, is found here.

use std::{convert::Infallible, sync::Arc, time::Duration};

use sockeye_core::{Chat, ports::Entropy, session::Proven};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::hub::Hub;

/// Log-ins asked about at a time.
const BATCH_LEN_MAX: usize = 500;
/// Between two batches, so that the store is asked by others meanwhile.
const BATCH_PAUSE: Duration = Duration::from_millis(20);
/// How long to leave a store alone that did not answer.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Looks after the devices in the hub.
pub struct SessionCheck {
    pub hub: Arc<Hub>,
    pub chat: Arc<Chat>,
    /// About how often; each time an eighth more or less, so that gateways that started together do not ask together.
    pub every: Duration,
    pub entropy: Arc<dyn Entropy>,
    /// Notified when it should look soon.
    pub soon: Arc<Notify>,
}

impl SessionCheck {
    /// Runs until `stop`.
    ///
    /// # Errors
    /// None: while the store does not answer, everybody stays and it is asked again.
    pub async fn run(self, stop: CancellationToken) -> Result<(), Infallible> {
        let looking = async {
            loop {
                // Whether it was notified or the time has come is the same.
                let _ = timeout(self.pause(), self.soon.notified()).await;
                self.look().await;
            }
        };
        stop.run_until_cancelled(looking).await;
        Ok(())
    }

    async fn look(&self) {
        let everybody = self.hub.proven();
        for batch in everybody.chunks(BATCH_LEN_MAX) {
            self.look_at(batch).await;
            sleep(BATCH_PAUSE).await;
        }
    }

    async fn look_at(&self, batch: &[Proven]) {
        loop {
            match self.chat.over(batch).await {
                Ok(over) => return self.hub.end(&over),
                Err(error) => {
                    tracing::warn!(%error, "whether log-ins ended is asked again");
                    sleep(AGAIN_AFTER).await;
                }
            }
        }
    }

    fn pause(&self) -> Duration {
        let mut random = [0];
        self.entropy.fill(&mut random);
        // From 7/8 to 9/8.
        self.every.saturating_mul(7 * 128 + u32::from(random[0])) / (8 * 128)
    }
}
