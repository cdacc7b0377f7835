//! An outlet: where a viewer's bytes can go at once, without its task.

use bytes::{Bytes, BytesMut};

/// Takes bytes without waiting, as a socket does that has room for them.
pub trait Outlet: Send {
    /// What [`frame`](Self::frame) puts around bytes: outlets of one form that name the same number frame alike, and
    /// what is framed for one of them is sent to all.
    fn framing(&self) -> u8;

    /// Makes one buffer of `parts`, in order, with what the protocol puts around them: see [`frame_in`].
    fn frame(&self, parts: &[Bytes], room: &mut BytesMut) -> Bytes;

    /// Sends `bytes` as far as they go without waiting; returns how many went.
    ///
    /// A connection that fails takes nothing: whoever owns it hears of that when it sends the rest.
    fn send(&mut self, bytes: &[u8]) -> usize;
}

/// One buffer of `parts` between `prefix` and `suffix`. A single part without either is taken as it is; else all is copied
/// into `room`, which allocates nothing once what was made in it before is gone.
#[must_use]
pub fn frame_in(room: &mut BytesMut, prefix: &[u8], parts: &[Bytes], suffix: &[u8]) -> Bytes {
    if let ([], [only], []) = (prefix, parts, suffix) {
        return only.clone();
    }
    room.reserve(prefix.len() + parts.iter().map(Bytes::len).sum::<usize>() + suffix.len());
    room.extend_from_slice(prefix);
    parts.iter().for_each(|part| room.extend_from_slice(part));
    room.extend_from_slice(suffix);
    room.split().freeze()
}
