//! Load by HLS: pollers of segments and of playlists, players that wait for each part, and players that come and go.

mod availability;
mod fetch;
pub(crate) mod first;
pub(crate) mod follower;
pub(crate) mod parts;
mod playlist;
pub(crate) mod poll;
