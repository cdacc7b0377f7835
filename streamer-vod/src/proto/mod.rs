//! The rules of video on demand without sockets or files: names, indexes, timelines, playlists, slices.

pub mod index;
pub mod mp4;
pub mod name;
pub mod samples;
pub mod timeline;
