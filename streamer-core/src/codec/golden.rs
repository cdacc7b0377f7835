//! The golden files of `testdata/codec`, for tests.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;

/// A file of `testdata/codec`.
pub(crate) fn golden(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/codec").join(name);
    Bytes::from(fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Packet `index` of a golden stream.
pub(crate) fn frame(name: &str, index: usize) -> Bytes {
    golden(&format!("{name}.{index}.frame"))
}

/// A golden file with up to eight bytes changed and possibly cut: past the first checks, into the parser's depths.
pub(crate) fn mutated(name: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let original = golden(name);
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    (changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(move |(changes, cut, whole)| {
        let mut data = original.to_vec();
        for (at, byte) in changes {
            let at = at.index(data.len());
            data[at] = byte;
        }
        if !whole {
            data.truncate(cut.index(original.len()));
        }
        data
    })
}
