//! Signing up, in and out as contracts' routes ask for it: the use cases, with a record of each decision.

use std::net::IpAddr;

use ::http::HeaderMap;
use sockeye_core::{ChatError, NewAccount, SignedIn, limits::Decision, session::SessionId};

use super::{Gateway, http::origin::ClientAddress, instruments::rate_limited};
use crate::audit::{Act, Outcome, Subject, record};

/// The rule of the throttle on one account, as a label.
pub(super) const PER_ACCOUNT: &str = "per_account";

impl Gateway {
    /// As [`sockeye_core::Chat::sign_up`], and no more often than the rule for one address says.
    pub async fn sign_up(
        &self,
        account: NewAccount,
        ClientAddress(from): ClientAddress,
    ) -> Result<SignedIn, ChatError> {
        let email = account.email.clone();
        let signed_up = match self.limits.take_sign_up(from).await {
            Decision::Allowed => self.chat.sign_up(account, from).await,
            Decision::Refused { retry_after_ms } => {
                rate_limited(self.limits.sign_up.name).increment(1);
                Err(ChatError::TooMany { retry_after_ms })
            }
        };
        told(Act::SignUp, from, &email, &signed_up);
        signed_up
    }

    /// As [`sockeye_core::Chat::log_in`].
    pub async fn log_in(
        &self,
        email: &str,
        password: &str,
        ClientAddress(from): ClientAddress,
    ) -> Result<SignedIn, ChatError> {
        let logged_in = self.chat.log_in(email, password, from).await;
        if let Err(ChatError::TooMany { .. }) = logged_in {
            rate_limited(PER_ACCOUNT).increment(1);
        }
        if let Ok(SignedIn { not_renewed: Some(error), .. }) = &logged_in {
            tracing::warn!(%error, "the hash of a password was not renewed");
        }
        told(Act::LogIn, from, email, &logged_in);
        logged_in
    }

    /// Ends every session that a request shows.
    ///
    /// # Errors
    /// The first failure, after all were tried.
    pub async fn log_out(
        &self,
        headers: &HeaderMap,
        ClientAddress(from): ClientAddress,
    ) -> Result<(), ChatError> {
        let mut all_ended = Ok(());
        for token in self.tokens(headers) {
            let ended = self.chat.log_out(&token).await;
            let (outcome, reason) = match &ended {
                Ok(()) => (Outcome::Allowed, ""),
                Err(error) => (Outcome::Refused, error.code()),
            };
            let session = Some(SessionId::of_token(&token));
            let subject = Subject { address: Some(from), session, ..Subject::default() };
            record(Act::LogOut, outcome, reason, subject);
            all_ended = all_ended.and(ended);
        }
        all_ended
    }
}

fn told(act: Act, from: IpAddr, email: &str, signed_in: &Result<SignedIn, ChatError>) {
    let subject = Subject { address: Some(from), account: Some(email), ..Subject::default() };
    match signed_in {
        Ok(SignedIn { user, session, .. }) => {
            let subject = Subject { user: Some(user.id), session: Some(session.id), ..subject };
            record(act, Outcome::Allowed, "", subject);
        }
        Err(error) => record(act, Outcome::Refused, error.code(), subject),
    }
}
