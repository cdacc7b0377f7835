//! Lists of renditions: names stay below the folder of the list, within the bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use streamer_vod::proto::manifest::Manifest;
use streamer_vod::proto::name::AssetPath;
use streamer_vod::proto::presentation::{MAX_ASSETS, MAX_CAPTIONS};

fuzz_target!(|data: &[u8]| {
    for name in ["films/a.smil", "films/a.json"] {
        let path = AssetPath::new(name).expect("a name");
        let Ok(read) = Manifest::parse(&path, data) else { continue };
        assert!((1..=MAX_ASSETS).contains(&read.renditions.len()) && read.subtitles.len() <= MAX_CAPTIONS);
        for path in read.renditions.iter().chain(read.subtitles.iter().map(|(path, _)| path)) {
            assert!(path.as_str().starts_with("films/"));
            assert_eq!(AssetPath::new(path.as_str()).as_ref(), Ok(path));
        }
    }
});
