//! HLS over loopback: playlists, media, waiting, viewers, history.

mod access;
mod delivery;
mod history;
mod player;
mod playing;
mod reload;
