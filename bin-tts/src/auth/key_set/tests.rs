//! Key sets: fetched, kept, rotated, and hostile.

use jsonwebtoken::EncodingKey;
use serde_json::json;
use streamer_control::config::{JwtConfig, JwtKeys};
use streamer_core::Action;

use super::super::jwt::JwtRule;
use super::super::testing::{Backend, NOW, Reply, asking, ec_signer, outside, rsa_signer, sign};
use super::*;

fn entry(id: &str, algorithm: Algorithm, signer: &EncodingKey) -> Value {
    let mut jwk = serde_json::to_value(Jwk::from_encoding_key(signer, algorithm).unwrap()).unwrap();
    jwk["kid"] = id.into();
    jwk
}

fn set(entries: &[Value]) -> Reply {
    Reply::Answer(200, json!({ "keys": entries }).to_string())
}

fn rule(backend: &Backend, outside: &Outside) -> JwtRule {
    let keys = JwtKeys::JwksUrl(HttpUrl::new(&backend.url("/keys")).unwrap());
    let config = JwtConfig { keys, algorithms: Vec::new(), issuer: None, audience: None, leeway_s: 0 };
    JwtRule::new(&config, outside)
}

async fn verify(rule: &JwtRule, token: &str) -> Result<(), DeniedKind> {
    let query = format!("token={token}");
    let verified =
        asking(Action::Play, "live/test", &query, async |request| rule.verify(request, NOW).await).await;
    verified.map_err(|denied| denied.kind)
}

fn token(id: Option<&str>, algorithm: Algorithm, signer: &EncodingKey) -> String {
    sign(algorithm, id, signer, &json!({ "exp": NOW + 1 }))
}

const REFUSED: Result<(), DeniedKind> = Err(DeniedKind::BadToken);

#[tokio::test]
async fn tokens_are_checked_with_the_key_they_name_or_with_each() {
    let (rsa, ec) = (rsa_signer(), ec_signer());
    let entries = [entry("r", Algorithm::RS256, &rsa), entry("e", Algorithm::ES256, &ec)];
    let backend = Backend::start(set(&entries)).await;
    let rule = rule(&backend, &outside());
    for (id, algorithm, signer, expected) in [
        (Some("r"), Algorithm::RS256, &rsa, Ok(())),
        (Some("e"), Algorithm::ES256, &ec, Ok(())),
        (None, Algorithm::RS256, &rsa, Ok(())),
        (None, Algorithm::ES256, &ec, Ok(())),
        (Some("e"), Algorithm::RS256, &rsa, REFUSED),
        (Some("r"), Algorithm::ES256, &ec, REFUSED),
    ] {
        assert_eq!(verify(&rule, &token(id, algorithm, signer)).await, expected, "{id:?} {algorithm:?}");
    }
    assert_eq!(backend.heard().len(), 1, "fetched once");
}

#[tokio::test]
async fn a_new_key_is_fetched_at_a_bounded_rate_and_the_old_ones_outlive_the_issuer() {
    let (rsa, ec) = (rsa_signer(), ec_signer());
    let backend = Backend::start(set(&[entry("old", Algorithm::RS256, &rsa)])).await;
    let outside = outside();
    let rule = rule(&backend, &outside);
    let (old, new) = (token(Some("old"), Algorithm::RS256, &rsa), token(Some("new"), Algorithm::ES256, &ec));
    assert_eq!(verify(&rule, &old).await, Ok(()));
    backend.set(set(&[entry("old", Algorithm::RS256, &rsa), entry("new", Algorithm::ES256, &ec)]));
    for _ in 0..5 {
        assert_eq!(verify(&rule, &new).await, REFUSED, "it was fetched a moment ago");
    }
    assert_eq!(backend.heard().len(), 1);
    tokio::time::pause();
    tokio::time::advance(MIN_KEY_SET_INTERVAL).await;
    tokio::time::resume();
    assert_eq!(verify(&rule, &new).await, Ok(()));
    assert_eq!(backend.heard().len(), 2);

    // The issuer is away; what is old is looked at anew beside the decision, and stays when that fails.
    backend.set(Reply::status(500));
    tokio::time::pause();
    tokio::time::advance(KEY_SET_TTL).await;
    tokio::time::resume();
    assert_eq!(verify(&rule, &old).await, Ok(()));
    backend.heard_of(3).await;
    assert_eq!(verify(&rule, &new).await, Ok(()));
}

#[tokio::test]
async fn without_keys_nobody_gets_in() {
    let rsa = rsa_signer();
    let right = entry("r", Algorithm::RS256, &rsa);
    let mut encrypts = right.clone();
    encrypts["use"] = "enc".into();
    let secret = json!({ "kty": "oct", "k": "aHVzaA", "kid": "r", "alg": "HS256" });
    for reply in [
        Reply::status(404),
        Reply::Answer(200, "[]".into()),
        Reply::Answer(200, "{\"keys\": [1, {}]}".into()),
        set(&[secret, encrypts]),
        Reply::Endless(200),
        Reply::Close,
        Reply::Elsewhere("/other".into()),
    ] {
        let backend = Backend::start(reply.clone()).await;
        let outside = outside();
        let rule = rule(&backend, &outside);
        for token in [token(Some("r"), Algorithm::RS256, &rsa), token(None, Algorithm::RS256, &rsa)] {
            assert_eq!(verify(&rule, &token).await, Err(DeniedKind::Unavailable), "{reply:?}");
        }
        let forged = token(Some("r"), Algorithm::HS256, &EncodingKey::from_secret(b"hush"));
        assert_eq!(verify(&rule, &forged).await, REFUSED);
        assert_eq!(outside.stats.key_set_failures.load(Relaxed), 1, "{reply:?}");
        assert_eq!(backend.heard().len(), 1, "no redirect is followed and nothing is tried twice: {reply:?}");
    }
}

#[tokio::test]
async fn many_who_come_at_once_cause_one_fetch() {
    let rsa = rsa_signer();
    let backend = Backend::start(set(&[entry("r", Algorithm::RS256, &rsa)])).await;
    let outside = outside();
    let rule = Arc::new(rule(&backend, &outside));
    let token = token(Some("r"), Algorithm::RS256, &rsa);
    let all: Vec<_> = (0..20)
        .map(|_| {
            let (rule, token) = (Arc::clone(&rule), token.clone());
            tokio::spawn(async move { verify(&rule, &token).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), Ok(()));
    }
    assert_eq!(backend.heard().len(), 1);
}

#[tokio::test]
async fn an_issuer_that_says_nothing_is_given_up() {
    let backend = Backend::start(Reply::Silence).await;
    let outside = outside();
    let rule = Arc::new(rule(&backend, &outside));
    let token = token(None, Algorithm::RS256, &rsa_signer());
    let asked = tokio::spawn(async move { verify(&rule, &token).await });
    backend.heard_of(1).await;
    tokio::time::pause();
    tokio::time::advance(KEY_SET_TIMEOUT).await;
    tokio::time::resume();
    assert_eq!(asked.await.unwrap(), Err(DeniedKind::Unavailable));
}

#[test]
fn keys_of_a_set_at_their_limit() {
    let right = entry("r", Algorithm::ES256, &ec_signer());
    let text = json!({ "keys": vec![right; MAX_KEYS + 1] }).to_string();
    assert_eq!(read(text.as_bytes()).map(|keys| keys.len()).unwrap(), MAX_KEYS);
}

#[tokio::test]
async fn bytes_of_a_set_at_their_limit() {
    let right = json!({ "keys": [entry("r", Algorithm::ES256, &ec_signer())] }).to_string();
    let sized = |len: usize| Reply::Answer(200, format!("{right}{}", " ".repeat(len - right.len())));
    for (len, expected) in
        [(MAX_KEY_SET_BYTES, Ok(())), (MAX_KEY_SET_BYTES + 1, Err(DeniedKind::Unavailable))]
    {
        let backend = Backend::start(sized(len)).await;
        let verified =
            verify(&rule(&backend, &outside()), &token(None, Algorithm::ES256, &ec_signer())).await;
        assert_eq!(verified, expected);
    }
}
