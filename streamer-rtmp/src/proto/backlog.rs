//! How much may wait in a session before it stops taking input.

/// Events that wait before input is read on: as many as one read of 64 KiB of small audio messages brings, some 100
/// bytes each.
pub const MAX_PENDING_EVENTS: usize = 1024;

/// Output that waits before input is read on, in bytes. A peer that asks and does not read its answers is not
/// listened to any longer; a dozen answers take a few KiB.
pub const MAX_PENDING_OUTPUT_BYTES: usize = 64 * 1024;
