//! Who may publish to an application and who may play from it.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::path::{FieldPath, Problem};
use super::public_key::PublicKey;
use super::remote_url::HttpUrl;
use super::secret::Secret;

/// Networks of one address list: every office and relay of a large house, few enough to walk for each request.
pub const MAX_ADDRESS_NETWORKS: usize = 1_024;
/// Longest issuer or audience of a token, in bytes: URLs are usual, and it is compared for each request.
pub const MAX_CLAIM_BYTES: usize = 256;
/// Longest leeway for clocks that disagree, in seconds: a clock that is further off is broken.
pub const MAX_LEEWAY_S: u64 = 300;
/// Leeway unless set otherwise, in seconds: what machines that keep time by the network disagree by at worst.
pub const DEFAULT_LEEWAY_S: u64 = 10;
/// Longest time for the answer of a callback, in milliseconds: less than the ten seconds after which the
/// protocols refuse by themselves.
pub const MAX_CALLBACK_TIMEOUT_MS: u64 = 9_000;
/// Time for the answer of a callback unless set otherwise, in milliseconds: a viewer notices longer ones.
pub const DEFAULT_CALLBACK_TIMEOUT_MS: u64 = 2_000;
/// Longest time that an answer of a callback is kept, in seconds: whoever was granted something stays granted
/// for no longer.
pub const MAX_CALLBACK_CACHE_S: u64 = 3_600;
/// Time that an answer of a callback is kept unless set otherwise, in seconds: players of HLS ask several times
/// a second.
pub const DEFAULT_CALLBACK_CACHE_S: u64 = 10;

/// Who may publish, or who may play. At least one of the fields is set; all that are set hold together:
///
/// 1. an address in `deny` is refused; so is one that is not in `allow`, unless `allow` is empty;
/// 2. of `shared_key` and `jwt` one is enough: with both, a URL that is signed by the key or carries a right
///    token passes; with neither, no token is needed;
/// 3. `callback` is asked last, of those who came so far, and must grant as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// The key shared with whoever signs URLs.
    pub shared_key: Option<Secret>,
    /// JSON Web Tokens.
    pub jwt: Option<JwtConfig>,
    /// A server that is asked.
    pub callback: Option<CallbackConfig>,
    /// Networks that alone are let in; empty for every address.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub allow: Vec<IpNet>,
    /// Networks that are refused; they win over `allow`.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub deny: Vec<IpNet>,
}

/// Which JSON Web Tokens (RFC 7519) let in. They come as the query parameter `token`, or `jwt`. The claim `exp`
/// is needed; `nbf` holds where it is present. The claims `app`, `stream`, `action` (a text) and `actions` (a
/// list), the latter of `publish` and `play`, are optional and bind the token where they are present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// What their signatures are checked with.
    pub keys: JwtKeys,
    /// The algorithms that are taken; empty for `HS256` with a secret, else `RS256` and `ES256`.
    #[serde(default)]
    pub algorithms: Vec<JwtAlgorithm>,
    /// What `iss` must be; `null` takes any or none.
    #[serde(default)]
    pub issuer: Option<String>,
    /// What `aud` must be or hold; `null` takes any or none.
    #[serde(default)]
    pub audience: Option<String>,
    /// How far the clocks of the issuer and of this machine may disagree, in seconds; at most [`MAX_LEEWAY_S`].
    #[serde(default = "default_leeway_s")]
    pub leeway_s: u64,
}

/// What signatures of tokens are checked with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum JwtKeys {
    /// A secret shared with the issuer, for the algorithms `HS…`.
    Secret(Secret),
    /// The issuer's public key in PEM, for `RS…` or `ES…`.
    PublicKey(PublicKey),
    /// Where the issuer publishes its public keys as a JSON Web Key Set (RFC 7517), for `RS…` and `ES…`.
    JwksUrl(HttpUrl),
}

/// A signature algorithm of tokens (RFC 7518, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(clippy::upper_case_acronyms, reason = "names of the specification")]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
}

impl JwtAlgorithm {
    /// Whether it signs and verifies with one and the same secret.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }
}

impl JwtConfig {
    /// The algorithms in force.
    #[must_use]
    pub fn algorithms(&self) -> Vec<JwtAlgorithm> {
        match &self.keys {
            _ if !self.algorithms.is_empty() => self.algorithms.clone(),
            JwtKeys::Secret(_) => vec![JwtAlgorithm::HS256],
            JwtKeys::PublicKey(_) | JwtKeys::JwksUrl(_) => vec![JwtAlgorithm::RS256, JwtAlgorithm::ES256],
        }
    }
}

/// A server that is asked by an HTTP POST. A status 2xx grants; 401, 403 and 404 refuse; everything else, and no
/// answer, is a failure. Redirects are not followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CallbackConfig {
    /// Where it is asked.
    pub url: HttpUrl,
    /// How long its answer may take, 1 to [`MAX_CALLBACK_TIMEOUT_MS`] milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// How long its answer to the same question is kept, in seconds, at most [`MAX_CALLBACK_CACHE_S`]; 0 asks
    /// anew each time. Failures are not kept.
    #[serde(default = "default_cache_s")]
    pub cache_s: u64,
    /// What a failure means.
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// What it means that a callback fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Nobody is let in.
    #[default]
    Deny,
    /// Everybody is let in whom addresses and tokens let.
    Allow,
}

const fn default_leeway_s() -> u64 {
    DEFAULT_LEEWAY_S
}

const fn default_timeout_ms() -> u64 {
    DEFAULT_CALLBACK_TIMEOUT_MS
}

const fn default_cache_s() -> u64 {
    DEFAULT_CALLBACK_CACHE_S
}

impl AuthConfig {
    /// The first problem, or none; `at` is where the object stands.
    pub(super) fn check(&self, at: &FieldPath) -> Result<(), Problem> {
        let tokens = self.shared_key.is_some() || self.jwt.is_some();
        if !tokens && self.callback.is_none() && self.allow.is_empty() && self.deny.is_empty() {
            let message = "one of shared_key, jwt, callback, allow and deny is needed; `null` lets everybody";
            return Err(at.clone().problem(message));
        }
        for (name, networks) in [("allow", &self.allow), ("deny", &self.deny)] {
            if networks.len() > MAX_ADDRESS_NETWORKS {
                let message = format!("{} networks: at most {MAX_ADDRESS_NETWORKS}", networks.len());
                return Err(at.clone().key(name).problem(message));
            }
        }
        if let Some(jwt) = &self.jwt {
            jwt.check(&at.clone().key("jwt"))?;
        }
        self.callback.as_ref().map_or(Ok(()), |callback| callback.check(&at.clone().key("callback")))
    }
}

impl JwtConfig {
    fn check(&self, at: &FieldPath) -> Result<(), Problem> {
        let symmetric = matches!(self.keys, JwtKeys::Secret(_));
        for (index, algorithm) in self.algorithms.iter().enumerate() {
            if algorithm.is_symmetric() != symmetric {
                let keys = if symmetric { "a secret: HS256, HS384 and HS512 do" } else { "public keys" };
                let message = format!("{algorithm:?} does not go with {keys}");
                return Err(at.clone().key("algorithms").index(index).problem(message));
            }
            if self.algorithms[..index].contains(algorithm) {
                return Err(at.clone().key("algorithms").index(index).problem("is listed twice"));
            }
        }
        for (name, claim) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if claim.as_ref().is_some_and(|claim| claim.is_empty() || claim.len() > MAX_CLAIM_BYTES) {
                let message = format!("1 to {MAX_CLAIM_BYTES} bytes are possible, or `null`");
                return Err(at.clone().key(name).problem(message));
            }
        }
        if self.leeway_s > MAX_LEEWAY_S {
            let message = format!("{} is too long: at most {MAX_LEEWAY_S}", self.leeway_s);
            return Err(at.clone().key("leeway_s").problem(message));
        }
        Ok(())
    }
}

impl CallbackConfig {
    fn check(&self, at: &FieldPath) -> Result<(), Problem> {
        if self.timeout_ms == 0 || self.timeout_ms > MAX_CALLBACK_TIMEOUT_MS {
            let message = format!("1 to {MAX_CALLBACK_TIMEOUT_MS} are possible");
            return Err(at.clone().key("timeout_ms").problem(message));
        }
        if self.cache_s > MAX_CALLBACK_CACHE_S {
            let message = format!("{} is too long: at most {MAX_CALLBACK_CACHE_S}", self.cache_s);
            return Err(at.clone().key("cache_s").problem(message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(value: Value) -> Result<(), String> {
        let config: AuthConfig = serde_json::from_value(value).map_err(|error| error.to_string())?;
        let problem = config.check(&FieldPath::field("play_auth"));
        problem.map_err(|problem| format!("{}: {}", problem.path, problem.message))
    }

    #[test]
    fn a_shared_key_alone_reads_as_ever() {
        let config: AuthConfig = serde_json::from_value(json!({ "shared_key": "in" })).unwrap();
        assert_eq!(config.shared_key.as_ref().map(Secret::expose), Some("in"));
        assert_eq!(AuthConfig { shared_key: None, ..config }, AuthConfig::default());
    }

    #[test]
    fn each_field_is_enough_and_none_is_not() {
        for right in [
            json!({ "shared_key": "k" }),
            json!({ "jwt": { "keys": { "secret": "k" } } }),
            json!({ "callback": { "url": "http://h/" } }),
            json!({ "allow": ["10.0.0.0/8"] }),
            json!({ "deny": ["::1/128"] }),
        ] {
            assert_eq!(check(right.clone()), Ok(()), "{right}");
        }
        let error = check(json!({})).unwrap_err();
        assert!(error.starts_with("play_auth: one of"), "{error}");
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let config: AuthConfig = serde_json::from_value(json!({
            "jwt": { "keys": { "jwks_url": "https://h/keys" } }, "callback": { "url": "https://h/ask" }
        }))
        .unwrap();
        let (jwt, callback) = (config.jwt.unwrap(), config.callback.unwrap());
        assert_eq!(jwt.algorithms(), [JwtAlgorithm::RS256, JwtAlgorithm::ES256]);
        assert_eq!((jwt.leeway_s, jwt.issuer, jwt.audience), (DEFAULT_LEEWAY_S, None, None));
        let secret: JwtConfig = serde_json::from_value(json!({ "keys": { "secret": "k" } })).unwrap();
        assert_eq!(secret.algorithms(), [JwtAlgorithm::HS256]);
        let figures = (callback.timeout_ms, callback.cache_s, callback.on_failure);
        assert_eq!(figures, (DEFAULT_CALLBACK_TIMEOUT_MS, DEFAULT_CALLBACK_CACHE_S, OnFailure::Deny));
    }

    #[test]
    fn algorithms_go_with_their_keys_alone() {
        let pem = "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n";
        let jwt = |keys: Value, algorithms: Value| {
            check(json!({ "jwt": { "keys": keys, "algorithms": algorithms } }))
        };
        assert_eq!(jwt(json!({ "secret": "k" }), json!(["HS512", "HS384"])), Ok(()));
        assert_eq!(jwt(json!({ "public_key": pem }), json!(["ES384"])), Ok(()));
        for (keys, algorithms, place) in [
            (json!({ "secret": "k" }), json!(["HS256", "RS256"]), "play_auth.jwt.algorithms[1]"),
            (json!({ "public_key": pem }), json!(["HS256"]), "play_auth.jwt.algorithms[0]"),
            (json!({ "jwks_url": "https://h/" }), json!(["HS512"]), "play_auth.jwt.algorithms[0]"),
            (json!({ "secret": "k" }), json!(["HS256", "HS256"]), "play_auth.jwt.algorithms[1]: is listed"),
            (json!({ "secret": "k" }), json!(["none"]), "unknown variant `none`"),
            (json!({ "secret": "k", "public_key": pem }), json!([]), "expected"),
        ] {
            let error = jwt(keys, algorithms).unwrap_err();
            assert!(error.contains(place), "{error}");
        }
    }

    #[test]
    fn address_lists_at_their_limit() {
        let list = |len: usize| json!({ "allow": ["10.0.0.1/32"], "deny": vec!["10.0.0.0/8"; len] });
        assert_eq!(check(list(MAX_ADDRESS_NETWORKS)), Ok(()));
        assert!(check(list(MAX_ADDRESS_NETWORKS + 1)).unwrap_err().starts_with("play_auth.deny: "));
    }

    #[test]
    fn claims_and_leeway_at_their_limits() {
        let jwt = |name: &str, value: Value| {
            let mut jwt = json!({ "keys": { "secret": "k" } });
            jwt[name] = value;
            check(json!({ "jwt": jwt })).map_err(|error| error.split(": ").next().unwrap().to_owned())
        };
        for name in ["issuer", "audience"] {
            assert_eq!(jwt(name, json!("i".repeat(MAX_CLAIM_BYTES))), Ok(()));
            for wrong in [MAX_CLAIM_BYTES + 1, 0] {
                assert_eq!(jwt(name, json!("i".repeat(wrong))), Err(format!("play_auth.jwt.{name}")));
            }
        }
        assert_eq!(jwt("leeway_s", json!(MAX_LEEWAY_S)), Ok(()));
        assert_eq!(jwt("leeway_s", json!(MAX_LEEWAY_S + 1)), Err("play_auth.jwt.leeway_s".into()));
    }

    #[test]
    fn times_of_a_callback_at_their_limits() {
        let callback = |timeout_ms: u64, cache_s: u64| {
            let callback = json!({ "url": "http://h/", "timeout_ms": timeout_ms, "cache_s": cache_s });
            check(json!({ "callback": callback }))
                .map_err(|error| error.split(": ").next().unwrap().to_owned())
        };
        assert_eq!(callback(1, 0), Ok(()));
        assert_eq!(callback(MAX_CALLBACK_TIMEOUT_MS, MAX_CALLBACK_CACHE_S), Ok(()));
        assert_eq!(callback(0, 0), Err("play_auth.callback.timeout_ms".into()));
        let late = callback(MAX_CALLBACK_TIMEOUT_MS + 1, 0);
        assert_eq!(late, Err("play_auth.callback.timeout_ms".into()));
        assert_eq!(callback(1, MAX_CALLBACK_CACHE_S + 1), Err("play_auth.callback.cache_s".into()));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let config: AuthConfig = serde_json::from_value(json!({
            "shared_key": "hush-1",
            "jwt": { "keys": { "secret": "hush-2" } },
            "callback": { "url": "http://me:hush-3@h/ask?key=hush-4" },
        }))
        .unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hush") && shown.contains("http://h/ask"), "{shown}");
    }
}
