//! JSON Web Tokens (RFC 7519) in the query string: their signature and their claims.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use streamer_control::config::{JwtAlgorithm, JwtConfig, JwtKeys, PublicKey};
use streamer_core::{AccessRequest, Denied, DeniedKind};
use thiserror::Error;

use super::Outside;
use super::key_set::KeySet;

/// Longest token in bytes: those with many claims take two or three kilobytes, and it is hashed for each request.
pub const MAX_TOKEN_BYTES: usize = 8 << 10;

/// Why a public key of the configuration cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("no public key of RSA or of an elliptic curve can be read from it")]
pub struct JwtKeyError;

/// Sees whether `key` can be used.
///
/// # Errors
/// [`JwtKeyError`] when it is no public key of RSA or of an elliptic curve.
pub fn check_public_key(key: &PublicKey) -> Result<(), JwtKeyError> {
    decoding_key(key).map(|_| ())
}

fn decoding_key(key: &PublicKey) -> Result<DecodingKey, JwtKeyError> {
    let pem = key.as_str().as_bytes();
    DecodingKey::from_rsa_pem(pem).or_else(|_| DecodingKey::from_ec_pem(pem)).map_err(|_| JwtKeyError)
}

/// A key that signatures are checked with, and what it may be used for.
#[derive(Clone)]
pub(super) struct VerifyingKey {
    /// Its name (`kid`) in the set that it came from.
    pub(super) id: Option<String>,
    /// The one algorithm it is for, if its set says so.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) key: DecodingKey,
}

enum Keys {
    Fixed(Vec<VerifyingKey>),
    Fetched(Arc<KeySet>),
}

/// Which tokens let in.
pub(super) struct JwtRule {
    keys: Keys,
    algorithms: Vec<Algorithm>,
    issuer: Option<String>,
    audience: Option<String>,
    leeway_s: u64,
}

/// The claims that are ours to check.
#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    app: Option<String>,
    stream: Option<String>,
    action: Option<String>,
    actions: Option<Vec<String>>,
}

impl JwtRule {
    pub(super) fn new(config: &JwtConfig, outside: &Outside) -> Self {
        let fixed = |key| Keys::Fixed(vec![VerifyingKey { id: None, algorithm: None, key }]);
        let keys = match &config.keys {
            JwtKeys::Secret(secret) => fixed(DecodingKey::from_secret(secret.expose().as_bytes())),
            // Checked with the configuration; without a key nobody gets in.
            JwtKeys::PublicKey(key) => decoding_key(key).map_or(Keys::Fixed(Vec::new()), fixed),
            JwtKeys::JwksUrl(url) => Keys::Fetched(KeySet::new(url, outside)),
        };
        Self {
            keys,
            algorithms: config.algorithms().into_iter().map(algorithm).collect(),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway_s: config.leeway_s,
        }
    }

    /// Whether `request` brings a token, right or wrong.
    pub(super) fn is_presented(request: &AccessRequest<'_>) -> bool {
        token(request).is_some()
    }

    pub(super) async fn verify(&self, request: &AccessRequest<'_>, now_unix_s: u64) -> Result<(), Denied> {
        let Some(token) = token(request) else {
            return Err(Denied::new(DeniedKind::BadToken, "a token is needed"));
        };
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Denied::new(DeniedKind::BadToken, "the token is too long"));
        }
        // An algorithm that does not exist, `none` among them, fails here.
        let header = decode_header(token).map_err(|_| wrong())?;
        if !self.algorithms.contains(&header.alg) {
            return Err(wrong());
        }
        let claims = match &self.keys {
            Keys::Fixed(keys) => self.read(token, header.alg, keys.iter())?,
            Keys::Fetched(set) => {
                let keys = set.keys(header.kid.as_deref()).await?;
                let named = |key: &&VerifyingKey| header.kid.is_none() || key.id == header.kid;
                self.read(token, header.alg, keys.iter().filter(named))?
            }
        };
        self.check(&claims, request, now_unix_s)
    }

    /// The claims of `token`, if one of `keys` signed it.
    fn read<'a>(
        &self,
        token: &str,
        algorithm: Algorithm,
        keys: impl Iterator<Item = &'a VerifyingKey>,
    ) -> Result<Claims, Denied> {
        let mut validation = Validation::new(algorithm);
        // Times are checked here, by a clock that is an argument.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        validation.validate_aud = self.audience.is_some();
        validation.required_spec_claims.clear();
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".into());
        }
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".into());
        }
        // A key serves the algorithms of its own family alone: a public key is never a secret of HMAC.
        let fits = |key: &&VerifyingKey| {
            key.key.family() == algorithm.family() && key.algorithm.is_none_or(|only| only == algorithm)
        };
        let mut refusal = wrong();
        for key in keys.filter(fits) {
            match decode::<Claims>(token, &key.key, &validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => match error.kind() {
                    ErrorKind::InvalidSignature => {}
                    ErrorKind::InvalidIssuer
                    | ErrorKind::InvalidAudience
                    | ErrorKind::MissingRequiredClaim(_) => refusal = elsewhere(),
                    _ => refusal = wrong(),
                },
            }
        }
        Err(refusal)
    }

    fn check(&self, claims: &Claims, request: &AccessRequest<'_>, now_unix_s: u64) -> Result<(), Denied> {
        // Seconds of any calendar are far below what a float holds exactly.
        let (now, leeway) = (now_unix_s as f64, self.leeway_s as f64);
        let Some(expires) = claims.exp else {
            return Err(Denied::new(DeniedKind::BadToken, "the token does not say when it expires"));
        };
        if now >= expires + leeway {
            return Err(Denied::new(DeniedKind::Expired, "the token has expired"));
        }
        if claims.nbf.is_some_and(|from| now + leeway < from) {
            return Err(Denied::new(DeniedKind::BadToken, "the token is not valid yet"));
        }
        let action = request.action.as_str();
        let matches = claims.app.as_ref().is_none_or(|app| app == request.key.app.as_str())
            && claims.stream.as_ref().is_none_or(|stream| stream == request.key.stream.as_str())
            && claims.action.as_ref().is_none_or(|only| only == action)
            && claims.actions.as_ref().is_none_or(|list| list.iter().any(|one| one == action));
        if matches { Ok(()) } else { Err(elsewhere()) }
    }
}

fn token<'a>(request: &AccessRequest<'a>) -> Option<&'a str> {
    request.parameter("token").or_else(|| request.parameter("jwt"))
}

const fn wrong() -> Denied {
    Denied::new(DeniedKind::BadToken, "the token is wrong")
}

const fn elsewhere() -> Denied {
    Denied::new(DeniedKind::BadToken, "the token is for something else")
}

const fn algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::HS256 => Algorithm::HS256,
        JwtAlgorithm::HS384 => Algorithm::HS384,
        JwtAlgorithm::HS512 => Algorithm::HS512,
        JwtAlgorithm::RS256 => Algorithm::RS256,
        JwtAlgorithm::RS384 => Algorithm::RS384,
        JwtAlgorithm::RS512 => Algorithm::RS512,
        JwtAlgorithm::ES256 => Algorithm::ES256,
        JwtAlgorithm::ES384 => Algorithm::ES384,
    }
}

#[cfg(test)]
mod tests;
