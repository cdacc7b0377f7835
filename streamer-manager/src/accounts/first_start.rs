//! The first administrator and the first token, and the file that tells of them until the first login.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use tokio::task::spawn_blocking;

use super::audit::Outcome;
use super::error::AccountError;
use super::secret::{SecretText, random_secret};
use super::tokens::NewToken;
use super::{Accounts, Role};
use crate::store::accounts::StoredUser;

/// The file in the data folder, of mode 0600, with one `name: value` a line: `user`, `password`, `token`.
pub const INITIAL_CREDENTIALS_FILE: &str = "initial-credentials";
/// Name of the first administrator.
pub const INITIAL_USER: &str = "admin";
/// Name of the first token.
pub const INITIAL_TOKEN: &str = "initial";

/// Most bytes of the file that are read: it holds three short lines.
const MAX_FILE_BYTES: u64 = 4 << 10;

/// What the first start made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialCredentials {
    /// Name of the administrator.
    pub user: String,
    /// Its password.
    pub password: SecretText,
    /// An API token that may all that the administrator may.
    pub token: SecretText,
}

impl InitialCredentials {
    fn lines(&self) -> String {
        let Self { user, password, token } = self;
        format!("user: {user}\npassword: {}\ntoken: {}\n", password.expose(), token.expose())
    }
}

impl Accounts {
    /// If there is no user, makes an administrator and a token, and leaves them in [`INITIAL_CREDENTIALS_FILE`].
    /// `password` is the one it shall have; without it a random one is made. With a user it does nothing.
    ///
    /// # Errors
    /// [`AccountError::Invalid`] for a bad `password`, [`AccountError::CredentialsFile`], or as the database fails.
    /// There is no user then, as far as the store knows; a file that was left is replaced by the next first start.
    pub async fn first_start(
        &self,
        password: Option<&str>,
    ) -> Result<Option<InitialCredentials>, AccountError> {
        if !self.0.store.users().await?.is_empty() {
            return Ok(None);
        }
        let password = match password {
            Some(password) => SecretText::new(password.to_owned()),
            None => random_secret("")?.0,
        };
        let password_hash = self.0.hasher.hash(password.expose()).await?;
        let (token, secret) = self.make_token(NewToken {
            name: INITIAL_TOKEN,
            role: Role::Administrator,
            scopes: &[],
            expires_unix_ms: None,
            created_by: "system",
        })?;
        let now = self.0.clock.now_unix_ms();
        let user = StoredUser {
            name: INITIAL_USER.to_owned(),
            password_hash,
            role: Role::Administrator,
            disabled: false,
            created_unix_ms: now,
            changed_unix_ms: now,
            last_login_unix_ms: None,
        };
        let made = InitialCredentials { user: INITIAL_USER.to_owned(), password, token: secret };
        // The file comes first: after a crash there may be a file that says nothing, and never a user that nobody
        // has the password of.
        let path = self.0.data_dir.join(INITIAL_CREDENTIALS_FILE);
        let shown = path.display().to_string();
        let lines = made.lines();
        self.with_file(move |path| write_private(path, &lines))
            .await
            .map_err(|source| AccountError::CredentialsFile { path: shown, source })?;
        match self.0.store.add_first(user, token).await {
            Ok(true) => {}
            Ok(false) => {
                // Somebody else was first: what it says is good for nothing, whether or not it can be removed.
                let _ = self.with_file(|path| fs::remove_file(path)).await;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        self.note("first_start", "system".into(), None, Outcome::Done, INITIAL_USER).await;
        Ok(Some(made))
    }

    /// Removes the file once the administrator it tells of has logged in.
    pub(super) async fn forget_initial_credentials(&self, user: &str) {
        let user = user.to_owned();
        let removed = self
            .with_file(move |path| {
                let mut text = String::new();
                match File::open(path) {
                    Ok(file) => file.take(MAX_FILE_BYTES).read_to_string(&mut text)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                    Err(error) => return Err(error),
                };
                let tells_of = text.lines().find_map(|line| line.strip_prefix("user: "));
                if tells_of == Some(&user) { fs::remove_file(path) } else { Ok(()) }
            })
            .await;
        if let Err(error) = removed {
            tracing::warn!(%error, "{INITIAL_CREDENTIALS_FILE} cannot be removed: remove it by hand");
        }
    }

    async fn with_file(&self, work: impl FnOnce(&Path) -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let path = self.0.data_dir.join(INITIAL_CREDENTIALS_FILE);
        spawn_blocking(move || work(&path)).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Writes a file that its owner alone can read, whole or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}
