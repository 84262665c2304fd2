use crate::{Chat, ChatError, ports::BusEvent};

impl Chat {
    /// Ends the session that `token` proves, on every node: its devices are dropped and the token is dead. Nothing
    /// happens when the token proves none.
    pub async fn log_out(&self, token: &str) -> Result<(), ChatError> {
        let Ok(session) = self.ports.tokens.verify(token, self.now()) else { return Ok(()) };
        self.ports.store.end_session(session.id, session.expires_at).await?;
        self.ports.bus.publish(BusEvent::SessionEnded(session.id)).await?;
        Ok(())
    }
}
