use crate::{Chat, ChatError, ports::BusEvent, time::Timestamp, user::User};

impl Chat {
    /// Ends the session that `token` proves, on every node: its devices are dropped and the token is dead. Nothing
    /// happens when the token proves none.
    pub async fn log_out(&self, token: &str) -> Result<(), ChatError> {
        let Ok(session) = self.ports.tokens.verify(token, self.now()) else { return Ok(()) };
        self.ports.store.end_session(session.id, session.expires_at).await?;
        self.ports.bus.publish(BusEvent::SessionEnded(session.id)).await?;
        Ok(())
    }

    /// Ends every session of `user`, on every node: their devices are dropped and their tokens are dead. One that begins
    /// afterwards is not concerned.
    pub async fn log_out_everywhere(&self, user: &User) -> Result<(), ChatError> {
        let through = sessions_end_through(user, self.now());
        self.ports.store.end_sessions(user.id, through).await?;
        self.ports.bus.publish(BusEvent::SessionsEnded { user: user.id, through }).await?;
        Ok(())
    }
}

/// The clocks of two nodes differ by less.
const CLOCK_SKEW_MS: u64 = 2_000;

/// Through when sessions are over that are to end now. It is a little ahead, so that a session from a node whose clock is ahead ends
/// too, and always after what [`session_begins_at`] gave out before.
pub fn sessions_end_through(user: &User, now: Timestamp) -> Timestamp {
    let ahead = now.plus_millis(CLOCK_SKEW_MS);
    user.sessions_ended_through.map_or(ahead, |before| ahead.max(before.plus_millis(1)))
}

/// When a session counts as issued that begins now: after those that ended, however soon and by whichever clock.
pub(crate) fn session_begins_at(user: &User, now: Timestamp) -> Timestamp {
    user.sessions_ended_through.map_or(now, |ended| now.max(ended.plus_millis(1)))
}
