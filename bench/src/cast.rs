//! Who is who in a run: which user sends to which, through which gateway, and what their books say together.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};

use crate::accounts::{self, Account};
use crate::args::Load;
use crate::crew::Member;
use crate::errors::{Failure, Tally};
use crate::ledger::Conversation;
use crate::pacing::{self, Plan, Starter};
use crate::session::{Book, Role};
use crate::stamp::Stamp;
use crate::stored::Reading;
use crate::target::Target;

/// The users of a run: listeners first, then senders, whose receivers are the first listeners. Listeners are spread
/// over the gateways in turn; a sender is at the gateway after its receiver's, so that no message stays on one gateway
/// where there are several.
#[derive(Debug)]
pub(crate) struct Cast<'a> {
    pub(crate) target: &'a Target,
    pub(crate) accounts: Vec<Account>,
    pub(crate) listeners: u32,
}

impl Cast<'_> {
    pub(crate) fn listeners(&self) -> Vec<Member> {
        let listeners = self.accounts.iter().take(self.listeners as usize).cloned().enumerate();
        let listener = |(number, account)| Member {
            account,
            url: self.target.url(number).to_owned(),
            role: Role::Listener,
            plan: Plan::Idle,
        };
        listeners.map(listener).collect()
    }

    pub(crate) fn senders_and_receivers(&self, load: &Load) -> (Vec<Member>, Starter) {
        let (plans, starter) = pacing::plans(load);
        let mut members = self.listeners();
        members.extend(self.readings().into_iter().zip(0..).zip(plans).map(|((reading, number), plan)| {
            let Reading { url, sender, receiver } = reading;
            let role = Role::Sender { number, to: receiver.to_owned() };
            Member { account: sender.clone(), url: url.to_owned(), role, plan }
        }));
        (members, starter)
    }

    /// Every conversation from its sender's side, in the order of the senders.
    pub(crate) fn readings(&self) -> Vec<Reading<'_>> {
        let senders = self.accounts.iter().skip(self.listeners as usize).enumerate();
        let reading = |(number, sender)| {
            let receiver = self.receiver_of(number);
            Reading { url: self.target.url(receiver + 1), sender, receiver: &self.accounts[receiver].id }
        };
        senders.map(reading).collect()
    }

    /// Every conversation as its sender reads it through REST, in the order of the senders.
    pub(crate) async fn histories(&self, load: &Load) -> Result<Vec<Vec<String>>, Failure> {
        let http = &reqwest::Client::new();
        stream::iter(self.readings())
            .map(|Reading { url, sender, receiver }| accounts::history(http, url, sender, receiver, None))
            .buffered(load.sign_ups_max.max(1))
            .try_collect()
            .await
    }

    /// Sorts what the books hold by conversation.
    pub(crate) fn conversations(
        &self,
        books: &mut [Book],
        histories: Option<Vec<Vec<String>>>,
        run: &str,
        errors: &mut Tally,
    ) -> Vec<Conversation> {
        let (listeners, senders) = books.split_at_mut(self.listeners as usize);
        let mut conversations: Vec<Conversation> = senders
            .iter_mut()
            .map(|book| Conversation {
                sent: std::mem::take(&mut book.sent),
                acks: std::mem::take(&mut book.heard.acks),
                ..Conversation::default()
            })
            .collect();
        for (reader, book) in listeners.iter_mut().chain(senders).enumerate() {
            for (sender, receipt) in std::mem::take(&mut book.heard.receipts) {
                match conversations.get_mut(sender as usize) {
                    Some(conversation) if self.receiver_of(sender as usize) == reader => {
                        conversation.receipts.push(receipt)
                    }
                    _ => errors
                        .add("misdelivered", format!("message of sender {sender} at connection {reader}")),
                }
            }
        }
        for (conversation, texts) in conversations.iter_mut().zip(histories.into_iter().flatten()) {
            // What is not of this run was never sent by it.
            let seqs = |text: &String| Stamp::read(text, run).map_or(u32::MAX, |stamp| stamp.seq);
            conversation.history = Some(texts.iter().map(seqs).collect());
        }
        conversations
    }

    /// With all connected, everyone's last presence list must name all.
    pub(crate) fn check_presence(&self, books: &[Book], errors: &mut Tally) {
        let everyone: HashSet<&str> = self.accounts.iter().map(|account| account.id.as_str()).collect();
        for (number, book) in books.iter().enumerate() {
            let online = book.heard.online();
            let absent = everyone.iter().filter(|id| !online.contains(**id)).count();
            if absent > 0 {
                errors.add(
                    "presence wrong",
                    format!("connection {number} does not see {absent} of {}", everyone.len()),
                );
            }
        }
    }

    fn receiver_of(&self, sender: usize) -> usize {
        sender % self.listeners as usize
    }
}

/// What went wrong on all connections.
pub(crate) fn gather_errors(books: &mut [Book]) -> Tally {
    let mut errors = Tally::default();
    for book in books {
        errors.merge(std::mem::take(&mut book.heard.errors));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_goes_from_one_gateway_to_another() {
        let target = Target {
            label: String::new(),
            urls: vec!["a".to_owned(), "b".to_owned()],
            processes: Vec::new(),
            metrics_urls: Vec::new(),
        };
        let account = |number: u32| Account { id: number.to_string(), token: String::new() };
        // Fewer listeners than senders: some receive from two.
        let cast = Cast { target: &target, accounts: (0..8).map(account).collect(), listeners: 3 };
        let listeners = cast.listeners();
        assert_eq!(listeners.iter().map(|one| one.url.as_str()).collect::<Vec<_>>(), ["a", "b", "a"]);
        let readings = cast.readings();
        assert_eq!(readings.len(), 5);
        for reading in readings {
            let receiver = listeners.iter().find(|one| one.account.id == reading.receiver);
            assert_ne!(receiver.expect("a listener").url, reading.url);
        }
    }
}
