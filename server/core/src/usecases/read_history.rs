use crate::{
    Chat, ChatError,
    conversation::ConversationId,
    id::{MessageId, UserId},
    message::Message,
    portion::Portion,
};

/// Which part of a conversation.
#[derive(Debug, Clone, Copy, Default)]
pub struct HistoryPage {
    /// Only what came before this message.
    pub before: Option<MessageId>,
    /// At most this many; never more than [`crate::Bounds::history_len_max`] and [`crate::Bounds::answer_bytes_max`].
    pub len_max: Option<usize>,
}

impl Chat {
    /// The latest messages of a conversation, oldest first, in the log's order (promise G3). Contains every message that
    /// was acknowledged before the call (promise G5).
    ///
    /// # Errors
    /// `Forbidden` with code `not_a_member`; `NotFound` with code `no_such_receiver`.
    pub async fn read_history(
        &self,
        viewer: UserId,
        conversation: ConversationId,
        page: HistoryPage,
    ) -> Result<Vec<Message>, ChatError> {
        self.conversation_of(viewer, conversation).await?;
        let end = self.ports.log.end().await?;
        self.ports.store.wait_stored(&end).await?;
        let len_max = page.len_max.unwrap_or(usize::MAX).min(self.bounds.history_len_max);
        let portion = Portion { len_max, bytes_max: self.bounds.answer_bytes_max };
        Ok(self.ports.store.history_within(&conversation, page.before, portion).await?)
    }
}
