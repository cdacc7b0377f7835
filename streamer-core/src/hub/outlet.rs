//! An outlet: where a viewer's bytes can go at once, without its task.

use bytes::{Bytes, BytesMut};

/// Takes bytes without waiting, as a socket does that has room for them.
pub trait Outlet: Send {
    /// What [`frame`](Self::frame) puts around bytes: outlets of one form that name the same number frame alike, and
    /// what is framed for one of them is sent to all.
    fn framing(&self) -> u8;

    /// Makes one buffer of `parts`, in order, with what the protocol puts around them.
    fn frame(&self, parts: &[Bytes]) -> Bytes;

    /// Sends `bytes` as far as they go without waiting; returns how many went.
    ///
    /// A connection that fails takes nothing: whoever owns it hears of that when it sends the rest.
    fn send(&mut self, bytes: &[u8]) -> usize;
}

/// One buffer of `parts`: the only one as it is, several as a copy.
#[must_use]
pub fn join(parts: &[Bytes]) -> Bytes {
    match parts {
        [only] => only.clone(),
        _ => {
            let mut joined = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
            parts.iter().for_each(|part| joined.extend_from_slice(part));
            joined.freeze()
        }
    }
}
