//! Follows the manager's configuration: asks, waits for another, makes it hold, and says what became of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use streamer_control::config::{ManagedConfig, managed_path};
use streamer_control::link::client::CALL_TIMEOUT;
use streamer_control::link::manager_api::{
    AppliedReport, ConfigVersion, FollowConfig, FollowRequest, MAX_FOLLOW_WAIT_MS, Refusal, ReportApplied,
};
use streamer_control::link::{LinkClient, LinkError};
use streamer_core::task::Backoff;
use tracing::{info, warn};

use super::last_good::LastGood;
use super::random;
use crate::reload::{self, Reloaded};
use crate::running::Running;
use crate::wanted::Wanted;

/// Longest pause before the manager is tried again: it runs on this machine, and whoever starts it should not wait.
pub const MAX_FOLLOW_PAUSE: Duration = Duration::from_secs(1);
/// A manager that says nothing new sooner than this is not waiting as it was asked to.
const MIN_FOLLOW_WAIT: Duration = Duration::from_millis(100);

/// Follows the manager behind `client` for ever.
pub(super) async fn follow(running: Arc<Running>, client: LinkClient) {
    let mut known: Option<ConfigVersion> = None;
    let mut report: Option<AppliedReport> = None;
    let mut backoff = Backoff::default();
    let mut contact = Contact::default();
    loop {
        if let Some(ready) = &report {
            match client.call::<ReportApplied>(ready).await {
                Err(error @ (LinkError::Refused { .. } | LinkError::Malformed(_))) => {
                    warn!(%error, "the manager does not take the report on its configuration");
                    report = None;
                }
                Ok(()) => report = None,
                // Told below, and the report is tried again with the next call.
                Err(_) => {}
            }
        }
        let request = FollowRequest {
            engine: running.link.run.clone(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            api: running.listeners.addresses().api,
            known: known.clone(),
            wait_ms: MAX_FOLLOW_WAIT_MS,
        };
        let (asked, patience) = (Instant::now(), Duration::from_millis(MAX_FOLLOW_WAIT_MS) + CALL_TIMEOUT);
        match client.call_within::<FollowConfig>(&request, patience).await {
            Ok(answer) => {
                contact.reached(&client);
                match answer.config.filter(|_| known.as_ref() != Some(&answer.version)) {
                    Some(config) => {
                        report = Some(running.take(answer.version.clone(), config));
                        known = Some(answer.version);
                        backoff.reset();
                        continue;
                    }
                    None if asked.elapsed() >= MIN_FOLLOW_WAIT => {
                        backoff.reset();
                        continue;
                    }
                    None => {}
                }
            }
            Err(error) => contact.failed(&client, &error),
        }
        let random = random().map_or(0, u32::from_ne_bytes);
        tokio::time::sleep(backoff.next_pause(random).min(MAX_FOLLOW_PAUSE)).await;
    }
}

/// Whether the manager is there, told when it changes and not each time.
#[derive(Default)]
struct Contact(Option<String>);

impl Contact {
    fn reached(&mut self, client: &LinkClient) {
        if self.0.replace(String::new()).is_none_or(|word| !word.is_empty()) {
            info!(manager = %client.address(), "the manager is there");
        }
    }

    fn failed(&mut self, client: &LinkClient, error: &LinkError) {
        let absent = "the manager is not there: the engine goes on with what it has";
        let word = if error.is_absence() { absent.to_owned() } else { error.to_string() };
        if self.0.replace(word.clone()).as_ref() == Some(&word) {
            return;
        }
        let manager = client.address();
        if error.is_absence() {
            info!(%manager, %error, "{absent}");
        } else {
            warn!(%manager, %error, "the manager cannot be followed");
        }
    }
}

impl Running {
    /// Makes the manager's `config` hold, as far as it can be had, and keeps it for the next start. Must be called
    /// within a tokio runtime.
    fn take(&self, version: ConfigVersion, config: ManagedConfig) -> AppliedReport {
        let began = Instant::now();
        let word = LastGood { version, config };
        let reloaded = self.take_word(&word);
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (number, summary) = (word.version.version, reloaded.summary());
        if reloaded.is_whole() {
            info!(version = number, took_ms, "configuration of the manager; {summary}");
        } else {
            warn!(version = number, took_ms, "configuration of the manager; {summary}");
        }
        let Reloaded { applied, refused, needs_restart } = reloaded;
        let of_manager = |Refusal { path, reason }| Refusal { path: managed_path(&path), reason };
        AppliedReport {
            engine: self.link.run.clone(),
            version: word.version,
            applied,
            refused: refused.into_iter().map(of_manager).collect(),
            needs_restart: needs_restart.into_iter().map(managed_path).collect(),
            took_ms,
        }
    }

    fn take_word(&self, word: &LastGood) -> Reloaded {
        let mut held = self.held.lock();
        let local = self.local.lock().clone();
        let origin = word.origin();
        let sifted = Wanted::sift(&local, &word.config, &origin, &held, &self.data_dir);
        let (wanted, refused) = match sifted {
            Ok(sifted) => sifted,
            Err(error) => {
                return Reloaded { refused: vec![reload::refusal(&error)], ..Reloaded::default() };
            }
        };
        let mut reloaded = self.apply(&mut held, wanted, None);
        reloaded.refused.splice(0..0, refused);
        if let Err(error) = word.keep(&self.data_dir) {
            warn!(%error, "the configuration is not kept for a start without the manager");
        }
        self.link.set_version(Some(word.version.clone()));
        held.managed = Some(word.clone());
        reloaded
    }
}

impl LastGood {
    /// What it is called in errors.
    pub(crate) fn origin(&self) -> String {
        format!("version {} of the manager's configuration", self.version.version)
    }
}
