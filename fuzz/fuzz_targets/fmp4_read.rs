//! Fragmented MP4; the chopping of the bytes changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_core::container::fmp4::{Fmp4Error, FragmentItem, FragmentReader};

type Read = (Vec<FragmentItem>, Vec<Fmp4Error>);

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Read {
    let mut reader = FragmentReader::new();
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.pull() {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                // A header that makes no sense gives the same error for ever.
                Err(Fmp4Error::Field { structure: "box", field: "size", value }) => {
                    errors.push(Fmp4Error::Field { structure: "box", field: "size", value });
                    return (items, errors);
                }
                Err(error) => errors.push(error),
            }
        }
    }
    (items, errors)
}

fuzz_target!(|data: &[u8]| {
    let Some((&step, data)) = data.split_first() else { return };
    assert_eq!(read(std::iter::once(data)), read(data.chunks(usize::from(step) * 4 + 1)));
});
