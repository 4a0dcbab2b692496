//! Recordings to send about: WAV files of seeded noise, in which the fake engine hears other words for every seed.

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Samples a second.
pub const RATE: u32 = 16_000;

/// Bytes before the first sample.
const HEADER_BYTES: u32 = 44;

/// Bytes of a sample.
const SAMPLE_BYTES: u32 = 2;

/// A mono recording of so many seconds.
pub fn mono(seconds: f64, seed: u64) -> Vec<u8> {
    wav(1, &noise(seconds, seed))
}

/// A recording of two channels, each of which is what [`mono`] gives for its seed.
pub fn stereo(seconds: f64, left: u64, right: u64) -> Vec<u8> {
    let (left, right) = (noise(seconds, left), noise(seconds, right));
    let both: Vec<i16> = left.into_iter().zip(right).flat_map(<[i16; 2]>::from).collect();
    wav(2, &both)
}

/// Writes a mono recording of so many bytes (even, under 4 GiB) that takes hardly any space on the disk: a second of
/// noise, then silence.
pub fn write_sparse(path: &Path, bytes: u32, seed: u64) {
    let sound = noise(1.0, seed);
    let head = wav_header(1, bytes - HEADER_BYTES);
    let written = File::create(path).and_then(|mut file| {
        file.write_all(&head)?;
        file.write_all(&little_endian(&sound))?;
        file.set_len(u64::from(bytes))
    });
    written.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

fn noise(seconds: f64, seed: u64) -> Vec<i16> {
    let count = (seconds * f64::from(RATE)).round() as usize;
    // A linear congruential generator with Knuth's constants; its high bits are random enough to be heard as noise.
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // A quarter of the range, as loud as speech.
        ((state >> 48) as u16 as i16) / 4
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn wav(channels: u16, samples: &[i16]) -> Vec<u8> {
    let samples = little_endian(samples);
    let bytes = u32::try_from(samples.len()).expect("a recording of a test is small");
    let mut file = wav_header(channels, bytes);
    file.extend(samples);
    file
}

fn little_endian(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn wav_header(channels: u16, sample_bytes: u32) -> Vec<u8> {
    let frame = SAMPLE_BYTES * u32::from(channels);
    let mut header = Vec::with_capacity(HEADER_BYTES as usize);
    header.extend(b"RIFF");
    header.extend((HEADER_BYTES - 8 + sample_bytes).to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16_u32.to_le_bytes());
    header.extend(1_u16.to_le_bytes()); // PCM
    header.extend(channels.to_le_bytes());
    header.extend(RATE.to_le_bytes());
    header.extend((RATE * frame).to_le_bytes());
    header.extend((frame as u16).to_le_bytes());
    header.extend(16_u16.to_le_bytes()); // bits
    header.extend(b"data");
    header.extend(sample_bytes.to_le_bytes());
    header
}
