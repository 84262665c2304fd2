// `core::net` has addresses and no sockets.
use core::net::IpAddr;

use crate::{
    Chat, ChatError,
    limits::{AccountKey, Attempt, Decision, Outcome, Throttle, network_of},
    user::User,
};

/// A log-in under way, as the limits on guessing count it.
///
/// Wrong passwords slow down what comes after them, twice over. Per account and network: whoever guesses from one place is
/// soon at one try in a quarter of an hour, and nobody elsewhere notices. Per account over all networks that are strangers
/// to it: many places together get a try a minute at last. Networks from which somebody has logged in to the account are no
/// strangers, so that its owner, at home, is kept out by nobody.
pub(super) struct Guess {
    from_network: String,
    from_strangers: Option<String>,
    /// Whether somebody has logged in to the account from this network.
    pub(super) known: bool,
}

impl Chat {
    /// # Errors
    /// `TooMany`: the log-in must wait.
    pub(super) async fn guess(&self, account: AccountKey, from: IpAddr) -> Result<Guess, ChatError> {
        let from_network = format!("{account} {}", network_of(from));
        let Attempt { decision, known } =
            self.attempt(&self.bounds.guesses_from_network, &from_network).await;
        allowed(decision)?;
        let from_strangers = (!known).then(|| account.to_string());
        if let Some(account) = &from_strangers {
            let strangers = self.attempt(&self.bounds.guesses_from_strangers, account).await;
            if strangers.decision != Decision::Allowed {
                self.end(&self.bounds.guesses_from_network, &from_network, Outcome::Void).await;
            }
            allowed(strangers.decision)?;
        }
        Ok(Guess { from_network, from_strangers, known })
    }

    /// `checked`: whose password it was. One that was not checked is not held against anybody.
    pub(super) async fn settle(&self, guess: &Guess, checked: &Result<Option<User>, ChatError>) {
        let outcome = match checked {
            Ok(None) => return,
            Ok(Some(_)) => Outcome::Good,
            Err(_) => Outcome::Void,
        };
        self.end(&self.bounds.guesses_from_network, &guess.from_network, outcome).await;
        if let Some(account) = &guess.from_strangers {
            // A success from one network does not make the others less strange.
            self.end(&self.bounds.guesses_from_strangers, account, Outcome::Void).await;
        }
    }

    /// A limiter that is down must not take the chat down with it.
    async fn attempt(&self, rule: &Throttle, key: &str) -> Attempt {
        let attempt = self.ports.limiter.attempt(rule, key, self.now()).await;
        attempt.unwrap_or(Attempt { decision: Decision::Allowed, known: false })
    }

    async fn end(&self, rule: &Throttle, key: &str, outcome: Outcome) {
        // At worst a good log-in counts as a failed one until the next.
        let _ = self.ports.limiter.settle(rule, key, outcome, self.now()).await;
    }
}

fn allowed(decision: Decision) -> Result<(), ChatError> {
    match decision {
        Decision::Allowed => Ok(()),
        Decision::Refused { retry_after_ms } => Err(ChatError::TooMany { retry_after_ms }),
    }
}
