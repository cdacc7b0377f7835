//! Load by HLS: pollers of segments and of playlists, and players that wait for each part.

mod availability;
mod fetch;
pub(crate) mod first;
pub(crate) mod parts;
mod playlist;
pub(crate) mod poll;
