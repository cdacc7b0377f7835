//! Streams as they are on bad days: what an independent reader finds in the playlists, and whether it decodes.

use streamer_interop::Outcome;
use streamer_interop::feed::{Feed, Scene};
use streamer_interop::hls::{self, Followed};
use streamer_interop::play;
use streamer_interop::publish;
use streamer_interop::server::Container::{self, Fmp4, Ts};
use streamer_interop::server::Server;
use streamer_interop::tools::Tool::{self, Ffmpeg, FfmpegNewer};

const SMALL: &str = "h264_small_aac.mp4";

/// Publishes `clip`, follows both playlists for `seconds`, and decodes `pictures` pictures from both.
fn follow_and_decode(
    from: Tool,
    clip: &str,
    seconds: u32,
    pictures: usize,
) -> Outcome<Vec<(Container, Followed)>> {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(from, clip, &server.rtmp("x")?)?;
    let mut followers = Vec::new();
    for container in [Ts, Fmp4] {
        followers.push((container, hls::start(&server.hls("x", container)?, seconds)?));
    }
    for container in [Ts, Fmp4] {
        play::decode(FfmpegNewer, &server.hls("x", container)?, pictures)?;
    }
    let mut all = Vec::new();
    for (container, follower) in followers {
        let followed = hls::followed(follower, seconds)?;
        followed.expect_sound(2)?;
        all.push((container, followed));
    }
    Ok(all)
}

#[test]
fn sound_alone_is_cut_by_time() -> Outcome {
    for (container, followed) in follow_and_decode(Ffmpeg, "audio_aac.mp4", 9, 1)? {
        let [rendition] = followed.renditions.as_slice() else { return Err(format!("{followed:?}").into()) };
        let name = if container == Ts { "/ts/" } else { "/audio0/" };
        assert!(rendition.uri.contains(name), "{followed:?}");
        assert!(
            rendition.segments.iter().all(|segment| (1.9..2.1).contains(&segment.duration)),
            "{followed:?}"
        );
    }
    Ok(())
}

#[test]
fn mp3_is_carried() -> Outcome {
    follow_and_decode(Ffmpeg, "audio_mp3.mp3", 6, 1).map(drop)
}

#[test]
fn pictures_alone() -> Outcome {
    follow_and_decode(Ffmpeg, "h264_video_only.mp4", 7, 60).map(drop)
}

#[test]
fn groups_of_one_picture_are_gathered() -> Outcome {
    for (_, followed) in follow_and_decode(Ffmpeg, "h264_all_intra_aac.mp4", 9, 60)? {
        for rendition in &followed.renditions {
            assert!(rendition.segments.iter().all(|segment| segment.duration > 1.9), "{followed:?}");
        }
    }
    Ok(())
}

#[test]
fn groups_of_half_a_minute_are_cut_within() -> Outcome {
    for (_, followed) in follow_and_decode(Ffmpeg, "h264_long_gop_aac.mp4", 36, 60)? {
        for rendition in &followed.renditions {
            assert!(rendition.target_duration.is_some_and(|target| target <= 10), "{followed:?}");
            // The first begins with a key frame; the next cannot.
            assert_eq!(rendition.independent_segments, Some(rendition.uri.contains("audio")), "{followed:?}");
        }
    }
    Ok(())
}

#[test]
fn a_frame_rate_that_varies() -> Outcome {
    follow_and_decode(Ffmpeg, "h264_vfr_aac.mp4", 9, 60).map(drop)
}

#[test]
fn b_frames() -> Outcome {
    follow_and_decode(Ffmpeg, "h264_bframes_aac.mp4", 7, 60).map(drop)
}

#[test]
fn hevc() -> Outcome {
    follow_and_decode(FfmpegNewer, "hevc_aac.mp4", 7, 60).map(drop)
}

#[test]
fn av1_in_fmp4_and_its_sound_alone_in_a_transport_stream() -> Outcome {
    let server = Server::start("")?;
    let _publisher = publish::ffmpeg(FfmpegNewer, "av1_aac.mp4", &server.rtmp("x")?)?;
    let url = server.hls("x", Fmp4)?;
    let followed = hls::follow(&url, 7)?;
    followed.expect_sound(2)?;
    assert!(
        followed
            .variants
            .iter()
            .any(|variant| variant.codecs.as_deref().is_some_and(|codecs| codecs.contains("av01")))
    );
    play::decode(FfmpegNewer, &url, 60)?;
    let sound = hls::follow(&server.hls("x", Ts)?, 5)?;
    sound.expect_sound(2)?;
    assert_eq!(sound.variants[0].codecs.as_deref(), Some("mp4a.40.2"), "{sound:?}");
    Ok(())
}

/// Publishes scenes and follows both playlists.
fn scenes(scenes: &[Scene], seconds: u32) -> Outcome<Vec<Followed>> {
    let server = Server::start(r#", "hls": { "mode": "always" }"#)?;
    let _feed = Feed::start(server.registry(), &"live/x".parse()?, scenes)?;
    let mut followers = Vec::new();
    for container in [Ts, Fmp4] {
        followers.push(hls::start(&server.hls("x", container)?, seconds)?);
    }
    let mut all = Vec::new();
    for follower in followers {
        let followed = hls::followed(follower, seconds)?;
        followed.expect_sound(3)?;
        all.push(followed);
    }
    for container in [Ts, Fmp4] {
        play::decode(FfmpegNewer, &server.hls("x", container)?, 60)?;
    }
    Ok(all)
}

#[test]
fn a_jump_of_hours_leaves_no_hole() -> Outcome {
    const HOURS_MS: i64 = 7 * 3_600_000;
    let scene = |from_ms| Scene { clip: SMALL, from_ms, length_ms: 5_000 };
    for followed in scenes(&[scene(0), scene(HOURS_MS), scene(-HOURS_MS)], 14)? {
        for rendition in &followed.renditions {
            let total: f64 = rendition.segments.iter().map(|segment| segment.duration).sum();
            assert!(
                total < 40.0 && rendition.segments.iter().all(|segment| segment.duration > 0.5),
                "{followed:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn other_parameters_in_mid_stream_begin_a_segment() -> Outcome {
    let small = Scene { clip: SMALL, from_ms: 0, length_ms: 5_000 };
    let large = Scene { clip: "h264_aac.mp4", from_ms: 5_000, length_ms: 6_000 };
    for followed in scenes(&[small, large], 12)? {
        for rendition in &followed.renditions {
            let breaks = rendition.segments.iter().filter(|segment| segment.discontinuity).count();
            assert_eq!(breaks, 1, "{followed:?}");
        }
        if let Ok(video) = followed.rendition("video0") {
            let mut maps: Vec<_> = video.segments.iter().map(|segment| segment.map.clone()).collect();
            maps.dedup();
            assert_eq!(maps.len(), 2, "{followed:?}");
        }
    }
    Ok(())
}

#[test]
fn a_publisher_that_returns_in_time_goes_on_in_the_same_playlist() -> Outcome {
    let server = Server::start(r#", "grace_ms": 20000, "hls": { "mode": "always" }"#)?;
    let address = server.rtmp("x")?;
    let first = publish::ffmpeg(Ffmpeg, SMALL, &address)?;
    let mut followers = Vec::new();
    for container in [Ts, Fmp4] {
        followers.push(hls::start(&server.hls("x", container)?, 18)?);
    }
    // An encoder's life: it runs until viewers see something, dies, and is started again.
    for container in [Ts, Fmp4] {
        hls::until_listed(&server.hls("x", container)?, 2)?;
    }
    drop(first);
    let _second = publish::ffmpeg(Ffmpeg, SMALL, &address)?;
    for follower in followers {
        let followed = hls::followed(follower, 18)?;
        followed.expect_sound(4)?;
        for rendition in &followed.renditions {
            assert!(!rendition.ended, "{followed:?}");
            let breaks = rendition.segments.iter().filter(|segment| segment.discontinuity).count();
            assert_eq!(breaks, 1, "{followed:?}");
        }
    }
    Ok(())
}

#[test]
fn a_publisher_that_stays_away_ends_the_playlist_and_begins_another() -> Outcome {
    let server = Server::start(r#", "grace_ms": 0"#)?;
    let address = server.rtmp("x")?;
    let first = publish::ffmpeg(Ffmpeg, SMALL, &address)?;
    let url = server.hls("x", Fmp4)?;
    let follower = hls::start(&url, 60)?;
    hls::until_listed(&url, 2)?;
    drop(first);
    let ended = hls::followed(follower, 60)?;
    ended.expect_sound(2)?;
    assert!(ended.renditions.iter().all(|rendition| rendition.ended), "{ended:?}");
    let _second = publish::ffmpeg(Ffmpeg, SMALL, &address)?;
    let pictures = play::decode(Ffmpeg, &url, 60)?;
    play::expect_pictures(&pictures, Ffmpeg, SMALL, 60)?;
    let begun = hls::follow(&url, 3)?;
    let last = ended.renditions[0].numbers.last();
    assert!(begun.renditions[0].numbers.first() > last, "numbers never fall: {ended:?} {begun:?}");
    Ok(())
}
