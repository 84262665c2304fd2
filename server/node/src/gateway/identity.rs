//! Who is on a socket: never an unproven claim.
//!
//! Proof is a token in the CONNECT payload (`auth.token`), an `Authorization: Bearer` header, or the contract's cookie, on
//! any request of the connection. Where the page's origin differs, the polling handshake carries no cookie but the
//! WebSocket upgrade does (contracts, "Cookie facts"), so proof may come a moment later.

use serde_json::Value;
use sockeye_core::{Chat, ChatError, id::UserId, session::Proven};

use super::{
    contract::{Claim, Refused},
    http::cookies::{bearer_token, cookie_tokens, each_once},
    wire::Credentials,
};

/// Every token that a connection has shown, the most explicit first, each once.
pub fn tokens(auth: &Value, credentials: &[Credentials], cookie: &str) -> Vec<String> {
    let explicit = auth.get("token").and_then(Value::as_str).map(|token| {
        // Some clients put the whole header's value there.
        bearer_token(token).unwrap_or(token).to_owned()
    });
    let mut tokens: Vec<String> = explicit.into_iter().filter(|token| !token.is_empty()).collect();
    let bearers =
        credentials.iter().filter_map(|seen| seen.authorization.as_deref()).filter_map(bearer_token);
    tokens.extend(bearers.map(str::to_owned));
    let cookies = credentials.iter().filter_map(|seen| seen.cookie.as_deref());
    tokens.extend(cookies.flat_map(|header| cookie_tokens(header, cookie)).map(str::to_owned));
    each_once(tokens)
}

/// Takes the first token that proves the claim.
///
/// # Errors
/// `NoProof` when there are no tokens at all, else why the last one does not do.
pub async fn prove(chat: &Chat, claim: Claim, tokens: &[String]) -> Result<Proven, Refused> {
    let mut refused = Refused::NoProof;
    for token in tokens {
        match chat.authenticate(token).await {
            Ok((session, user)) if agrees(claim, user.id) => {
                return Ok(Proven { user: user.id, session: Some(session) });
            }
            Ok(_) => refused = Refused::OtherUser,
            Err(ChatError::NotFound { .. }) => refused = Refused::UserGone,
            Err(ChatError::Unavailable { source, .. }) => {
                tracing::error!(
                    source = source.as_deref().map(tracing::field::display),
                    "could not authenticate"
                );
                return Err(Refused::Unavailable);
            }
            Err(_) => refused = Refused::BadProof,
        }
    }
    Err(refused)
}

fn agrees(claim: Claim, user: UserId) -> bool {
    match claim {
        Claim::None => true,
        Claim::User(claimed) => claimed == user,
        Claim::Nobody => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(cookie: Option<&str>, authorization: Option<&str>) -> Credentials {
        Credentials { cookie: cookie.map(str::to_owned), authorization: authorization.map(str::to_owned) }
    }

    #[test]
    fn explicit_tokens_come_before_cookies() {
        let credentials =
            [seen(Some("a=1; jwt=cookie"), None), seen(Some("jwt=cookie"), Some("Bearer header"))];
        assert_eq!(tokens(&json!({ "token": "auth" }), &credentials, "jwt"), ["auth", "header", "cookie"]);
        assert_eq!(tokens(&json!({ "token": "Bearer auth" }), &[], "jwt"), ["auth"]);
        assert!(tokens(&json!({ "token": 7 }), &[seen(Some("other=1"), Some("Basic x"))], "jwt").is_empty());
    }

    #[test]
    fn a_claim_must_agree_with_the_proof() {
        let user = |byte| UserId(sockeye_core::id::ObjectId([byte; 12]));
        assert!(agrees(Claim::None, user(1)));
        assert!(agrees(Claim::User(user(1)), user(1)));
        assert!(!agrees(Claim::User(user(2)), user(1)));
        assert!(!agrees(Claim::Nobody, user(1)));
    }
}
