use async_trait::async_trait;
use sockeye_core::ports::{Bus, BusError, BusEvent, BusSubscription, Received};
use tokio::sync::broadcast::{Receiver, Sender, error::RecvError};

/// The [`Bus`] of a single process. A subscriber that falls behind by more than the bound loses the oldest events and is
/// told so.
#[derive(Debug)]
pub struct LocalBus {
    events: Sender<BusEvent>,
}

impl LocalBus {
    /// `len_max`: events that a subscriber may be behind.
    pub fn new(len_max: usize) -> Self {
        Self { events: Sender::new(len_max.max(1)) }
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn publish(&self, event: BusEvent) -> Result<(), BusError> {
        // Without subscribers there is nobody to tell, which is no failure.
        let _ = self.events.send(event);
        Ok(())
    }

    async fn subscribe(&self) -> Result<Box<dyn BusSubscription>, BusError> {
        Ok(Box::new(LocalSubscription { events: self.events.subscribe() }))
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }
}

struct LocalSubscription {
    events: Receiver<BusEvent>,
}

#[async_trait]
impl BusSubscription for LocalSubscription {
    async fn next(&mut self) -> Result<Received, BusError> {
        match self.events.recv().await {
            Ok(event) => Ok(Received::Event(event)),
            Err(RecvError::Lagged(_)) => Ok(Received::Lagged),
            Err(error @ RecvError::Closed) => Err(BusError(Box::new(error))),
        }
    }
}
