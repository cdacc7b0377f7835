//! Files read: our own, ffmpeg's, and damaged ones.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::testing::{avc, codecs, golden_file, payload};
use super::super::{
    EventMessage, Fragment, InitTrack, SCHEME_SCTE35, Sample, TrackRun, init_segment, write_fragment,
};
use super::*;
use crate::codec::Codec;
use crate::time::Timescale;
use crate::track::TrackId;

fn all(reader: &mut FragmentReader) -> (Vec<FragmentItem>, Vec<Fmp4Error>) {
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    loop {
        match reader.pull() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return (items, errors),
            Err(error) => {
                errors.push(error);
                if reader.failed.is_some() {
                    return (items, errors);
                }
            }
        }
    }
}

fn read(bytes: &[u8]) -> (Vec<FragmentItem>, Vec<Fmp4Error>) {
    let mut reader = FragmentReader::new();
    reader.push(bytes);
    all(&mut reader)
}

fn read_well(bytes: &[u8]) -> Vec<FragmentItem> {
    let (items, errors) = read(bytes);
    assert_eq!(errors, []);
    items
}

fn frames(items: &[FragmentItem]) -> Vec<Arc<Frame>> {
    let frame = |item: &FragmentItem| match item {
        FragmentItem::Media(Media::Frame(frame)) => Some(Arc::clone(frame)),
        _ => None,
    };
    items.iter().filter_map(frame).collect()
}

fn track(codec: &Codec) -> InitTrack<'_> {
    InitTrack { id: 1, timescale: Timescale::MPEG, codec, start_offset: None, protection: None }
}

fn fragment(base_decode_time: u64, samples: &[Sample]) -> Bytes {
    let runs = [TrackRun { track_id: 1, base_decode_time, samples, protection: None }];
    fragment_of(&runs, &[])
}

fn fragment_of(runs: &[TrackRun<'_>], events: &[EventMessage]) -> Bytes {
    let (sequence_number, reference_time, segment_start) = (1, None, true);
    write_fragment(&Fragment { sequence_number, runs, reference_time, events, segment_start }).unwrap()
}

fn sample(duration: u32, composition_offset: i32, sync: bool, data: Bytes) -> Sample {
    Sample { duration, composition_offset, sync, data }
}

/// `len` bytes as one NAL unit.
fn unit(len: usize) -> Bytes {
    nal::join([&payload(len)[..]])
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len() + 8).unwrap().to_be_bytes()[..], kind, body].concat()
}

#[test]
fn tracks_of_every_codec_come_back() {
    for (entry, _, codec) in codecs() {
        let items = read_well(&init_segment(&[track(&codec)]).unwrap());
        let [FragmentItem::Media(Media::Tracks(tracks))] = &items[..] else { panic!("{items:?}") };
        let id = if codec.kind() == MediaKind::Video { TrackId::video(0) } else { TrackId::audio(0) };
        let expected = crate::track::Track { id, timescale: Timescale::MPEG, codec };
        assert_eq!(tracks.list, [expected], "{entry}");
    }
}

#[test]
fn a_file_of_ffmpeg() {
    let items = read_well(&golden_file("ffmpeg_h264_aac.mp4"));
    let FragmentItem::Media(Media::Tracks(tracks)) = &items[0] else { panic!() };
    let names: Vec<_> = tracks.list.iter().map(|track| (track.id.to_string(), track.codec.name())).collect();
    assert_eq!(names, [("video0".to_owned(), "H264"), ("audio0".to_owned(), "AAC")]);
    // As ffprobe tells them: the edit list puts the first picture at 0, and its decoding before.
    let all = frames(&items);
    let of = |id| all.iter().filter(move |frame| frame.track == id);
    let times: Vec<_> = of(TrackId::video(0)).map(|f| (f.dts.ticks(), f.pts.ticks(), f.sync)).collect();
    let expected = [
        (-2_048, 0, true),
        (-1_024, 3_072, false),
        (0, 1_024, false),
        (1_024, 2_048, false),
        (2_048, 4_096, false),
        (3_072, 5_120, true),
        (4_096, 8_192, false),
        (5_120, 6_144, false),
        (6_144, 7_168, false),
        (7_168, 9_216, false),
    ];
    assert_eq!(times, expected);
    let first = of(TrackId::audio(0)).next().unwrap();
    assert_eq!((first.pts.ticks(), first.pts.scale().ticks_per_second()), (-1_024, 48_000));
    for frame in of(TrackId::video(0)) {
        assert!(nal::units(&frame.data).all(|unit| unit.is_ok()));
    }
}

#[test]
fn edit_lists_shift_and_delay() {
    let codec = avc();
    let init = init_segment(&[InitTrack { start_offset: Some(6_000), ..track(&codec) }]).unwrap();
    let media = fragment(9_000, &[sample(3_000, 6_000, true, unit(8))]);
    let frame = &frames(&read_well(&[&init[..], &media].concat()))[0];
    assert_eq!((frame.dts.ticks(), frame.pts.ticks()), (3_000, 9_000));
    // The same edit behind an empty one of half a second of the movie.
    let at = init.windows(4).position(|name| name == b"elst").unwrap();
    let mut delayed = init.to_vec();
    let empty = [&[0, 0, 0, 2][..], &500u32.to_be_bytes(), &[0xff; 4], &[0, 1, 0, 0]].concat();
    delayed.splice(at + 8..at + 12, empty);
    // elst, edts, trak, moov.
    for name in [b"elst", b"edts", b"trak", b"moov"] {
        let at = delayed.windows(4).position(|found| found == name).unwrap() - 4;
        let size = u32::from_be_bytes(delayed[at..at + 4].try_into().unwrap()) + 12;
        delayed[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    let frame = &frames(&read_well(&[&delayed[..], &media].concat()))[0];
    assert_eq!(frame.pts.ticks(), 9_000 + 45_000);
}

#[test]
fn events_come_before_their_media() {
    let codec = avc();
    let event = EventMessage {
        scheme_id_uri: SCHEME_SCTE35.to_owned(),
        value: "1".to_owned(),
        timescale: Timescale::MPEG,
        presentation_time: 1 << 33,
        duration: None,
        id: 7,
        data: payload(30),
    };
    let events = [event.clone(), EventMessage { duration: Some(9), ..event }];
    let samples = [sample(3_000, 0, true, unit(8))];
    let runs = [TrackRun { track_id: 1, base_decode_time: 0, samples: &samples, protection: None }];
    let media = fragment_of(&runs, &events);
    let items = read_well(&[&init_segment(&[track(&codec)]).unwrap()[..], &media].concat());
    let [_, FragmentItem::Event(first), FragmentItem::Event(second), FragmentItem::Media(Media::Frame(_))] =
        &items[..]
    else {
        panic!("{items:?}")
    };
    assert_eq!([first.clone(), second.clone()], events);
    assert_eq!(read_well(&boxed(b"emsg", &[0; 40])), [], "version 0 is passed over");
}

#[test]
fn lengths_of_another_size_are_made_canonical() {
    let codec = avc();
    let mut init = init_segment(&[track(&codec)]).unwrap().to_vec();
    let record = init.windows(4).position(|name| name == b"avcC").unwrap() + 4;
    init[record + 4] = 0xfc | 1; // lengths of two bytes
    let media = fragment(0, &[sample(3_000, 0, true, Bytes::from_static(&[0, 2, 0x65, 0x88]))]);
    let items = read_well(&[&init[..], &media].concat());
    assert_eq!(frames(&items)[0].data, [0, 0, 0, 2, 0x65, 0x88][..]);
}

#[test]
fn what_is_of_no_interest_is_not_held() {
    let codec = avc();
    let media = fragment(0, &[sample(3_000, 0, true, unit(8))]);
    let init = init_segment(&[track(&codec)]).unwrap();
    let junk = boxed(b"free", &vec![0; 100_000]);
    let orphan = boxed(b"mdat", &vec![0; 100_000]);
    let bytes = [&junk[..], &init, &junk, &orphan, &media, &orphan].concat();
    let mut reader = FragmentReader::new();
    let mut items = Vec::new();
    for piece in bytes.chunks(1_000) {
        reader.push(piece);
        let (more, errors) = all(&mut reader);
        items.extend(more);
        assert_eq!(errors, []);
        assert!(reader.input.len() < 2_000, "at most the init segment");
    }
    assert_eq!(frames(&items).len(), 1);
}

#[test]
fn announced_sizes_allocate_nothing() {
    for kind in [b"moov", b"moof", b"emsg", b"mdat", b"free"] {
        let mut reader = FragmentReader::new();
        reader.push(&[&100_000u32.to_be_bytes()[..], kind, &[0; 16]].concat());
        assert_eq!(reader.pull(), Ok(None));
        assert!(reader.input.capacity() < 1_000);
    }
}

#[test]
fn boxes_at_their_limits() {
    for (kind, max) in
        [(b"moov", MAX_MOVIE_BYTES), (b"moof", MAX_MOVIE_FRAGMENT_BYTES), (b"emsg", MAX_EVENT_BYTES)]
    {
        let refused = |size: usize| {
            let (_, errors) = read(&boxed(kind, &vec![0; size - 8]));
            errors.iter().any(|error| matches!(error, Fmp4Error::Limit { .. }))
        };
        assert!(!refused(max) && refused(max + 1));
    }
    // And reading goes on behind it.
    let codec = avc();
    let large = boxed(b"emsg", &vec![0; MAX_EVENT_BYTES]);
    let (items, errors) = read(&[&large[..], &init_segment(&[track(&codec)]).unwrap()].concat());
    assert_eq!((items.len(), errors.len()), (1, 1));
}

#[test]
fn samples_at_their_limits() {
    let codec = avc();
    let init = init_segment(&[track(&codec)]).unwrap();
    let of = |count: usize, size: usize| {
        let tfhd = boxed(b"tfhd", &[&[0, 2, 0, 0x10, 0, 0, 0, 1][..], &(size as u32).to_be_bytes()].concat());
        let trun = boxed(b"trun", &[&[0; 4][..], &(count as u32).to_be_bytes()].concat());
        let moof = boxed(b"moof", &boxed(b"traf", &[tfhd, trun].concat()));
        read(&[&init[..], &moof].concat()).1
    };
    assert_eq!(of(MAX_SAMPLES_PER_FRAGMENT, 1), []);
    assert!(matches!(of(MAX_SAMPLES_PER_FRAGMENT + 1, 1)[..], [Fmp4Error::Limit { value: 65_537, .. }]));
    assert_eq!(of(1, MAX_SAMPLE_BYTES), []);
    assert!(matches!(of(1, MAX_SAMPLE_BYTES + 1)[..], [Fmp4Error::Limit { .. }]));
    // Announced by the billion, without a byte each.
    assert!(matches!(of(u32::MAX as usize, 0)[..], [Fmp4Error::Limit { .. }]));
}

#[test]
fn tracks_at_their_limit() {
    let codec = avc();
    let list: Vec<_> = (1..=32).map(|id| InitTrack { id, ..track(&codec) }).collect();
    let init = init_segment(&list).unwrap();
    assert!(
        matches!(&read_well(&init)[0], FragmentItem::Media(Media::Tracks(tracks)) if tracks.list.len() == 32)
    );
    // One more of them, with another id.
    let moov = init.windows(4).position(|name| name == b"moov").unwrap() - 4;
    let trak = init.windows(4).position(|name| name == b"trak").unwrap() - 4;
    let len = u32::from_be_bytes(init[trak..trak + 4].try_into().unwrap()) as usize;
    let mut more = init[trak..trak + len].to_vec();
    more[8 + 8 + 12 + 3] = 33;
    let body = [&init[moov + 8..], &more].concat();
    let (items, errors) = read(&boxed(b"moov", &body));
    assert_eq!(items, []);
    assert!(matches!(errors[..], [Fmp4Error::Limit { value: 33, max: 32, .. }]));
}

#[test]
fn errors_leave_the_rest_readable() {
    let codec = avc();
    let init = init_segment(&[track(&codec)]).unwrap();
    let media = fragment(0, &[sample(3_000, 0, true, unit(8))]);
    // A fragment before its init segment, samples past the end of the data, a fragment without data.
    let mut long = media.to_vec();
    let mdat = long.len() - 12 - 8;
    long[mdat + 3] -= 1;
    long.truncate(long.len() - 1);
    let without = &media[..media.len() - 12 - 8];
    let (items, errors) = read(&[&media[..], &init, &long, without, &media].concat());
    assert_eq!(frames(&items).len(), 1);
    let [Fmp4Error::Missing { .. }, Fmp4Error::OutsideData { .. }, Fmp4Error::OutsideData { .. }] =
        errors[..]
    else {
        panic!("{errors:?}")
    };
    let (_, errors) = read(&boxed(b"moov", &[]));
    assert!(matches!(errors[..], [Fmp4Error::Missing { .. }]));
}

#[test]
fn a_header_that_makes_no_sense_is_the_end() {
    let mut reader = FragmentReader::new();
    reader.push(b"\0\0\0\x07free\0\0\0\0");
    let error = reader.pull();
    assert!(matches!(error, Err(Fmp4Error::Field { field: "size", value: 7, .. })));
    reader.push(&[0; 1_000]);
    assert_eq!(reader.pull(), error);
    assert!(reader.input.is_empty());
    let (_, errors) = read(b"\0\0\0\x01free\0\0\0\0\0\0\0\x0f");
    assert!(matches!(errors[..], [Fmp4Error::Field { value: 15, .. }]));
}

#[test]
fn sizes_of_64_bits_and_up_to_the_end() {
    let codec = avc();
    let init = init_segment(&[track(&codec)]).unwrap();
    let media = fragment(0, &[sample(3_000, 0, true, unit(8))]);
    let (front, data) = media.split_at(media.len() - 20);
    let mut long_header = front.to_vec();
    // Eight bytes further back than the run says.
    let trun = long_header.windows(4).position(|name| name == b"trun").unwrap() + 4 + 8 + 3;
    long_header[trun] += 8;
    long_header.extend([0, 0, 0, 1, b'm', b'd', b'a', b't', 0, 0, 0, 0, 0, 0, 0, 28]);
    long_header.extend(&data[8..]);
    let endless = [front, &[0; 4], &data[4..]].concat();
    for bytes in [long_header, endless] {
        assert_eq!(frames(&read_well(&[&init[..], &bytes].concat()))[0].data, unit(8));
    }
}

/// What a run of samples is made from: durations, composition offsets, sync flags, sizes.
fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let one = (0u32..10_000, -9_000i32..9_000, any::<bool>(), 1usize..40);
    vec(one, 1..12).prop_map(|all| {
        all.into_iter()
            .map(|(duration, offset, sync, len)| sample(duration, offset, sync, unit(len)))
            .collect()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(video in samples(), audio in samples(), base in 0u64..1 << 40) {
        let (avc, opus) = (avc(), codecs().swap_remove(7).2);
        let tracks = [track(&avc), InitTrack { id: 9, timescale: Timescale::new(48_000).unwrap(), ..track(&opus) }];
        let runs = [
            TrackRun { track_id: 1, base_decode_time: base, samples: &video, protection: None },
            TrackRun { track_id: 9, base_decode_time: base + 1, samples: &audio, protection: None },
        ];
        let bytes = [init_segment(&tracks).unwrap(), fragment_of(&runs, &[])].concat();
        let found = frames(&read_well(&bytes));
        prop_assert_eq!(found.len(), video.len() + audio.len());
        let (videos, audios) = found.split_at(video.len());
        for (samples, frames, start) in [(&video, videos, base), (&audio, audios, base + 1)] {
            let mut at = i64::try_from(start).unwrap();
            for (sample, frame) in samples.iter().zip(frames) {
                prop_assert_eq!(frame.dts.ticks(), at);
                prop_assert_eq!(frame.pts.ticks(), at + i64::from(sample.composition_offset));
                prop_assert_eq!(&frame.data, &sample.data);
                prop_assert!(frame.sync == sample.sync || frame.track == TrackId::audio(0));
                at += i64::from(sample.duration);
            }
        }
    }

    #[test]
    fn any_chopping_gives_the_same(cuts in vec(any::<prop::sample::Index>(), 0..20), damage in any::<Option<(prop::sample::Index, u8)>>()) {
        let mut bytes = golden_file("ffmpeg_h264_aac.mp4");
        if let Some((at, byte)) = damage {
            let at = at.index(2_000);
            bytes[at] = byte;
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut reader = FragmentReader::new();
        let (mut items, mut errors) = (Vec::new(), Vec::new());
        for pair in cuts.windows(2) {
            if reader.failed.is_some() {
                break;
            }
            reader.push(&bytes[pair[0]..pair[1]]);
            let (more, wrong) = all(&mut reader);
            items.extend(more);
            errors.extend(wrong);
        }
        prop_assert_eq!((items, errors), read(&bytes));
    }

    #[test]
    fn no_damage_panics(places in vec((0usize..2_500, any::<u8>()), 1..40)) {
        let mut bytes = golden_file("ffmpeg_h264_aac.mp4");
        for (at, byte) in places {
            bytes[at] = byte;
        }
        read(&bytes);
    }

    #[test]
    fn no_bytes_panic(bodies in vec((0usize..6, vec(any::<u8>(), 0..60)), 0..6)) {
        let names = [b"moov", b"moof", b"mdat", b"emsg", b"free", b"styp"];
        let bytes: Vec<u8> = bodies.iter().flat_map(|(at, body)| boxed(names[*at], body)).collect();
        read(&bytes);
        let init = init_segment(&[track(&avc())]).unwrap();
        read(&[&init[..], &bytes].concat());
    }
}
