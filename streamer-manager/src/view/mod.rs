//! The manager's view of the engine: what is live there, what happens, and the way to act on it.
//!
//! The engine tells each event once, by a datagram that may be lost. [`EngineView`] notices, asks for a snapshot, and
//! finds in it what was missed; so every change is told once and in order, whatever happens on the way.
//!
//! | module | what |
//! |---|---|
//! | [`state`] | the view itself: a state machine without sockets and clock |
//! | [`known`] | what it knows of streams, viewers and tasks, and the events that lead from one state to another |
//! | [`events`] | the feed of events: the newest kept, all told to whoever listens |
//! | [`follow`] | receives datagrams, fetches snapshots, notices that the engine is away |
//! | [`engine`] | calls at the engine's API, for the REST API |

pub mod engine;
pub mod events;
pub mod follow;
pub mod known;
pub mod state;

pub use engine::{EngineCallError, EngineClient};
pub use events::{EventFilter, Events, MAX_KEPT_EVENTS};
pub use follow::{Follower, Reach};
pub use state::EngineView;
