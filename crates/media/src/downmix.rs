//! Many channels to one.
//!
//! The weights are those of ffmpeg's `-ac 1` (libswresample's default matrix): front channels count
//! 1/sqrt 2 against a centre of 1, surrounds half, low-frequency effects nothing, and the whole is
//! scaled so that the weights sum to 1. Stereo becomes the mean of both.

use std::f32::consts::FRAC_1_SQRT_2;

use symphonia::core::audio::{ChannelLabel, Channels as Layout, Position};

/// Largest sample that is passed on, 100 dB above full scale. Filters stay finite on it.
const LOUDEST: f32 = 1e5;

/// Which sound a recording of several channels gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Channels {
    /// All channels mixed into one.
    #[default]
    Mix,
    /// One channel alone, counted from 0 in the order of the container's layout.
    Only(usize),
}

/// Folds interleaved frames of one layout into single samples.
#[derive(Debug)]
pub(crate) struct Mixer {
    /// One weight per channel.
    weights: Vec<f32>,
}

impl Mixer {
    /// `None` where `channels` asks for one that `layout` does not have.
    pub(crate) fn new(layout: &Layout, channels: Channels) -> Option<Self> {
        let weights = match channels {
            Channels::Mix => mix_weights(layout),
            Channels::Only(asked) if asked < layout.count() => {
                (0..layout.count()).map(|channel| f32::from(channel == asked)).collect()
            }
            Channels::Only(_) => return None,
        };
        Some(Self { weights })
    }

    /// Appends one sample to `mono` for every whole frame of `interleaved`.
    ///
    /// Float files may hold anything; what is not finite becomes silence, and the rest is kept within
    /// [`LOUDEST`].
    pub(crate) fn fold(&self, interleaved: &[f32], mono: &mut Vec<f32>) {
        let frames = interleaved.chunks_exact(self.weights.len());
        mono.extend(frames.map(|frame| {
            // A channel of weight 0 is skipped, not multiplied: 0 times infinity is no silence.
            let used = frame.iter().zip(&self.weights).filter(|(_, weight)| **weight != 0.0);
            let sum: f32 = used.map(|(sample, weight)| sample * weight).sum();
            if sum.is_finite() { sum.clamp(-LOUDEST, LOUDEST) } else { 0.0 }
        }));
    }
}

fn mix_weights(layout: &Layout) -> Vec<f32> {
    let raw: Vec<f32> = match layout {
        Layout::Positioned(positions) => positions.iter().map(position_weight).collect(),
        Layout::Custom(labels) => labels.iter().map(label_weight).collect(),
        // Channels without a place in a room all count the same.
        _ => vec![1.0; layout.count()],
    };
    let sum: f32 = raw.iter().sum();
    if sum > 0.0 {
        raw.iter().map(|weight| weight / sum).collect()
    } else {
        // Nothing but low-frequency effects: better those than nothing.
        vec![1.0 / raw.len().max(1) as f32; raw.len()]
    }
}

fn label_weight(label: &ChannelLabel) -> f32 {
    match label {
        ChannelLabel::Positioned(position) => position_weight(*position),
        _ => 1.0,
    }
}

fn position_weight(position: Position) -> f32 {
    const FRONT: Position = Position::FRONT_LEFT
        .union(Position::FRONT_RIGHT)
        .union(Position::FRONT_LEFT_CENTER)
        .union(Position::FRONT_RIGHT_CENTER);
    const LOW: Position = Position::LFE1.union(Position::LFE2);

    if position == Position::FRONT_CENTER {
        1.0
    } else if FRONT.contains(position) {
        FRAC_1_SQRT_2
    } else if LOW.contains(position) {
        0.0
    } else {
        0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SURROUND: Position = Position::FRONT_LEFT
        .union(Position::FRONT_RIGHT)
        .union(Position::FRONT_CENTER)
        .union(Position::LFE1)
        .union(Position::REAR_LEFT)
        .union(Position::REAR_RIGHT);

    fn fold(layout: Layout, channels: Channels, interleaved: &[f32]) -> Vec<f32> {
        let mut mono = Vec::new();
        Mixer::new(&layout, channels).expect("the channel exists").fold(interleaved, &mut mono);
        mono
    }

    #[test]
    fn stereo_is_the_mean_of_both() {
        let stereo = Layout::Positioned(Position::FRONT_LEFT | Position::FRONT_RIGHT);

        assert_eq!(fold(stereo, Channels::Mix, &[0.5, 0.25, -1.0, 1.0]), [0.375, 0.0]);
    }

    #[test]
    fn surround_weighs_as_ffmpeg_does() {
        // ffmpeg's coefficients for 5.1 to mono: 0.2071, 0.2071, 0.2929, 0, 0.1464, 0.1464.
        let weights = mix_weights(&Layout::Positioned(SURROUND));

        let expected = [0.2071, 0.2071, 0.2929, 0.0, 0.1464, 0.1464];
        for (weight, expected) in weights.iter().zip(expected) {
            assert!((weight - expected).abs() < 1e-4, "{weights:?}");
        }
    }

    #[test]
    fn a_single_channel_passes_unchanged_wherever_it_stands() {
        for position in [Position::FRONT_LEFT, Position::FRONT_CENTER, Position::LFE1] {
            assert_eq!(fold(Layout::Positioned(position), Channels::Mix, &[0.3]), [0.3]);
        }
    }

    #[test]
    fn channels_without_a_place_are_averaged() {
        assert_eq!(fold(Layout::Discrete(4), Channels::Mix, &[1.0, 0.0, 0.0, 1.0]), [0.5]);
    }

    #[test]
    fn one_channel_is_kept_apart_and_a_missing_one_refused() {
        let layout = Layout::Positioned(SURROUND);

        assert_eq!(fold(layout.clone(), Channels::Only(2), &[9.0, 9.0, 0.5, 9.0, 9.0, 9.0]), [0.5]);
        assert!(Mixer::new(&layout, Channels::Only(6)).is_none());
    }

    #[test]
    fn what_is_not_finite_becomes_silence() {
        let frames = [f32::NAN, f32::INFINITY, -f32::MAX, 0.5];

        assert_eq!(fold(Layout::Discrete(1), Channels::Mix, &frames), [0.0, 0.0, -LOUDEST, 0.5]);
    }
}
