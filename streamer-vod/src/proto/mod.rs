//! The rules of video on demand without sockets or files: names, indexes, timelines, playlists, slices.

pub mod flv;
pub mod index;
pub mod manifest;
pub mod mp4;
pub mod name;
pub mod playlist;
pub mod presentation;
pub mod route;
pub mod samples;
pub mod slice;
pub mod timeline;
pub mod ts;
pub mod webvtt;
