//! From an event to deliveries in the durable queue.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::configuration::Configuration;
use crate::document::WebhookConfig;
use crate::store::StoreError;
use crate::store::deliveries::{DeliveryStore, NewDelivery};

/// Kinds that are sent only to those who name them: there may be thousands a second.
pub const OPT_IN_KINDS: [&str; 2] = ["viewer_joined", "viewer_left"];

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookEvent {
    /// Names it; all deliveries of it share the name.
    pub id: String,
    /// Its kind, such as `stream_published`.
    pub kind: String,
    /// When, Unix milliseconds.
    pub at_unix_ms: u64,
    /// What is sent, JSON.
    pub body: String,
}

/// The way in to the webhooks. Clones share everything.
#[derive(Clone)]
pub struct Webhooks {
    pub(super) configuration: Configuration,
    pub(super) store: Arc<dyn DeliveryStore>,
    pub(super) wake: Arc<Notify>,
}

impl Webhooks {
    /// The webhooks of `configuration`, with their queue in `store`.
    #[must_use]
    pub fn new(configuration: Configuration, store: Arc<dyn DeliveryStore>) -> Self {
        Self { configuration, store, wake: Arc::default() }
    }

    /// Queues `event` for each webhook that wants it; it is safe on the disk when this returns.
    ///
    /// # Errors
    /// As the store fails.
    pub async fn notify(&self, event: &WebhookEvent) -> Result<(), StoreError> {
        let current = self.configuration.current();
        let wanted = current.document.webhooks.iter().filter(|webhook| wants(webhook, &event.kind));
        let deliveries: Vec<NewDelivery> = wanted
            .map(|webhook| NewDelivery {
                webhook: webhook.name.clone(),
                event_id: event.id.clone(),
                kind: event.kind.clone(),
                body: event.body.clone(),
                at_unix_ms: event.at_unix_ms,
            })
            .collect();
        if !deliveries.is_empty() {
            self.store.enqueue(deliveries).await?;
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Queues the event of delivery `id` anew, due at once; returns the number of the new delivery.
    ///
    /// # Errors
    /// [`StoreError::Missing`], else as the store fails.
    pub async fn redeliver(&self, id: u64, now_unix_ms: u64) -> Result<u64, StoreError> {
        let again = self.store.redeliver(id, now_unix_ms).await?;
        self.wake.notify_one();
        Ok(again)
    }
}

fn wants(webhook: &WebhookConfig, kind: &str) -> bool {
    let named = webhook.events.iter().any(|name| name == kind);
    webhook.enabled && (named || (webhook.events.is_empty() && !OPT_IN_KINDS.contains(&kind)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_gets_what_it_names_or_all_but_viewers() {
        let webhook = |more: serde_json::Value| {
            let mut value = serde_json::json!({"name": "w1", "url": "https://a.example/", "secret": "s"});
            value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<WebhookConfig>(value).unwrap()
        };
        let all = webhook(serde_json::json!({}));
        let viewers = webhook(serde_json::json!({"events": ["viewer_joined"]}));
        let off = webhook(serde_json::json!({"enabled": false}));
        for (kind, expected) in
            [("stream_published", [true, false, false]), ("viewer_joined", [false, true, false])]
        {
            assert_eq!([&all, &viewers, &off].map(|webhook| wants(webhook, kind)), expected, "{kind}");
        }
    }
}
