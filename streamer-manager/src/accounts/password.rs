//! Rules for passwords, and hashing them: off the threads that serve, and only so many at once.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::error::AccountError;

/// How many characters a password has. The shortest is what guidance (NIST SP 800-63B, 5.1.1.2) asks for; the
/// longest takes every pass phrase and no more than half a kilobyte to hash.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 8..=128;
/// Passwords hashed at once: each takes 19 MiB and tens of milliseconds of a core.
pub const MAX_CONCURRENT_HASHES: usize = 2;
/// Passwords that wait to be hashed; past it a login is told to come again.
pub const MAX_WAITING_HASHES: usize = 32;

/// Hashes and checks passwords by argon2id (RFC 9106), within bounds.
#[derive(Clone)]
pub(crate) struct Hasher {
    running: Arc<Semaphore>,
    /// Permits of those that run and those that wait.
    admitted: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(MAX_CONCURRENT_HASHES)),
            admitted: Arc::new(Semaphore::new(MAX_CONCURRENT_HASHES + MAX_WAITING_HASHES)),
        }
    }
}

/// The hash of a password that nobody has: it is checked for users that are not there, so that they take as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$QUFBQUFBQUFBQUFBQUFBQQ$QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";

impl Hasher {
    /// The hash of `password`, a PHC string with a salt of its own.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, AccountError> {
        check_password(password)?;
        let password = password.to_owned();
        self.run(move || Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()))
            .await?
            .map_err(|error| AccountError::Crypto(error.to_string()))
    }

    /// Whether `password` is the one of `hash`; without a hash it takes as long and is not.
    pub(crate) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, AccountError> {
        // What is longer cannot be right, and must not be hashed.
        let fits = password.chars().count() <= *PASSWORD_CHARS.end();
        let password = if fits { password.to_owned() } else { String::new() };
        let known = hash.is_some();
        let hash = hash.unwrap_or(NOBODY).to_owned();
        let right = self
            .run(move || {
                PasswordHash::new(&hash)
                    .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(right && known && fits)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AccountError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| AccountError::Busy)?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| AccountError::Busy)?;
        // The permits go along: whoever asked may be gone before the work is done.
        let done = spawn_blocking(move || {
            let result = work();
            drop((running, admitted));
            result
        });
        done.await.map_err(|error| AccountError::Crypto(error.to_string()))
    }
}

/// Whether `password` may be one.
///
/// # Errors
/// [`AccountError::Invalid`] when it is too short or too long, or holds control characters: nobody can type them, and
/// a line end would tear the file of the first start.
pub fn check_password(password: &str) -> Result<(), AccountError> {
    if password.chars().any(char::is_control) {
        return Err(AccountError::invalid("password", "control characters are not allowed"));
    }
    let chars = password.chars().count();
    if PASSWORD_CHARS.contains(&chars) {
        return Ok(());
    }
    let (least, most) = (PASSWORD_CHARS.start(), PASSWORD_CHARS.end());
    Err(AccountError::invalid("password", format!("{least} to {most} characters are needed, not {chars}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_at_their_limits() {
        for (chars, fits) in [(7, false), (8, true), (128, true), (129, false)] {
            assert_eq!(check_password(&"é".repeat(chars)).is_ok(), fits, "{chars}");
        }
        assert!(check_password("line one\nline two").is_err());
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_alone() {
        let hasher = Hasher::default();
        let hash = hasher.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hasher.hash("correct horse").await.unwrap());
        assert!(hasher.verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!hasher.verify("correct horsf", Some(&hash)).await.unwrap());
        assert!(!hasher.verify("correct horse", None).await.unwrap());
        assert!(!hasher.verify(&"x".repeat(1 << 20), Some(&hash)).await.unwrap());
        assert!(!hasher.verify("correct horse", Some("not a hash")).await.unwrap());
    }

    #[test]
    fn the_hash_of_nobody_costs_what_a_real_one_does() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let real = Argon2::default().hash_password(b"password").unwrap();
        assert_eq!(nobody.algorithm, real.algorithm);
        assert_eq!(nobody.params, real.params);
        assert_eq!(nobody.hash.map(|hash| hash.len()), real.hash.map(|hash| hash.len()));
        assert_eq!(nobody.salt.map(|salt| salt.len()), real.salt.map(|salt| salt.len()));
    }

    #[tokio::test]
    async fn those_who_wait_at_their_limit() {
        let hasher = Hasher::default();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(parking_lot::Mutex::new(held));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..MAX_CONCURRENT_HASHES + MAX_WAITING_HASHES {
            let (hasher, held) = (hasher.clone(), Arc::clone(&held));
            tasks.spawn(async move { hasher.run(move || held.lock().recv()).await.is_ok() });
        }
        while hasher.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.run(|| ()).await, Err(AccountError::Busy)));
        drop(release);
        while let Some(done) = tasks.join_next().await {
            assert!(done.unwrap());
        }
        assert!(hasher.run(|| ()).await.is_ok());
    }
}
