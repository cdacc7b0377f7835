//! `onMetaData` as viewers get it: the publisher's own words, corrected by what the codecs say.

use bytes::Bytes;

use super::amf::amf0::{self, Value};
use super::form::Form;
use super::metadata::{is_color_info, to_value};
use crate::codec::{Codec, MediaKind};
use crate::track::{TrackId, Tracks};

/// Pairs that describe the publisher's file or are wrong for whoever joins later.
const OF_A_FILE: [&str; 3] = ["duration", "filesize", "canSeekToEnd"];
/// Pairs that describe video. Left out where none is carried.
const OF_VIDEO: [&str; 5] = ["width", "height", "framerate", "videocodecid", "videodatarate"];
/// Pairs that describe audio. Left out where none is carried.
const OF_AUDIO: [&str; 7] = [
    "audiocodecid",
    "audiodatarate",
    "audiosamplerate",
    "audiosamplesize",
    "audiochannels",
    "audiodelay",
    "stereo",
];

/// The body of a script tag or data message that describes the tracks carried.
pub(super) fn on_metadata(tracks: &Tracks, carried: &[(TrackId, Form)]) -> Bytes {
    let of_kind = |kind: MediaKind| {
        carried.iter().filter_map(move |(id, form)| {
            let codec = &tracks.get(*id)?.codec;
            (codec.kind() == kind).then_some((*id, *form, codec))
        })
    };
    let (video, audio) = (of_kind(MediaKind::Video), of_kind(MediaKind::Audio));
    let mut fields = Vec::new();
    for (name, value) in &tracks.metadata {
        let stale = OF_A_FILE.contains(&name.as_str())
            || is_color_info(name)
            || OF_VIDEO.contains(&name.as_str()) && video.clone().next().is_none()
            || OF_AUDIO.contains(&name.as_str()) && audio.clone().next().is_none();
        if !stale {
            fields.push((name.clone(), to_value(value)));
        }
    }
    for (info_map, tracks) in [
        ("videoTrackIdInfoMap", Box::new(video) as Box<dyn Iterator<Item = _>>),
        ("audioTrackIdInfoMap", Box::new(audio)),
    ] {
        let mut others = Vec::new();
        for (index, (id, form, codec)) in tracks.enumerate() {
            if index == 0 {
                describe(form, codec, &mut fields);
            } else {
                let mut described = Vec::new();
                describe(form, codec, &mut described);
                others.push((id.index().to_string(), Value::Object(described)));
            }
        }
        if !others.is_empty() {
            set(&mut fields, info_map, Value::Object(others));
        }
    }
    amf0::encode_all(&[Value::from("onMetaData"), Value::EcmaArray(fields)]).freeze()
}

fn describe(form: Form, codec: &Codec, fields: &mut Vec<(String, Value)>) {
    let video = codec.kind() == MediaKind::Video;
    if let Some(resolution) = codec.resolution() {
        set(fields, "width", Value::from(f64::from(resolution.width)));
        set(fields, "height", Value::from(f64::from(resolution.height)));
    }
    if let Some(rate) = codec.frame_rate() {
        set(fields, "framerate", Value::from(rate.per_second()));
    }
    if let Some(number) = form.codec_number() {
        set(fields, if video { "videocodecid" } else { "audiocodecid" }, Value::from(number));
    }
    if let Some(rate) = codec.sample_rate_hz() {
        set(fields, "audiosamplerate", Value::from(f64::from(rate)));
    }
    if let Some(channels) = codec.channels() {
        set(fields, "audiochannels", Value::from(f64::from(channels)));
        set(fields, "stereo", Value::from(channels == 2));
    }
}

fn set(fields: &mut Vec<(String, Value)>, name: &str, value: Value) {
    match fields.iter_mut().find(|(held, _)| held == name) {
        Some((_, held)) => *held = value,
        None => fields.push((name.to_owned(), value)),
    }
}
