//! From the queue to the receivers: one try at a time for each of them, all of them side by side.

use std::collections::HashSet;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::deliver::{Deliverer, Message, Outcome};
use super::queue::Webhooks;
use super::schedule::next_pause;
use crate::clock::Clock;
use crate::document::WebhookConfig;
use crate::store::StoreError;
use crate::store::deliveries::{AfterAttempt, Attempt, Delivery};

/// Longest sleep without a look at the queue: the clock may have been set meanwhile. Also the pause after the store failed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

impl Webhooks {
    /// Sends what is queued until `shutdown`. What is being tried then is tried again after the next start.
    pub async fn run(&self, deliverer: Deliverer, clock: Clock, shutdown: CancellationToken) {
        let mut changes = self.configuration.subscribe();
        let mut busy: HashSet<String> = HashSet::new();
        let mut tries = JoinSet::new();
        loop {
            let sleep = match self.begin(&deliverer, &clock, &mut busy, &mut tries).await {
                Ok(sleep) => sleep,
                Err(error) => {
                    warn!(%error, "the queue of webhooks cannot be read");
                    LONGEST_SLEEP
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
                Ok(()) = changes.changed() => {}
                Some(ended) = tries.join_next() => match ended {
                    Ok(name) => {
                        busy.remove(&name);
                    }
                    // Only a panic ends so, and then it is not known whose it was.
                    Err(error) => {
                        warn!(%error, "a webhook's try ended by itself");
                        tries.abort_all();
                        busy.clear();
                    }
                },
            }
        }
    }

    /// Begins a try for each webhook that has one due and none under way; returns how long to sleep at most.
    async fn begin(
        &self,
        deliverer: &Deliverer,
        clock: &Clock,
        busy: &mut HashSet<String>,
        tries: &mut JoinSet<String>,
    ) -> Result<Duration, StoreError> {
        let current = self.configuration.current();
        let now = clock.now_unix_ms();
        for webhook in current.document.webhooks.iter().filter(|webhook| webhook.enabled) {
            if busy.contains(&webhook.name) {
                continue;
            }
            let Some(delivery) = self.store.due(&webhook.name, now, 1).await?.pop() else { continue };
            busy.insert(webhook.name.clone());
            let (this, deliverer, clock) = (self.clone(), deliverer.clone(), clock.clone());
            let webhook = webhook.clone();
            tries.spawn(async move {
                this.attempt(&deliverer, &clock, &webhook, delivery).await;
                webhook.name
            });
        }
        // What is due and not under way belongs to a webhook that is off: it is no reason to wake.
        let next = self.store.next_due().await?.filter(|next| *next > now);
        Ok(next.map_or(LONGEST_SLEEP, |next| Duration::from_millis(next - now).min(LONGEST_SLEEP)))
    }

    async fn attempt(
        &self,
        deliverer: &Deliverer,
        clock: &Clock,
        webhook: &WebhookConfig,
        delivery: Delivery,
    ) {
        let at_unix_ms = clock.now_unix_ms();
        let message = Message { id: &delivery.event_id, body: &delivery.body };
        let outcome = deliverer.deliver(webhook, &message, at_unix_ms / 1_000).await;
        let tries = delivery.attempts.saturating_add(1);
        let random = getrandom::u32().unwrap_or(u32::MAX);
        let then = match next_pause(tries, random) {
            _ if outcome.delivered => AfterAttempt::Delivered,
            Some(pause) => {
                let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                AfterAttempt::Retry(clock.now_unix_ms().saturating_add(pause_ms))
            }
            None => AfterAttempt::GiveUp,
        };
        tell(webhook, &delivery, &outcome, then);
        let attempt = Attempt { at_unix_ms, status: outcome.status, error: outcome.error, then };
        if let Err(error) = self.store.note_attempt(delivery.id, attempt).await {
            warn!(webhook = webhook.name, delivery = delivery.id, %error, "the try is not noted, so it is made again");
            // Without a note it is due at once; a store that fails must not turn that into a flood of requests.
            tokio::time::sleep(LONGEST_SLEEP).await;
        }
    }
}

fn tell(webhook: &WebhookConfig, delivery: &Delivery, outcome: &Outcome, then: AfterAttempt) {
    let (webhook, kind, id) = (&webhook.name, &delivery.kind, delivery.id);
    match (&outcome.error, then) {
        (None, _) => info!(webhook, kind, delivery = id, took_ms = outcome.took_ms, "delivered"),
        (Some(error), AfterAttempt::GiveUp) => warn!(webhook, kind, delivery = id, error, "given up"),
        (Some(error), _) => info!(
            webhook,
            kind,
            delivery = id,
            error,
            answer = outcome.answer,
            "not delivered, tried again later"
        ),
    }
}
