//! HS256 (RFC 7518, 3.2) for `jsonwebtoken`, and nothing else: what it brings for all algorithms has an RSA with an open
//! advisory (RUSTSEC-2023-0071) in it.

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result, new_error},
    signature::{self, Signer, Verifier},
};
use sha2::Sha256;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(signer(*algorithm, key)?)),
    verifier_factory: |algorithm, key| Ok(Box::new(verifier(*algorithm, key)?)),
    // Of JWK, which nobody here reads.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes this what `jsonwebtoken` signs and verifies with, in the whole process.
pub fn install() {
    // Refused when one is there already: this one, from an earlier call.
    let _ = PROVIDER.install_default();
}

/// HMAC with SHA-256, under a key.
struct Hs256(Hmac<Sha256>);

fn signer(algorithm: Algorithm, key: &EncodingKey) -> Result<Hs256> {
    Hs256::new(algorithm, key.family(), key.as_bytes())
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Hs256> {
    match key.kind() {
        DecodingKeyKind::SecretOrDer(secret) => Hs256::new(algorithm, key.family(), secret),
        _ => Err(new_error(ErrorKind::InvalidKeyFormat)),
    }
}

impl Hs256 {
    fn new(algorithm: Algorithm, family: AlgorithmFamily, secret: &[u8]) -> Result<Self> {
        if algorithm != Algorithm::HS256 {
            return Err(new_error(ErrorKind::InvalidAlgorithm));
        }
        if family != AlgorithmFamily::Hmac {
            return Err(new_error(ErrorKind::InvalidKeyFormat));
        }
        Hmac::new_from_slice(secret).map(Self).map_err(|_| new_error(ErrorKind::InvalidKeyFormat))
    }

    fn over(&self, message: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(message)
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        Ok(self.over(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    /// Takes the same time wherever the signature differs.
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        self.over(message).verify_slice(signature).map_err(signature::Error::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, A.1: the key, what is signed, and the signature.
    const KEY: &str =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const SIGNED: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
        eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn keys() -> (EncodingKey, DecodingKey) {
        install();
        let padded = format!("{}==", KEY.replace('-', "+").replace('_', "/"));
        (EncodingKey::from_base64_secret(&padded).unwrap(), DecodingKey::from_base64_secret(&padded).unwrap())
    }

    #[test]
    fn it_signs_and_verifies_as_the_standard_shows() {
        let (encoding, decoding) = keys();
        let signed = jsonwebtoken::crypto::sign(SIGNED.as_bytes(), &encoding, Algorithm::HS256).unwrap();
        assert_eq!(signed, SIGNATURE);
        let verify = |signature: &str, message: &str| {
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), &decoding, Algorithm::HS256).unwrap()
        };
        assert!(verify(SIGNATURE, SIGNED));
        assert!(!verify(SIGNATURE, &SIGNED[1..]));
        assert!(!verify(&SIGNATURE[..40], SIGNED), "a part of it is none");
        assert!(!verify("", SIGNED));
    }

    #[test]
    fn other_algorithms_and_keys_are_refused() {
        let (encoding, decoding) = keys();
        for algorithm in
            [Algorithm::HS384, Algorithm::HS512, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
        {
            assert!(jsonwebtoken::crypto::sign(b"x", &encoding, algorithm).is_err());
            assert!(jsonwebtoken::crypto::verify(SIGNATURE, b"x", &decoding, algorithm).is_err());
        }
        let public = DecodingKey::from_rsa_der(b"of another family");
        assert!(jsonwebtoken::crypto::verify(SIGNATURE, b"x", &public, Algorithm::HS256).is_err());
    }
}
