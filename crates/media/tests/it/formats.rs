//! Every container and codec gives the recording that was put into it.

use hansard_media::{Channels, Error, MediaFile, Recording};

use crate::reading::{file_of, fixture, likeness, read_all, read_file, read_fixture, seconds};

/// File, container, codec, sample rate, channels, seconds as ffmpeg decodes it, least correlation with
/// the clip that it was made from.
type Row = (&'static str, &'static str, &'static str, u32, usize, f64, f64);

const FORMATS: &[Row] = &[
    ("en-00.8k.wav", "wave", "pcm_s16le", 8_000, 1, 18.8666, 0.95),
    ("en-00.u8.wav", "wave", "pcm_u8", 16_000, 1, 18.8666, 0.97),
    ("en-00.s24.wav", "wave", "pcm_s24le", 16_000, 1, 18.8666, 0.9999),
    ("en-00.s32.wav", "wave", "pcm_s32le", 16_000, 1, 5.3, 0.9999),
    ("en-00.f32-96k.wav", "wave", "pcm_f32le", 96_000, 1, 5.3, 0.999),
    ("en-00.s16-44k-stereo.wav", "wave", "pcm_s16le", 44_100, 2, 5.3, 0.999),
    ("en-00.extensible-5.1.wav", "wave", "pcm_s24le", 16_000, 6, 5.3, 0.999),
    ("en-00.be.aiff", "aiff", "pcm_s16be", 16_000, 1, 18.8666, 0.9999),
    ("en-00.48k-stereo.flac", "flac", "flac", 48_000, 2, 5.3, 0.999),
    ("en-00.cbr64.mp3", "mp3", "mp3", 16_000, 1, 18.8669, 0.99),
    ("en-00.vbr-44k.mp3", "mp3", "mp3", 44_100, 1, 18.8666, 0.99),
    ("en-00.adts.aac", "aac", "aac", 16_000, 1, 18.944, 0.99),
    ("en-00.aac.m4a", "isomp4", "aac", 16_000, 1, 18.88, 0.99),
    ("en-00.aac-faststart.mp4", "isomp4", "aac", 16_000, 1, 18.88, 0.99),
    ("en-00.aac.mov", "isomp4", "aac", 16_000, 1, 18.88, 0.99),
    ("en-00.video.mp4", "isomp4", "aac", 16_000, 1, 18.88, 0.99),
    ("en-00.alac.m4a", "isomp4", "alac", 16_000, 1, 18.8666, 0.9999),
    ("en-00.vorbis.ogg", "ogg", "vorbis", 16_000, 1, 18.8666, 0.98),
    ("en-00.vorbis.webm", "matroska", "vorbis", 16_000, 1, 18.888, 0.98),
    ("en-00.opus-6k.ogg", "ogg", "opus", 48_000, 1, 18.8666, 0.6),
    ("en-00.opus-24k.opus", "ogg", "opus", 48_000, 1, 18.8666, 0.9),
    ("en-00.opus-128k-stereo.opus", "ogg", "opus", 48_000, 2, 18.8666, 0.99),
    ("en-00.opus.mkv", "matroska", "opus", 48_000, 1, 18.8666, 0.99),
    ("en-00.browser.webm", "matroska", "opus", 48_000, 1, 18.8666, 0.9),
    ("en-00.browser-cut.webm", "matroska", "opus", 48_000, 1, 13.2135, 0.9),
    ("pt-00.aac.m4a", "isomp4", "aac", 16_000, 1, 18.432, 0.99),
    ("pt-00.cbr64.mp3", "mp3", "mp3", 16_000, 1, 18.4155, 0.99),
    ("pt-00.vorbis.ogg", "ogg", "vorbis", 16_000, 1, 18.4155, 0.98),
    ("pt-00.opus-24k.opus", "ogg", "opus", 48_000, 1, 18.4155, 0.9),
    ("pt-00.browser.webm", "matroska", "opus", 48_000, 1, 18.4155, 0.9),
    ("pt-00.browser-cut.webm", "matroska", "opus", 48_000, 1, 12.8135, 0.9),
];

/// ADTS has no place to say how long the encoder's delay is.
const UNMARKED_DELAY: &str = "en-00.adts.aac";

#[test]
fn every_format_gives_the_clip_that_was_put_into_it() {
    let english = read_fixture("clips/en-00.flac", Channels::Mix);
    let portuguese = read_fixture("clips/pt-00.flac", Channels::Mix);

    for (name, container, codec, rate, channels, length, correlation) in FORMATS {
        let file = MediaFile::open(fixture(&format!("formats/{name}")), Channels::Mix).unwrap();
        let info = file.info();
        assert_eq!((info.container, info.codec), (*container, *codec), "{name}");
        assert_eq!((info.sample_rate, info.channels), (*rate, *channels), "{name}");

        let samples = read_all(&file).unwrap();
        assert!((seconds(&samples) - length).abs() < 0.03, "{name}: {} s", seconds(&samples));
        let original = if name.starts_with("en") { &english } else { &portuguese };
        let like = likeness(&samples, original);
        assert!(like.correlation > *correlation, "{name}: {like:?}");
        let delay = if *name == UNMARKED_DELAY { 1_024 } else { 0 };
        assert!((like.shift - delay).abs() <= 8, "{name}: {like:?}");
    }
}

#[test]
fn lossless_clips_of_all_lengths_have_every_sample() {
    for (name, samples) in [
        ("clips/en-00.flac", 301_865),
        ("clips/long-01.flac", 2_234_822),
        ("formats/silence.flac", 320_000),
        ("formats/dial-tone.flac", 192_000),
        ("formats/call.flac", 435_667),
    ] {
        assert_eq!(read_fixture(name, Channels::Mix).len(), samples, "{name}");
    }
    let original = read_fixture("clips/en-00.flac", Channels::Mix);
    assert_eq!(read_fixture("formats/en-00.alac.m4a", Channels::Mix), original);
    assert_eq!(read_fixture("formats/en-00.s24.wav", Channels::Mix), original);
}

#[test]
fn the_content_counts_and_not_the_name() {
    for name in ["en-00.aac.m4a", "en-00.vorbis.ogg", "en-00.cbr64.mp3", "en-00.browser.webm"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording.wav");
        std::fs::copy(fixture(&format!("formats/{name}")), &path).unwrap();

        let renamed = read_file(&path).unwrap();

        assert_eq!(renamed, read_fixture(&format!("formats/{name}"), Channels::Mix), "{name}");
    }
}

#[test]
fn a_recording_opened_twice_starts_twice() {
    let file = MediaFile::open(fixture("formats/en-00.vorbis.ogg"), Channels::Mix).unwrap();
    let mut first = file.open().unwrap();
    let mut head = [0.0; 100];
    first.read(&mut head).unwrap();

    let (again, whole) = (read_all(&file).unwrap(), read_all(&file).unwrap());

    assert_eq!(again, whole);
    assert_eq!(again[..100], head);
}

#[test]
fn the_two_sides_of_a_call_are_kept_apart_when_asked() {
    for (name, least) in [("formats/call.flac", 0.9999), ("formats/call.webm", 0.99)] {
        let caller = read_fixture(name, Channels::Only(0));
        let called = read_fixture(name, Channels::Only(1));
        let mixed = read_fixture(name, Channels::Mix);

        assert!(likeness(&caller, &called).correlation < 0.5, "{name}");
        for (channel, side) in [(0, &caller), (1, &called)] {
            let lossless = read_fixture("formats/call.flac", Channels::Only(channel));
            assert!(likeness(side, &lossless).correlation > least, "{name}, side {channel}");
        }
        let mean: Vec<f32> = caller.iter().zip(&called).map(|(a, b)| (a + b) / 2.0).collect();
        let difference = mean.iter().zip(&mixed).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-5, "{name}: {difference}");
    }
}

#[test]
fn a_channel_that_is_not_there_is_refused_by_name() {
    let error = MediaFile::open(fixture("formats/call.flac"), Channels::Only(2)).unwrap_err();

    assert!(matches!(error, Error::NoSuchChannel { asked: 2, channels: 2, .. }), "{error}");
    assert!(error.to_string().contains("call.flac"), "{error}");
}

#[test]
fn the_stated_length_is_passed_on_where_there_is_one() {
    let hint = |name: &str| {
        MediaFile::open(fixture(name), Channels::Mix).expect("the fixture opens").duration_hint()
    };

    for name in ["clips/en-00.flac", "formats/en-00.aac.m4a", "formats/en-00.opus.mkv"] {
        assert!(hint(name).is_some_and(|seconds| (seconds - 18.87).abs() < 0.1), "{name}");
    }
    assert_eq!(hint("formats/en-00.browser.webm"), None);
}

#[test]
fn the_header_gain_of_opus_is_applied() {
    let path = fixture("formats/en-00.opus.mkv");
    let mut bytes = std::fs::read(&path).unwrap();
    let head = bytes.windows(8).position(|window| window == b"OpusHead").unwrap();
    // Output gain in 1/256 dB, little-endian: -6.02 dB is half the level.
    bytes[head + 16..head + 18].copy_from_slice(&(-1541_i16).to_le_bytes());

    let (plain, quiet) = (read_file(&path).unwrap(), read_file(file_of(&bytes).path()).unwrap());

    let energy = |samples: &[f32]| samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    let ratio = (energy(&quiet) / energy(&plain)).sqrt();
    assert!((ratio - 0.5).abs() < 1e-3, "{ratio}");
}
