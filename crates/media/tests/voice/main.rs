//! Voice activity and windows, on the fixture recordings and on seeded signals.

mod fixtures;
mod spans;
mod windows;

use hansard_media::{Span, VoiceDetector, VoiceOptions};

/// The speech in `samples`, heard by blocks of `block` samples.
fn speech(samples: &[f32], block: usize) -> Vec<Span> {
    let mut detector = VoiceDetector::new(VoiceOptions::default());
    for block in samples.chunks(block.max(1)) {
        detector.push(block);
    }
    detector.finish();
    detector.spans().iter().copied().collect()
}
