//! The interface of the durable queue of webhooks, which is their log too.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::StoreError;

/// Deliveries kept for one webhook, waiting ones and finished ones together. Past it the oldest finished ones are
/// dropped first, then the oldest waiting ones: a target that is down for days must not fill the disk.
pub const MAX_DELIVERIES_PER_WEBHOOK: u64 = 2_000;
/// Largest body of a delivery, in bytes: an event is a few hundred.
pub const MAX_DELIVERY_BODY_BYTES: usize = 64 << 10;
/// Longest error text that is kept, in bytes.
pub const MAX_DELIVERY_ERROR_BYTES: usize = 512;
/// Most deliveries in one answer: a page of the API, and one more that tells whether there is another.
pub const MAX_DELIVERY_PAGE: u32 = 1_001;

/// Something to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Name of the webhook.
    pub webhook: String,
    /// Names the event; all deliveries of it share the name.
    pub event_id: String,
    /// Kind of the event, such as `stream_published`.
    pub kind: String,
    /// What is sent, JSON.
    pub body: String,
    /// When the event was, Unix milliseconds; it is due at once.
    pub at_unix_ms: u64,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is to be sent, at once or again.
    Waiting,
    /// It was taken.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// Its spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The state called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Waiting, Self::Delivered, Self::Failed].into_iter().find(|state| state.as_str() == name)
    }
}

/// A delivery in the queue or the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its number; later ones are larger.
    pub id: u64,
    /// Name of the webhook.
    pub webhook: String,
    /// Names the event.
    pub event_id: String,
    /// Kind of the event.
    pub kind: String,
    /// What is sent, JSON.
    pub body: String,
    /// When the event was, Unix milliseconds.
    pub at_unix_ms: u64,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is due, if it waits, Unix milliseconds.
    pub next_unix_ms: u64,
    /// Status of the last answer, if there was one.
    pub last_status: Option<u16>,
    /// What went wrong last, if anything.
    pub last_error: Option<String>,
    /// When it was tried last, Unix milliseconds.
    pub tried_unix_ms: Option<u64>,
}

/// How an attempt went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it was made, Unix milliseconds.
    pub at_unix_ms: u64,
    /// Status of the answer, if there was one.
    pub status: Option<u16>,
    /// What went wrong, if anything; cut at [`MAX_DELIVERY_ERROR_BYTES`].
    pub error: Option<String>,
    /// What follows.
    pub then: AfterAttempt,
}

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterAttempt {
    /// It was taken.
    Delivered,
    /// It is tried again at that time, Unix milliseconds.
    Retry(u64),
    /// It is given up.
    GiveUp,
}

/// A durable queue of deliveries.
#[async_trait]
pub trait DeliveryStore: Send + Sync {
    /// Puts deliveries into the queue, all or none; returns their numbers.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when a body is longer than [`MAX_DELIVERY_BODY_BYTES`], else as the database fails.
    async fn enqueue(&self, deliveries: Vec<NewDelivery>) -> Result<Vec<u64>, StoreError>;

    /// At most `limit` deliveries of `webhook` that are due, the oldest first.
    ///
    /// # Errors
    /// As the database fails.
    async fn due(&self, webhook: &str, now_unix_ms: u64, limit: u32) -> Result<Vec<Delivery>, StoreError>;

    /// When the next delivery is due, if any waits: for all webhooks.
    ///
    /// # Errors
    /// As the database fails.
    async fn next_due(&self) -> Result<Option<u64>, StoreError>;

    /// Notes how an attempt went.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when it was dropped meanwhile, else as the database fails.
    async fn note_attempt(&self, id: u64, attempt: Attempt) -> Result<(), StoreError>;

    /// At most `limit` deliveries before number `before` (from the newest without it), of one webhook or of all, the
    /// newest first; never more than [`MAX_DELIVERY_PAGE`].
    ///
    /// # Errors
    /// As the database fails.
    async fn deliveries(
        &self,
        webhook: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError>;

    /// One delivery.
    ///
    /// # Errors
    /// As the database fails.
    async fn delivery(&self, id: u64) -> Result<Option<Delivery>, StoreError>;

    /// Queues the event of a delivery anew, due at once; returns the number of the new delivery.
    ///
    /// # Errors
    /// [`StoreError::Missing`], else as the database fails.
    async fn redeliver(&self, id: u64, now_unix_ms: u64) -> Result<u64, StoreError>;

    /// Forgets all deliveries of a webhook; how many there were.
    ///
    /// # Errors
    /// As the database fails.
    async fn forget_webhook(&self, webhook: &str) -> Result<u64, StoreError>;
}
