//! Tokens, right and forged.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use proptest::prelude::*;
use serde_json::{Value, json};
use streamer_core::Action;

use super::super::testing::{EC, NOW, RSA, asking, ec_signer, outside, rsa_signer, sign};
use super::*;

fn rule(config: Value) -> JwtRule {
    JwtRule::new(&serde_json::from_value(config).unwrap(), &outside())
}

async fn verify_at(rule: &JwtRule, token: &str, now_unix_s: u64) -> Result<(), DeniedKind> {
    let query = format!("token={token}");
    let verified =
        asking(Action::Play, "live/test", &query, async |request| rule.verify(request, now_unix_s).await);
    verified.await.map_err(|denied| denied.kind)
}

async fn verify(rule: &JwtRule, token: &str) -> Result<(), DeniedKind> {
    verify_at(rule, token, NOW).await
}

fn hush() -> EncodingKey {
    EncodingKey::from_secret(b"hush")
}

fn hs256(claims: &Value) -> String {
    sign(Algorithm::HS256, None, &hush(), claims)
}

const REFUSED: Result<(), DeniedKind> = Err(DeniedKind::BadToken);

#[tokio::test]
async fn every_algorithm_lets_in_with_its_key() {
    let claims = json!({ "exp": NOW + 1 });
    let secret = json!({ "keys": { "secret": "hush" }, "algorithms": ["HS256", "HS384", "HS512"] });
    let rsa =
        json!({ "keys": { "public_key": RSA.public_key_pem() }, "algorithms": ["RS256", "RS384", "RS512"] });
    let ec = json!({ "keys": { "public_key": EC.public_key_pem() }, "algorithms": ["ES256"] });
    for (config, key, algorithms) in [
        (secret, hush(), vec![Algorithm::HS256, Algorithm::HS384, Algorithm::HS512]),
        (rsa, rsa_signer(), vec![Algorithm::RS256, Algorithm::RS384, Algorithm::RS512]),
        (ec, ec_signer(), vec![Algorithm::ES256]),
    ] {
        let rule = rule(config);
        for algorithm in algorithms {
            let token = sign(algorithm, None, &key, &claims);
            assert_eq!(verify(&rule, &token).await, Ok(()), "{algorithm:?}");
            let forged = format!("{}A", &token[..token.len() - 1]);
            assert!(forged == token || verify(&rule, &forged).await == REFUSED, "{algorithm:?}");
        }
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret_of_hmac() {
    let claims = json!({ "exp": NOW + 1 });
    let pem = RSA.public_key_pem();
    let rule = rule(json!({ "keys": { "public_key": pem } }));
    for secret in [pem.as_bytes(), RSA.public_key_raw()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let forged = sign(algorithm, None, &EncodingKey::from_secret(secret), &claims);
            assert_eq!(verify(&rule, &forged).await, REFUSED);
        }
    }
    assert_eq!(verify(&rule, &sign(Algorithm::RS256, None, &rsa_signer(), &claims)).await, Ok(()));
    let unlisted = sign(Algorithm::RS512, None, &rsa_signer(), &claims);
    assert_eq!(verify(&rule, &unlisted).await, REFUSED, "right, by an algorithm that is not taken");
}

#[tokio::test]
async fn no_algorithm_is_no_signature() {
    let rule = rule(json!({ "keys": { "secret": "hush" } }));
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = part(&json!({ "exp": NOW + 1 }).to_string());
    for algorithm in ["none", "None", "NONE", "", "HS1"] {
        let header = part(&json!({ "alg": algorithm, "typ": "JWT" }).to_string());
        for signature in ["", "AAAA"] {
            assert_eq!(
                verify(&rule, &format!("{header}.{claims}.{signature}")).await,
                REFUSED,
                "{algorithm}"
            );
        }
    }
    let header = part(&json!({ "alg": "HS256" }).to_string());
    assert_eq!(verify(&rule, &format!("{header}.{claims}.")).await, REFUSED);
    assert_eq!(verify(&rule, &format!("{header}.{claims}")).await, REFUSED);
}

#[tokio::test]
async fn times_hold_with_their_leeway() {
    let rule = rule(json!({ "keys": { "secret": "hush" }, "leeway_s": 10 }));
    let token = hs256(&json!({ "exp": NOW, "nbf": NOW - 100 }));
    for (now, expected) in [
        (NOW + 9, Ok(())),
        (NOW + 10, Err(DeniedKind::Expired)),
        (NOW - 110, Ok(())),
        (NOW - 111, REFUSED),
        (0, REFUSED),
        (u64::MAX, Err(DeniedKind::Expired)),
    ] {
        assert_eq!(verify_at(&rule, &token, now).await, expected, "{now}");
    }
    assert_eq!(verify(&rule, &hs256(&json!({ "app": "live" }))).await, REFUSED, "exp is needed");
    for exp in [json!("9999999999"), json!(null), json!(-1), json!([NOW + 1])] {
        assert!(verify(&rule, &hs256(&json!({ "exp": exp }))).await.is_err(), "{exp}");
    }
}

#[tokio::test]
async fn claims_that_are_present_must_match() {
    let rule = rule(json!({ "keys": { "secret": "hush" } }));
    for (claim, value, expected) in [
        ("app", json!("live"), Ok(())),
        ("app", json!("other"), REFUSED),
        ("stream", json!("test"), Ok(())),
        ("stream", json!("tes"), REFUSED),
        ("action", json!("play"), Ok(())),
        ("action", json!("publish"), REFUSED),
        ("actions", json!(["publish", "play"]), Ok(())),
        ("actions", json!(["publish"]), REFUSED),
        ("actions", json!([]), REFUSED),
        ("actions", json!("play"), REFUSED),
        ("sub", json!("ann"), Ok(())),
    ] {
        let mut claims = json!({ "exp": NOW + 1 });
        claims[claim] = value.clone();
        assert_eq!(verify(&rule, &hs256(&claims)).await, expected, "{claim}: {value}");
    }
}

#[tokio::test]
async fn issuer_and_audience_must_be_there_where_they_are_configured() {
    let keys = json!({ "secret": "hush" });
    let strict = rule(json!({ "keys": keys, "issuer": "us", "audience": "streams" }));
    let lax = rule(json!({ "keys": keys }));
    for (issuer, audience, expected) in [
        (json!("us"), json!("streams"), Ok(())),
        (json!("us"), json!(["mail", "streams"]), Ok(())),
        (json!("them"), json!("streams"), REFUSED),
        (json!("us"), json!("mail"), REFUSED),
        (json!(null), json!("streams"), REFUSED),
        (json!("us"), json!(null), REFUSED),
    ] {
        let mut claims = json!({ "exp": NOW + 1 });
        for (name, value) in [("iss", &issuer), ("aud", &audience)] {
            if !value.is_null() {
                claims[name] = value.clone();
            }
        }
        assert_eq!(verify(&strict, &hs256(&claims)).await, expected, "{issuer} {audience}");
        assert_eq!(verify(&lax, &hs256(&claims)).await, Ok(()), "{issuer} {audience}");
    }
}

#[tokio::test]
async fn the_token_is_called_token_or_jwt() {
    let rule = rule(json!({ "keys": { "secret": "hush" } }));
    let token = hs256(&json!({ "exp": NOW + 1 }));
    for (query, right) in [
        (format!("token={token}"), true),
        (format!("a=b&jwt={token}"), true),
        (format!("bearer={token}"), false),
        (String::new(), false),
    ] {
        let verified =
            asking(Action::Play, "live/test", &query, async |request| rule.verify(request, NOW).await).await;
        assert_eq!(verified.is_ok(), right, "{query}");
    }
}

#[tokio::test]
async fn the_length_of_a_token_at_its_limit() {
    let rule = rule(json!({ "keys": { "secret": "hush" } }));
    let sized = |len: usize| hs256(&json!({ "exp": NOW + 1, "x": "x".repeat(len) }));
    let fits = (0..MAX_TOKEN_BYTES).rev().map(sized).find(|token| token.len() <= MAX_TOKEN_BYTES).unwrap();
    assert_eq!(verify(&rule, &fits).await, Ok(()));
    assert_eq!(verify(&rule, &sized(MAX_TOKEN_BYTES)).await, REFUSED);
}

#[test]
fn public_keys_are_of_rsa_or_elliptic_curves() {
    assert_eq!(check_public_key(&PublicKey::new(&RSA.public_key_pem()).unwrap()), Ok(()));
    assert_eq!(check_public_key(&PublicKey::new(&EC.public_key_pem()).unwrap()), Ok(()));
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    assert_eq!(check_public_key(&PublicKey::new(&other.public_key_pem()).unwrap()), Err(JwtKeyError));
    let broken = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    assert_eq!(check_public_key(&PublicKey::new(broken).unwrap()), Err(JwtKeyError));
}

proptest! {
    #[test]
    fn any_token_is_answered(token in "[A-Za-z0-9_.=-]{0,200}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let rule = rule(json!({ "keys": { "secret": "hush" } }));
        prop_assert!(runtime.block_on(verify(&rule, &token)).is_err());
    }
}
