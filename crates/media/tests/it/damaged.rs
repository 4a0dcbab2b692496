//! What is not a whole recording ends in what there is of it, or in an error that names file and cause.

use hansard_media::{Channels, Error, MediaFile, Recording};

use crate::reading::{file_of, fixture, read_file, read_fixture, seconds};

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(fixture(&format!("formats/{name}"))).expect("the fixture is there")
}

/// The error of a file with these bytes, after checking that it names the file.
fn error_of(bytes: &[u8]) -> Error {
    let file = file_of(bytes);
    let error = read_file(file.path()).expect_err("no recording");
    let name = file.path().display().to_string();
    assert!(error.to_string().starts_with(&name), "{error}");
    error
}

/// A WAV header for 16-bit samples, followed by `data`.
fn wav(rate: u32, channels: u16, data_size: u32, data: &[u8]) -> Vec<u8> {
    let frame = channels.wrapping_mul(2);
    let mut bytes = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0".to_vec();
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend(rate.wrapping_mul(frame.into()).to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend(16_u16.to_le_bytes());
    bytes.extend(b"data");
    bytes.extend(data_size.to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn nothing_and_next_to_nothing_are_told_apart_from_media() {
    assert!(matches!(error_of(b""), Error::Empty { .. }));
    let text = "Dear Sir, the recording is in the other parcel.\n".repeat(100);
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\x01\0\x08\x02\0\0\0".repeat(40);
    for bytes in [&b"R"[..], text.as_bytes(), &png] {
        let error = error_of(bytes);
        assert!(matches!(error, Error::NotMedia { .. }), "{error:?}");
    }
}

#[test]
fn what_is_no_file_is_refused_without_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let missing = MediaFile::open(folder.path().join("gone.wav"), Channels::Mix).unwrap_err();
    let directory = MediaFile::open(folder.path(), Channels::Mix).unwrap_err();

    assert!(matches!(missing, Error::Io { .. }), "{missing:?}");
    assert!(missing.to_string().contains("gone.wav"), "{missing}");
    assert!(matches!(directory, Error::NotAFile { .. }), "{directory:?}");
}

#[test]
fn a_header_without_samples_is_an_error() {
    assert!(matches!(error_of(&wav(16_000, 1, 0, &[])), Error::NoSamples { .. }));
}

#[test]
fn absurd_headers_are_refused() {
    let second = [0x11; 32_000];
    for (rate, channels) in [(1, 1), (0, 1), (4_000_000_000, 1), (16_000, 0), (16_000, 65_535)] {
        // Which error it is depends on who meets the number first.
        error_of(&wav(rate, channels, 32_000, &second));
    }
    let error = error_of(&wav(1, 1, 32_000, &second));
    assert!(error.to_string().ends_with("states an absurd sample rate of 1"), "{error}");
}

#[test]
fn a_stated_size_of_gigabytes_costs_nothing() {
    let file = file_of(&wav(16_000, 1, u32::MAX, &[0x11; 32_000]));

    assert_eq!(read_file(file.path()).unwrap().len(), 16_000);
}

#[test]
fn a_stated_duration_of_fifty_years_is_not_believed() {
    let mut bytes = bytes_of("en-00.opus.mkv");
    // The element `Duration` of Matroska: id 0x4489, size 8, a double in milliseconds.
    let at = bytes.windows(3).position(|window| window == [0x44, 0x89, 0x88]).unwrap();
    bytes[at + 3..at + 11].copy_from_slice(&(50.0 * 365.0 * 86_400e3_f64).to_be_bytes());
    let file = file_of(&bytes);

    let recording = MediaFile::open(file.path(), Channels::Mix).unwrap();

    assert_eq!(recording.duration_hint(), None);
    assert!((seconds(&read_file(file.path()).unwrap()) - 18.87).abs() < 0.03);
}

#[test]
fn encrypted_audio_is_named_as_such() {
    for name in ["en-00.aac.m4a", "en-00.video.mp4"] {
        let mut bytes = bytes_of(name);
        let entry = bytes.windows(4).rposition(|window| window == b"mp4a").unwrap();
        bytes[entry..entry + 4].copy_from_slice(b"enca");

        let error = error_of(&bytes);
        assert!(matches!(error, Error::Encrypted { .. }), "{name}: {error:?}");
    }
}

#[test]
fn a_codec_that_is_not_decoded_is_named() {
    let mut bytes = bytes_of("en-00.opus.mkv");
    let at = bytes.windows(6).position(|window| window == b"A_OPUS").unwrap();
    bytes[at..at + 6].copy_from_slice(b"A_AC3\0");

    let error = error_of(&bytes);
    assert!(error.to_string().ends_with("the audio codec AC-3 is not supported"), "{error}");
}

#[test]
fn a_video_without_sound_says_so() {
    let mut bytes = bytes_of("en-00.video.mp4");
    let handler = bytes.windows(4).position(|window| window == b"soun").unwrap();
    bytes[handler..handler + 4].copy_from_slice(b"text");
    let entry = bytes.windows(4).rposition(|window| window == b"mp4a").unwrap();
    bytes[entry..entry + 4].copy_from_slice(b"text");

    let error = error_of(&bytes);
    assert!(matches!(error, Error::NoAudioTrack { .. }), "{error:?}");
}

#[test]
fn a_file_that_is_cut_off_gives_what_there_is() {
    // These formats are written from front to back, so that any part from the front is a recording.
    for name in [
        "en-00.s24.wav",
        "en-00.be.aiff",
        "en-00.cbr64.mp3",
        "en-00.adts.aac",
        "en-00.aac-faststart.mp4",
        "en-00.vorbis.ogg",
        "en-00.opus-24k.opus",
        "en-00.opus.mkv",
        "en-00.browser.webm",
        "en-00.noise-10db.flac",
    ] {
        let bytes = bytes_of(name);
        let whole = read_fixture(&format!("formats/{name}"), Channels::Mix);
        for quarter in 1..4 {
            let file = file_of(&bytes[..bytes.len() * quarter / 4]);
            let part = read_file(file.path()).unwrap_or_else(|error| panic!("{name}: {error:?}"));

            let share = part.len() as f64 / whole.len() as f64;
            let expected = quarter as f64 / 4.0;
            assert!((share - expected).abs() < 0.1, "{name}: {share} of {expected}");
            // The last packet may have lost its neighbour.
            let sure = part.len() - 8_000;
            assert_eq!(part[..sure], whole[..sure], "{name}, quarter {quarter}");
        }
    }
}

#[test]
fn a_file_whose_index_is_cut_off_is_an_error() {
    // MP4 with its index at the end cannot be read without it.
    let bytes = bytes_of("en-00.aac.m4a");
    let error = error_of(&bytes[..bytes.len() / 2]);

    assert!(!matches!(error, Error::DecoderPanicked { .. }), "{error:?}");
}

#[test]
fn a_damaged_stretch_costs_no_more_than_itself() {
    for name in ["en-00.browser.webm", "en-00.cbr64.mp3", "en-00.opus-24k.opus", "en-00.aac.m4a"] {
        let mut bytes = bytes_of(name);
        let whole = read_fixture(&format!("formats/{name}"), Channels::Mix);
        let middle = bytes.len() / 2;
        bytes[middle..middle + 700].fill(0xff);

        let damaged = read_file(file_of(&bytes).path()).unwrap();

        // Ogg drops a page of a second; the others some packets, which are silence or are missing.
        let lost = seconds(&whole) - seconds(&damaged);
        assert!((-0.1..1.3).contains(&lost), "{name}: lost {lost} s");
        assert_eq!(damaged[..100_000], whole[..100_000], "{name}");
    }
}
