//! Rate limits per client address.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use sockeye_core::{
    limits::{Decision, Rule, client_of},
    ports::{Clock, Limiter},
};

use super::{origin::ClientAddress, reply};
use crate::{
    audit::{Act, Outcome, Subject, record},
    gateway::instruments::rate_limited,
};

/// The rules for requests (`SOCKEYE_LIMIT_*`) and what counts them.
#[derive(Clone)]
pub struct AddressLimits {
    pub limiter: Arc<dyn Limiter>,
    pub clock: Arc<dyn Clock>,
    /// All REST routes.
    pub requests: Arc<Rule>,
    /// Log-in and sign-up, where guessing happens.
    pub sign_in: Arc<Rule>,
    /// Sign-up alone, whose fields are as they should be.
    pub sign_up: Arc<Rule>,
}

impl AddressLimits {
    pub fn around_requests(&self, router: Router) -> Router {
        self.around(router, self.requests.clone())
    }

    pub fn around_sign_in(&self, router: Router) -> Router {
        self.around(router, self.sign_in.clone())
    }

    /// Counts a sign-up.
    pub async fn take_sign_up(&self, address: IpAddr) -> Decision {
        self.take(&self.sign_up, ClientAddress(address)).await
    }

    /// Counts a router's requests against a rule.
    pub fn around(&self, router: Router, rule: Arc<Rule>) -> Router {
        router.layer(from_fn_with_state((self.clone(), rule), count))
    }

    async fn take(&self, rule: &Rule, address: ClientAddress) -> Decision {
        let client = client_of(address.0).to_string();
        match self.limiter.take(rule, &client, self.clock.now()).await {
            Ok(decision) => decision,
            Err(error) => {
                // A limiter that is down must not take the chat down with it.
                tracing::warn!(%error, rule = rule.name, "not limited");
                Decision::Allowed
            }
        }
    }
}

async fn count(
    State((limits, rule)): State<(AddressLimits, Arc<Rule>)>,
    request: Request,
    next: Next,
) -> Response {
    let address = request.extensions().get::<ClientAddress>().copied();
    match address {
        Some(address) => match limits.take(&rule, address).await {
            Decision::Allowed => next.run(request).await,
            Decision::Refused { retry_after_ms } => {
                rate_limited(rule.name).increment(1);
                let subject = Subject { address: Some(address.0), ..Subject::default() };
                record(Act::Limit, Outcome::Refused, rule.name, subject);
                reply::too_many(retry_after_ms)
            }
        },
        // `Trust::mark` runs before every route; without it there is no address to count.
        None => next.run(request).await,
    }
}
