//! The rules of video on demand without sockets or files: names, indexes, timelines, playlists, slices.

pub mod name;
