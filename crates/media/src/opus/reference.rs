//! Every Opus clip against what libopus makes of it (`tests/data/opus.json` and its script).

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::decode::Decoder;
use crate::demux::{Demuxer, Next};

/// 100 ms, as in the script.
const BLOCK_FRAMES: usize = 4_800;

/// Signs of the sums, as in the script: the top bits of splitmix64.
fn is_negative(index: usize) -> bool {
    let state = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ (mixed >> 31)) >> 63 == 1
}

fn clip_path(name: &str) -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = crate_folder.join("tests/data").join(name);
    if own.exists() { own } else { crate_folder.join("../../fixtures/formats").join(name) }
}

/// Interleaved 16-bit samples at 48 kHz, without the pre-skip.
fn decode(name: &str) -> Vec<i64> {
    let mut demuxer = Demuxer::open(&clip_path(name), name).expect("the clip opens");
    let mut decoder = Decoder::new(name, demuxer.track()).expect("the decoder starts");
    let (mut all, mut packet_samples) = (Vec::new(), Vec::new());
    loop {
        match demuxer.next().expect("the clip reads") {
            Next::Packet(packet) => {
                decoder.decode(&packet, &mut packet_samples).expect("the packet decodes");
                all.extend(packet_samples.iter().map(|sample| (sample * 32_768.0) as i64));
            }
            Next::End => break,
            Next::Other | Next::NewTrack | Next::Bad(_) => panic!("{name}: only packets expected"),
        }
    }
    let skipped = decoder.skipped_frames(super::RATE) as usize * decoder.layout().count();
    all.split_off(skipped)
}

/// Order of ffmpeg's channels in terms of ours.
fn reference_order(channels: usize) -> &'static [usize] {
    match channels {
        1 => &[0],
        2 => &[0, 1],
        6 => &[0, 2, 1, 5, 3, 4],
        _ => panic!("no clip has {channels} channels"),
    }
}

/// Signal to noise ratio in dB of `samples` against the sums of the reference.
fn estimated_snr(samples: &[i64], channels: usize, reference: &Value) -> f64 {
    let order = reference_order(channels);
    let mut sums = vec![0_i64; samples.len().div_ceil(BLOCK_FRAMES * channels)];
    for (frame, values) in samples.chunks_exact(channels).enumerate() {
        for (place, channel) in order.iter().enumerate() {
            let sign = if is_negative(frame * channels + place) { -1 } else { 1 };
            sums[frame / BLOCK_FRAMES] += sign * values[*channel];
        }
    }
    let expected = reference["sums"].as_array().expect("sums");
    let error: f64 = (sums.iter().zip(expected))
        .map(|(sum, expected)| (*sum - expected.as_i64().expect("a sum")) as f64)
        .map(|difference| difference.powi(2))
        .sum();
    let energy = reference["energy"].as_f64().expect("energy");
    10.0 * (energy / error.max(1.0)).log10()
}

#[test]
fn every_clip_sounds_as_libopus_decodes_it() {
    let text = include_str!("../../tests/data/opus.json");
    let clips: Value = serde_json::from_str(text).unwrap();

    for (name, reference) in clips.as_object().unwrap() {
        let channels = reference["channels"].as_u64().unwrap() as usize;
        let frames = reference["frames"].as_u64().unwrap() as usize;
        let mut samples = decode(name);

        // Matroska's DiscardPadding is left out later, by the stream, so that up to one packet more may come.
        let extra = (samples.len() / channels).checked_sub(frames);
        assert!(
            extra.is_some_and(|extra| extra < 960),
            "{name}: {} frames",
            samples.len() / channels
        );
        samples.truncate(frames * channels);
        let snr = estimated_snr(&samples, channels, reference);
        assert!(snr > 60.0, "{name}: {snr:.1} dB");
    }
}
