//! Recordings.

use std::fs;
use std::os::unix::fs::MetadataExt;

use hansard_testkit::speech;

#[test]
fn a_seed_decides_every_sample() {
    assert_eq!(speech::mono(1.5, 7), speech::mono(1.5, 7));
    assert_ne!(speech::mono(1.5, 7), speech::mono(1.5, 8));
    assert_eq!(speech::mono(1.5, 7).len(), 44 + 2 * 24_000);
}

#[test]
fn the_channels_are_told_apart() {
    let (left, right) = (speech::mono(0.5, 1), speech::mono(0.5, 2));

    let both = speech::stereo(0.5, 1, 2);

    let frames = both[44..].chunks_exact(4);
    assert!(frames.clone().map(|frame| &frame[..2]).eq(left[44..].chunks_exact(2)));
    assert!(frames.map(|frame| &frame[2..]).eq(right[44..].chunks_exact(2)));
}

#[test]
fn a_large_recording_takes_hardly_any_disk() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("long.wav");

    speech::write_sparse(&path, 2 << 30, 7);

    let file = fs::metadata(&path).expect("it is there");
    assert_eq!(file.len(), 2 << 30);
    assert!(file.blocks() * 512 < 1 << 20, "{} blocks", file.blocks());
}
