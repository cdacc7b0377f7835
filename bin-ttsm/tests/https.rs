//! The Rest Server over TLS: a client that checks the certificate, a certificate that is renewed, and the cookie of a
//! session that goes over nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what it expects by failing"
)]

mod support;

use std::path::Path;

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use support::{Api, rest, start, token};

/// Makes a certificate for 127.0.0.1 and its key, and leaves both where the program reads them.
fn renew(folder: &Path) -> reqwest::Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(folder.join("rest.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("rest.key"), made.signing_key.serialize_pem()).unwrap();
    reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()
}

/// Calls of a client that trusts `certificate` alone.
fn trusting(folder: &Path, certificate: &reqwest::Certificate) -> Api {
    let client = reqwest::Client::builder().no_proxy().https_only(true).tls_certs_only([certificate.clone()]);
    Api { origin: format!("https://{}", rest(folder)), token: token(folder), client: client.build().unwrap() }
}

async fn is_answered(api: &Api) -> bool {
    match api.call("GET", "/v1/app", None).await {
        Ok((status, answer)) => {
            assert_eq!(status, 200, "{answer}");
            true
        }
        // Not just any failure: the certificate is what the client does not like.
        Err(error) => {
            let told = format!("{error:?}");
            assert!(told.contains("UnknownIssuer") || told.contains("BadSignature"), "{told}");
            false
        }
    }
}

/// The program's folder, with a certificate in its configuration.
fn prepared() -> (TempDir, reqwest::Certificate) {
    let folder = tempfile::tempdir().unwrap();
    let certificate = renew(folder.path());
    let tls = json!({ "certificate": "rest.pem", "private_key": "rest.key" });
    support::write(folder.path(), &json!({ "tls": tls }));
    (folder, certificate)
}

#[tokio::test]
async fn a_renewed_certificate_is_served_and_a_bad_one_keeps_the_old() {
    let (folder, first) = prepared();
    let running = start(folder.path());
    let shown = format!("https://{}/v1/docs", rest(folder.path()));
    assert!(running.banner().contains(&shown), "{}", running.banner());
    let api = trusting(folder.path(), &first);
    assert!(is_answered(&api).await);
    let plain = format!("http://{}/v1/app", rest(folder.path()));
    assert!(reqwest::Client::builder().no_proxy().build().unwrap().get(plain).send().await.is_err());

    let second = renew(folder.path());
    assert!(!is_answered(&trusting(folder.path(), &second)).await, "it is read again when that is asked for");
    running.signal(Signal::HUP).unwrap();
    running.logged("applied: certificate").unwrap();
    assert!(is_answered(&trusting(folder.path(), &second)).await);
    assert!(!is_answered(&trusting(folder.path(), &first)).await);
    assert!(is_answered(&api).await, "a connection that stands goes on");

    std::fs::write(folder.path().join("rest.pem"), "nothing").unwrap();
    running.signal(Signal::HUP).unwrap();
    assert!(running.logged("not reloaded").unwrap().contains("rest.pem"));
    assert!(is_answered(&trusting(folder.path(), &second)).await);
}

#[tokio::test]
async fn the_cookie_of_a_session_never_goes_over_plain_http() {
    let (folder, certificate) = prepared();
    let _running = start(folder.path());
    let text = std::fs::read_to_string(folder.path().join("state/initial-credentials")).unwrap();
    let password = text.lines().find_map(|line| line.strip_prefix("password: ")).unwrap();
    let api = trusting(folder.path(), &certificate);
    let login = json!({ "name": "admin", "password": password }).to_string();
    let request = api.client.post(format!("{}/v1/session", api.origin)).body(login);
    let answer = request.header("content-type", "application/json").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; Secure"), "{cookie}");
}
