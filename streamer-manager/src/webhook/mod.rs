//! Webhooks: whoever is configured is told of events, surely and in its own time.
//!
//! An event becomes one delivery for each webhook that wants it, in the durable queue of the store; from there each is
//! sent until it is taken or given up. A receiver that is slow or away holds up nobody else, and a restart loses nothing.
//!
//! | module | what |
//! |---|---|
//! | [`queue`] | from an event to deliveries |
//! | [`run`] | from the queue to the receivers |
//! | [`deliver`] | one try |
//! | [`sign`] | the signature |
//! | [`target`] | where a webhook may go |
//! | [`schedule`] | when it is tried again |

pub mod deliver;
pub mod queue;
pub mod run;
pub mod schedule;
pub mod sign;
pub mod target;

pub use deliver::{DELIVERY_TIMEOUT, Deliverer, MAX_ANSWER_BYTES};
pub use queue::{WebhookEvent, Webhooks};
pub use target::{TargetPolicy, TargetRefused};
