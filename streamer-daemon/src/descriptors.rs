//! File descriptors: as many as the system lets the process have.

use rlimit::Resource;
use tracing::{info, warn};

/// Descriptors below which a server is warned of: a thousand viewers need a thousand.
const FEW: u64 = 4_096;

/// Raises the soft limit on open files to the hard one, and says in the log what it is.
pub fn raise_limit() {
    match Resource::NOFILE.get() {
        Ok((soft, hard)) => {
            if soft < hard
                && let Err(error) = Resource::NOFILE.set(hard, hard)
            {
                warn!(soft, hard, %error, "the limit on open files stays as it is");
                return;
            }
            info!(from = soft, to = hard, "open files allowed");
            if hard < FEW {
                warn!(allowed = hard, "few open files allowed: each connection needs one (ulimit -Hn)");
            }
        }
        Err(error) => warn!(%error, "the limit on open files cannot be read"),
    }
}
