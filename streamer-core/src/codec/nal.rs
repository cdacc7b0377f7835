//! NAL unit framing: length prefixes, start codes, emulation prevention (ITU-T H.264 7.4.1 and annex B).
