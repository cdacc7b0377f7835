//! Accounts over a real store, by a clock that is set by hand.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::first_start::{INITIAL_CREDENTIALS_FILE, INITIAL_TOKEN, INITIAL_USER};
use super::login::{CLOCK_SLACK_MS, LAST_USED_STEP_MS, SESSION_IDLE_MS, SESSION_MAX_MS};
use super::throttle::{ADDRESS_BURST, ADDRESS_REFILL_MS, NAME_BURST};
use super::*;
use crate::store::sqlite::DATABASE_FILE;
use crate::store::{SqliteStore, StoreError};

const DAWN: u64 = 1_700_000_000_000;

struct Opened {
    accounts: Accounts,
    store: SqliteStore,
    now: Arc<AtomicU64>,
    folder: TempDir,
}

impl Opened {
    fn at(&self, unix_ms: u64) -> &Accounts {
        self.now.store(unix_ms, Ordering::Relaxed);
        &self.accounts
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join(INITIAL_CREDENTIALS_FILE)
    }

    async fn log(&self) -> Vec<(String, String, Outcome, String)> {
        let records = self.accounts.audit_log(AuditFilter { limit: 100, ..AuditFilter::default() });
        let records = records.await.unwrap().into_iter().rev().map(|record| record.entry);
        records.map(|entry| (entry.action, entry.actor, entry.outcome, entry.detail)).collect()
    }
}

async fn opened() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join(DATABASE_FILE)).await.unwrap();
    let now = Arc::new(AtomicU64::new(DAWN));
    let time = Arc::clone(&now);
    let clock = Clock::new(move || time.load(Ordering::Relaxed));
    let accounts = Accounts::with_clock(Arc::new(store.clone()), folder.path(), clock);
    Opened { accounts, store, now, folder }
}

/// With an administrator `root` of password `correct horse`.
async fn administered() -> Opened {
    let opened = opened().await;
    let root = NewUser { name: "root", password: "correct horse", role: Role::Administrator };
    opened.accounts.add_user(root).await.unwrap();
    opened
}

fn address(last: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, last]))
}

fn is_unauthenticated(result: &Result<Identity, AccountError>) -> bool {
    matches!(result, Err(AccountError::Unauthenticated))
}

#[tokio::test]
async fn the_first_start_makes_an_administrator_and_a_token_once() {
    let opened = opened().await;
    let made = opened.accounts.first_start(None).await.unwrap().unwrap();
    assert_eq!(made.user, INITIAL_USER);
    assert!(made.password.expose().len() >= 20);
    let file = fs::read_to_string(opened.file()).unwrap();
    let expected =
        format!("user: admin\npassword: {}\ntoken: {}\n", made.password.expose(), made.token.expose());
    assert_eq!(file, expected);
    assert_eq!(fs::metadata(opened.file()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(opened.accounts.first_start(None).await.unwrap(), None);
    assert_eq!(fs::read_to_string(opened.file()).unwrap(), expected);

    let token = opened.accounts.authenticate(Credential::Bearer(made.token.expose())).await.unwrap();
    assert_eq!((token.actor().as_str(), token.role), ("token:initial", Role::Administrator));
    assert!(opened.file().exists(), "a token is no login");
    let other = NewUser { name: "root", password: "correct horse", role: Role::Administrator };
    opened.accounts.add_user(other).await.unwrap();
    opened.accounts.login("root", "correct horse", None).await.unwrap();
    assert!(opened.file().exists(), "another administrator has not read it");
    opened.accounts.login("Admin", "wrong password", None).await.unwrap_err();
    assert!(opened.file().exists());
    opened.accounts.login("Admin", made.password.expose(), None).await.unwrap();
    assert!(!opened.file().exists());
}

#[tokio::test]
async fn a_given_password_is_taken_if_it_is_one() {
    let opened = opened().await;
    let error = opened.accounts.first_start(Some("short")).await.unwrap_err();
    assert!(matches!(error, AccountError::Invalid { field: "password", .. }), "{error}");
    assert!(!opened.file().exists());
    let made = opened.accounts.first_start(Some("given by hand")).await.unwrap().unwrap();
    assert_eq!(made.password.expose(), "given by hand");
    opened.accounts.login("admin", "given by hand", None).await.unwrap();
}

#[tokio::test]
async fn without_the_file_there_is_no_user() {
    let opened = opened().await;
    fs::create_dir(opened.file()).unwrap();
    let error = opened.accounts.first_start(None).await.unwrap_err();
    assert!(matches!(error, AccountError::CredentialsFile { .. }), "{error}");
    assert!(opened.accounts.users().await.unwrap().is_empty());
    fs::remove_dir(opened.file()).unwrap();
    // What a start left behind that was killed half way is replaced.
    fs::write(opened.file(), "user: nobody\n").unwrap();
    fs::write(opened.file().with_extension("new"), "user: no").unwrap();
    opened.accounts.first_start(None).await.unwrap().unwrap();
    assert!(fs::read_to_string(opened.file()).unwrap().starts_with("user: admin\n"));
}

#[tokio::test]
async fn a_login_is_a_session_until_its_end() {
    let opened = administered().await;
    let login = opened.accounts.login("ROOT", "correct horse", address(1)).await.unwrap();
    assert_eq!(login.expires_unix_ms, DAWN + SESSION_MAX_MS);
    let session = || Credential::Session(login.session.expose());
    let identity = opened.accounts.authenticate(session()).await.unwrap();
    assert_eq!(identity, login.identity);
    assert_eq!((identity.name.as_str(), identity.kind), ("root", IdentityKind::Session));
    let csrf = identity.csrf.unwrap();
    assert!(csrf.expose().len() == 64 && !csrf.expose().contains(login.session.expose()));
    assert_eq!(opened.accounts.user("root").await.unwrap().last_login_unix_ms, Some(DAWN));
    let as_token = opened.accounts.authenticate(Credential::Bearer(login.session.expose())).await;
    assert!(is_unauthenticated(&as_token), "a session is no token");
    assert!(opened.accounts.logout(login.session.expose(), None).await.unwrap());
    assert!(!opened.accounts.logout(login.session.expose(), None).await.unwrap());
    assert!(is_unauthenticated(&opened.accounts.authenticate(session()).await));
}

#[tokio::test]
async fn sessions_end_idle_and_in_the_end() {
    let opened = administered().await;
    let idle = opened.accounts.login("root", "correct horse", None).await.unwrap();
    let used = opened.accounts.login("root", "correct horse", None).await.unwrap();
    let session = |login: &Login| login.session.expose().to_owned();
    let (idle, used) = (session(&idle), session(&used));
    let alive =
        async |session: &str, at| opened.at(at).authenticate(Credential::Session(session)).await.is_ok();
    let mut now = DAWN;
    while now + SESSION_IDLE_MS - 1 < DAWN + SESSION_MAX_MS {
        now += SESSION_IDLE_MS - 1;
        assert!(alive(&used, now).await);
    }
    assert!(alive(&used, DAWN + SESSION_MAX_MS - 1).await);
    assert!(!alive(&used, DAWN + SESSION_MAX_MS).await);
    assert!(!alive(&idle, DAWN + SESSION_IDLE_MS).await);
    // An end is an end, whatever the clock says afterwards.
    assert!(!alive(&idle, DAWN).await && !alive(&used, DAWN).await);
}

#[tokio::test]
async fn a_clock_that_is_set_back_lengthens_no_session_by_much() {
    let opened = administered().await;
    let login = opened.accounts.login("root", "correct horse", None).await.unwrap();
    let session = || Credential::Session(login.session.expose());
    assert!(opened.at(DAWN - CLOCK_SLACK_MS).authenticate(session()).await.is_ok());
    let before = opened.at(DAWN - CLOCK_SLACK_MS - 1).authenticate(session()).await;
    assert!(is_unauthenticated(&before));
}

#[tokio::test]
async fn what_ends_a_session_of_somebody_else() {
    let opened = administered().await;
    let accounts = &opened.accounts;
    accounts.add_user(NewUser { name: "ann", password: "battery staple", role: Role::Viewer }).await.unwrap();
    let session = async || {
        let password = "battery staple";
        accounts.login("ann", password, None).await.unwrap().session.expose().to_owned()
    };
    let alive = async |session: &str| accounts.authenticate(Credential::Session(session)).await.is_ok();
    let first = session().await;
    let role = UserChange { role: Some(Role::Operator), ..UserChange::default() };
    accounts.change_user("ann", role).await.unwrap();
    let identity = accounts.authenticate(Credential::Session(&first)).await.unwrap();
    assert_eq!(identity.role, Role::Operator, "a role counts at once");
    let password = UserChange { password: Some("battery staple"), ..UserChange::default() };
    accounts.change_user("ann", password).await.unwrap();
    assert!(!alive(&first).await);
    let second = session().await;
    assert_eq!(accounts.end_sessions("ann").await.unwrap(), 1);
    assert!(!alive(&second).await);
    let third = session().await;
    let disabled = UserChange { disabled: Some(true), ..UserChange::default() };
    assert!(accounts.change_user("ann", disabled).await.unwrap().disabled);
    assert!(!alive(&third).await);
    let refused = accounts.login("ann", "battery staple", None).await;
    assert!(matches!(refused, Err(AccountError::BadCredentials)));
    accounts.remove_user("ann").await.unwrap();
    let last = accounts.remove_user("root").await;
    assert!(matches!(last, Err(AccountError::Store(StoreError::LastAdministrator))));
}

#[tokio::test]
async fn wrong_logins_look_alike_and_are_noted() {
    let opened = administered().await;
    let accounts = &opened.accounts;
    accounts.add_user(NewUser { name: "off", password: "battery staple", role: Role::Viewer }).await.unwrap();
    let disabled = UserChange { disabled: Some(true), ..UserChange::default() };
    accounts.change_user("off", disabled).await.unwrap();
    let hostile = "<b>'; DROP TABLE users; --".repeat(100);
    for (name, password) in
        [("root", "wrong"), ("nobody", "correct horse"), ("off", "battery staple"), (&hostile, "x")]
    {
        let error = accounts.login(name, password, address(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "wrong name or password");
    }
    let identity = accounts.authenticate_password("root", "correct horse", None).await.unwrap();
    assert_eq!((identity.kind, identity.actor().as_str()), (IdentityKind::User, "user:root"));
    accounts.login("root", "correct horse", None).await.unwrap();
    let log = opened.log().await;
    let seen: Vec<_> = log.iter().map(|(_, actor, _, detail)| (&actor[..3], detail.as_str())).collect();
    let expected = [
        ("roo", "wrong password"),
        ("nob", "unknown user"),
        ("off", "disabled"),
        ("<b>", "unknown user"),
        ("use", ""),
    ];
    assert_eq!(seen, expected);
    assert_eq!(log[3].1.len(), audit::MAX_AUDIT_TEXT_BYTES);
    assert!(log[..4].iter().all(|(action, _, outcome, _)| action == "login" && *outcome == Outcome::Refused));
    assert_eq!(log[4].2, Outcome::Done);
}

#[tokio::test]
async fn logins_are_throttled_by_address_and_by_name() {
    let opened = administered().await;
    let try_once = async |name: &str, password: &str, address| match opened
        .accounts
        .login(name, password, address)
        .await
    {
        Ok(_) => "in",
        Err(AccountError::BadCredentials) => "wrong",
        Err(AccountError::Throttled { .. }) => "throttled",
        Err(error) => panic!("{error}"),
    };
    for _ in 0..ADDRESS_BURST {
        assert_eq!(try_once("root", "wrong", address(1)).await, "wrong");
    }
    assert_eq!(try_once("root", "correct horse", address(1)).await, "throttled");
    assert_eq!(try_once("root", "correct horse", address(2)).await, "in");
    opened.at(DAWN + ADDRESS_REFILL_MS);
    assert_eq!(try_once("root", "correct horse", address(1)).await, "in");
    assert_eq!(try_once("root", "correct horse", address(1)).await, "in", "what is right costs nothing");
    let mut tried = 0;
    while try_once("root", "wrong", address(100 + tried)).await == "wrong" {
        tried += 1;
    }
    assert!(tried > 0 && u32::from(tried) <= NAME_BURST, "{tried}");
    assert_eq!(try_once("root", "correct horse", address(99)).await, "throttled");
    assert_eq!(try_once("other", "x", address(99)).await, "wrong");
    assert_eq!(opened.log().await.iter().filter(|entry| entry.2 == Outcome::Refused).count() as u32, {
        ADDRESS_BURST + u32::from(tried) + 1
    });
}

#[tokio::test]
async fn a_token_is_shown_once_and_ends_by_the_clock() {
    let opened = administered().await;
    let new = NewToken {
        name: "ci",
        role: Role::Operator,
        scopes: &[Scope::write(Area::Apps), Scope::read(Area::Apps), Scope::write(Area::Apps)],
        expires_unix_ms: Some(DAWN + 1_000),
        created_by: "user:root",
    };
    let issued = opened.accounts.add_token(new).await.unwrap();
    assert!(issued.secret.expose().starts_with(tokens::TOKEN_PREFIX));
    assert_eq!(issued.token.scopes, [Scope::read(Area::Apps), Scope::write(Area::Apps)]);
    let text = format!("{issued:?}{}", serde_json::to_string(&issued.token).unwrap());
    assert!(!text.contains(issued.secret.expose()));
    let bearer = || Credential::Bearer(issued.secret.expose());
    let identity = opened.accounts.authenticate(bearer()).await.unwrap();
    assert_eq!((identity.actor().as_str(), identity.role), ("token:ci", Role::Operator));
    assert!(identity.may(Role::Operator, Scope::write(Area::Apps)));
    assert!(!identity.may(Role::Viewer, Scope::read(Area::Streams)));
    assert!(opened.at(DAWN + 999).authenticate(bearer()).await.is_ok());
    assert!(is_unauthenticated(&opened.at(DAWN + 1_000).authenticate(bearer()).await));
    let past = opened.accounts.add_token(NewToken { name: "past", ..new }).await;
    assert!(matches!(past, Err(AccountError::Invalid { field: "expires_unix_ms", .. })));
    opened.at(DAWN);
    let twice = opened.accounts.add_token(new).await;
    assert!(matches!(twice, Err(AccountError::Store(StoreError::Exists { what: "token", .. }))));
    opened.accounts.remove_token("ci").await.unwrap();
    assert!(is_unauthenticated(&opened.accounts.authenticate(bearer()).await));
    for wrong in ["", "ttsm_", &"x".repeat(1 << 20), INITIAL_TOKEN, "' OR 1=1 --"] {
        for credential in [Credential::Bearer(wrong), Credential::Session(wrong)] {
            assert!(is_unauthenticated(&opened.accounts.authenticate(credential).await));
        }
    }
}

#[tokio::test]
async fn the_last_use_of_a_token_is_known_to_the_minute() {
    let opened = administered().await;
    let new = NewToken {
        name: "ci",
        role: Role::Viewer,
        scopes: &[],
        expires_unix_ms: None,
        created_by: "user:root",
    };
    let issued = opened.accounts.add_token(new).await.unwrap();
    for (at, noted) in [
        (DAWN, DAWN),
        (DAWN + LAST_USED_STEP_MS - 1, DAWN),
        (DAWN + LAST_USED_STEP_MS, DAWN + LAST_USED_STEP_MS),
        (DAWN - LAST_USED_STEP_MS, DAWN - LAST_USED_STEP_MS),
    ] {
        opened.at(at).authenticate(Credential::Bearer(issued.secret.expose())).await.unwrap();
        assert_eq!(opened.accounts.tokens().await.unwrap()[0].last_used_unix_ms, Some(noted));
    }
}

#[tokio::test]
async fn only_hashes_are_on_the_disk() {
    let opened = opened().await;
    let made = opened.accounts.first_start(Some("correct horse battery")).await.unwrap().unwrap();
    let login = opened.accounts.login("admin", "correct horse battery", None).await.unwrap();
    opened.store.close().await;
    for entry in fs::read_dir(opened.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for secret in [made.password.expose(), made.token.expose(), login.session.expose()] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}
