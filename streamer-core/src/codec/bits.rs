//! A bit reader over a byte slice, most significant bit first (ITU-T H.264 7.2).
