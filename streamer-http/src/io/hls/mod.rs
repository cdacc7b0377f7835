//! HLS on the sockets' side: the tasks that make segments, the requests for them, viewers, store.

mod answer;
mod handle;
mod live;
mod media;
mod options;
mod rendered;
mod serve;
mod session;
mod shared;
mod sink;
mod store;
mod wait;

pub(crate) use answer::complete;
pub use handle::{Hls, HlsLevels};
pub use live::{ENDED_HOLD, FIRST_SEGMENT_WAIT};
pub use options::{DEFAULT_IDLE, DEFAULT_MAX_STORED_BYTES, HlsAppOptions, HlsMode, HlsStore};
pub(crate) use serve::serve;
pub use session::{MAX_SESSIONS, PASS_IDLE, REFUSED_FOR, VIEWER_IDLE};
pub use shared::SharedPresentation;
pub use sink::HlsSink;
pub use store::MAX_STORE_BACKLOG;
pub use wait::MAX_BLOCKED_REQUESTS;
