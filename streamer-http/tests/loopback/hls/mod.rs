//! HLS and DASH over loopback: playlists, media, waiting, viewers, history.

mod access;
mod dash;
mod delivery;
mod encrypted;
mod history;
mod http2;
mod player;
mod playing;
mod reload;
