use std::{fmt, sync::Arc};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde_json::{Map, Value, json};
use sockeye_core::{
    id::UserId,
    ports::{Entropy, TokenError, Tokens},
    session::{Session, SessionId},
    time::Timestamp,
};

/// No token of ours, nor of the backends before us, comes near this.
const TOKEN_BYTES_MAX: usize = 8_192;

/// [`Tokens`] as JSON Web Tokens (RFC 7519), HS256 only.
pub struct Jwt {
    encoding: EncodingKey,
    decoding: DecodingKey,
    /// Of the secrets before this one.
    previous: Vec<DecodingKey>,
    validation: Validation,
    lifetime_s: u64,
    user_claim: String,
    entropy: Arc<dyn Entropy>,
}

impl Jwt {
    /// `lifetime_ms` counts in whole seconds, rounded up. `user_claim` is the name of the claim with the user's id
    /// (contracts, "Authentication").
    pub fn new(
        secret: &[u8],
        lifetime_ms: u64,
        user_claim: impl Into<String>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        super::hs256::install();
        let mut validation = Validation::new(Algorithm::HS256);
        // The library would ask the clock of the machine; `verify` compares with the `now` it is given.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        // Nobody says for whom tokens are: the backends before us did not look either.
        validation.validate_aud = false;
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            previous: vec![],
            validation,
            lifetime_s: lifetime_ms.div_ceil(1000),
            user_claim: user_claim.into(),
            entropy,
        }
    }

    /// Tokens signed with one of these secrets are as good as those signed with ours, so that ours can be changed.
    #[must_use]
    pub fn with_previous<'a>(self, secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self { previous: secrets.into_iter().map(DecodingKey::from_secret).collect(), ..self }
    }

    /// `None`: signed with none of the secrets, or damaged.
    fn claims(&self, token: &str) -> Option<Map<String, Value>> {
        let mut keys = std::iter::once(&self.decoding).chain(&self.previous);
        keys.find_map(|key| decode::<Map<String, Value>>(token, key, &self.validation).ok())
            .map(|token| token.claims)
    }
}

impl Tokens for Jwt {
    fn issue(&self, user: UserId, now: Timestamp) -> Result<(String, Session), TokenError> {
        let issued_at_s = now.as_millis() / 1000;
        let expires_at_s = issued_at_s.saturating_add(self.lifetime_s);
        let mut name = [0; 16];
        self.entropy.fill(&mut name);
        let claims = json!({
            &self.user_claim: user,
            "iat": issued_at_s,
            // The same, to the millisecond: sessions that began before all were ended are told from those that begin right after.
            "iat_ms": now.as_millis(),
            "exp": expires_at_s,
            "jti": format!("{:032x}", u128::from_be_bytes(name)),
        });
        let token = encode(&Header::default(), &claims, &self.encoding).map_err(|_| TokenError::Invalid)?;
        let expires_at = seconds(expires_at_s);
        let session = Session { id: SessionId::of_token(&token), user, issued_at: now, expires_at };
        Ok((token, session))
    }

    fn verify(&self, token: &str, now: Timestamp) -> Result<Session, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let claims = self.claims(token).ok_or(TokenError::Invalid)?;
        let user = claims.get(&self.user_claim).and_then(Value::as_str).ok_or(TokenError::NoUser)?;
        let user = user.parse().map_err(|_| TokenError::Invalid)?;
        let expires_at = claims.get("exp").and_then(Value::as_u64).map(seconds).ok_or(TokenError::Invalid)?;
        if claims.get("nbf").is_some_and(|from| from.as_u64().map(seconds).is_none_or(|from| now < from)) {
            return Err(TokenError::Invalid);
        }
        if now >= expires_at {
            return Err(TokenError::Expired);
        }
        Ok(Session { id: SessionId::of_token(token), user, issued_at: issued_at(&claims), expires_at })
    }
}

/// A token that does not say when counts as issued at the beginning of time: it ends with all others.
fn issued_at(claims: &Map<String, Value>) -> Timestamp {
    let millis = claims.get("iat_ms").and_then(Value::as_u64).map(Timestamp::from_millis);
    millis.or_else(|| claims.get("iat")?.as_u64().map(seconds)).unwrap_or_default()
}

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds.saturating_mul(1000))
}

impl fmt::Debug for Jwt {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt").field("lifetime_s", &self.lifetime_s).finish_non_exhaustive()
    }
}
