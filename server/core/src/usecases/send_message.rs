use super::acquaintance::Known;
use crate::{
    Chat, ChatError,
    conversation::{Conversation, ConversationId},
    id::{MessageId, UserId},
    media::Image,
    message::{Message, Origin, Record},
};

/// A message that somebody wants to send.
pub struct Outgoing {
    pub sender: UserId,
    pub to: ConversationId,
    pub text: String,
    /// Kept once the message has passed all checks.
    pub image: Option<Image>,
    /// The client's own name for the message: sending it again with the same name is the same message.
    pub client_id: Option<String>,
    pub origin: Origin,
}

impl Chat {
    /// Accepts a message: when this returns, it is never lost (promise G1), and everybody concerned will get it.
    ///
    /// # Errors
    /// `Invalid` with code `message_empty`, `text_too_long` or `client_id_too_long`; `NotFound` with code `no_such_receiver`;
    /// `Forbidden` with code `not_a_member`; `Quota` with code `picture_quota`; `Unavailable` when the log cannot take it now: it was not accepted.
    pub async fn send_message(&self, outgoing: Outgoing) -> Result<Message, ChatError> {
        self.check(&outgoing)?;
        let conversation = self.conversation_of(outgoing.sender, outgoing.to).await?;
        let Outgoing { sender, text, image, client_id, origin, .. } = outgoing;
        let now = self.now();
        let id = match &client_id {
            None => MessageId(self.ids.mint(now)),
            Some(name) => {
                let id = MessageId::of_client(sender, &conversation.id.key(), name);
                if let Some(first) = self.ports.store.message(id).await? {
                    return Ok(first);
                }
                id
            }
        };
        let picture = match &image {
            Some(image) => Some(self.keep_picture(sender, image).await?),
            None => None,
        };
        let message =
            Message { id, conversation: conversation.id, sender, text, picture, created_at: now, client_id };
        let record = Record { message, members: conversation.members, origin };
        let appended = self.ports.log.append(&record).await?;
        // A retry may have overtaken the store: what counts is the first.
        Ok(appended.first.unwrap_or(record).message)
    }

    fn check(&self, outgoing: &Outgoing) -> Result<(), ChatError> {
        let bounds = &self.bounds;
        if outgoing.text.trim().is_empty() && outgoing.image.is_none() {
            return Err(ChatError::invalid("message_empty", "A message needs a text or an image"));
        }
        if outgoing.text.chars().count() > bounds.text_chars_max {
            let message = format!("A message has at most {} characters", bounds.text_chars_max);
            return Err(ChatError::invalid("text_too_long", message));
        }
        if outgoing.client_id.as_ref().is_some_and(|name| name.len() > bounds.client_id_bytes_max) {
            let message = format!("A client's message id has at most {} bytes", bounds.client_id_bytes_max);
            return Err(ChatError::invalid("client_id_too_long", message));
        }
        Ok(())
    }

    /// Whether `user` has an account.
    async fn knows(&self, user: UserId) -> Result<bool, ChatError> {
        let now = self.now();
        let known = self.acquaintance.ask(user, now);
        if known == Known::Fresh {
            return Ok(true);
        }
        match self.ports.store.user(user).await {
            Ok(Some(_)) => self.acquaintance.meet(user, now),
            Ok(None) => {
                self.acquaintance.forget(user);
                return Ok(false);
            }
            // For a while more: asking at every message would make each wait.
            Err(_) if known == Known::Stale => self.acquaintance.meet(user, now),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }

    /// The conversation, if `user` may take part in it.
    pub(crate) async fn conversation_of(
        &self,
        user: UserId,
        id: ConversationId,
    ) -> Result<Conversation, ChatError> {
        let stranger =
            ChatError::Forbidden { code: "not_a_member", message: "Not a member of this conversation" };
        match id {
            ConversationId::Direct(one, other) => {
                let peer = id.peer_of(user).ok_or(stranger)?;
                let nobody = ChatError::NotFound { code: "no_such_receiver", message: "Receiver not found" };
                if !self.knows(peer).await? {
                    return Err(nobody);
                }
                Ok(Conversation::direct(one, other))
            }
            ConversationId::Group(group) => {
                let found = self.ports.store.group(group).await?;
                found.filter(|conversation| conversation.has(user)).ok_or(stranger)
            }
        }
    }
}
