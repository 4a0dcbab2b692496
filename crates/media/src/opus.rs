//! Opus, which the demuxing library reads but does not decode. See `docs/decisions/0002-opus-decoder.md`.
//!
//! Headers: RFC 7845 section 5.1 (`OpusHead`, little-endian) and the `dOps` box of MP4, the same
//! fields big-endian with version 0.

use ropus::OpusMSDecoder;
use symphonia::core::audio::{ChannelLabel, Channels as Layout, Position};

/// Opus always decodes at 48 kHz here; lower rates would only be another resampler on the way.
pub(crate) const RATE: u32 = 48_000;

/// The longest packet, 120 ms (RFC 6716 section 3.4).
const FRAMES_MAX: usize = RATE as usize * 120 / 1000;

/// Bytes of the longest packet of one stream: 48 frames of at most 1275 bytes and their lengths (RFC 6716
/// section 3.2), with as much padding again.
const STREAM_BYTES_MAX: usize = 2 * 48 * 1277;

/// Why a header or a packet could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpusError {
    #[error("the Opus header is too short or contradicts itself")]
    Header,
    #[error("the Opus packet is not valid (code {0})")]
    Packet(i32),
    #[error("the Opus packet is empty or too long")]
    PacketLength,
}

/// The identification header.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    channels: u8,
    /// Frames at 48 kHz to drop from the start.
    pre_skip: u16,
    /// In 1/256 dB.
    gain: i16,
    family: u8,
    streams: u8,
    coupled: u8,
    /// One decoded channel per output channel; 255 is silence.
    mapping: Vec<u8>,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let fields = bytes.strip_prefix(b"OpusHead")?;
        let (&version, &channels) = (fields.first()?, fields.get(1)?);
        let pair = |at: usize| -> Option<[u8; 2]> { fields.get(at..at + 2)?.try_into().ok() };
        let (pre_skip, gain) = if version == 0 {
            (u16::from_be_bytes(pair(2)?), i16::from_be_bytes(pair(8)?))
        } else {
            (u16::from_le_bytes(pair(2)?), i16::from_le_bytes(pair(8)?))
        };
        let family = *fields.get(10)?;
        if family == 0 {
            return Self::plain(channels, pre_skip, gain);
        }
        let (&streams, &coupled) = (fields.get(11)?, fields.get(12)?);
        let mapping = fields.get(13..13 + usize::from(channels))?.to_vec();
        Some(Self { channels, pre_skip, gain, family, streams, coupled, mapping })
    }

    /// One stream, mono or stereo.
    fn plain(channels: u8, pre_skip: u16, gain: i16) -> Option<Self> {
        let mapping = match channels {
            1 => vec![0],
            2 => vec![0, 1],
            _ => return None,
        };
        Some(Self {
            channels,
            pre_skip,
            gain,
            family: 0,
            streams: 1,
            coupled: channels - 1,
            mapping,
        })
    }

    fn layout(&self) -> Layout {
        use Position as P;
        const CENTRE: &[P] = &[P::FRONT_CENTER];
        const TWO: &[P] = &[P::FRONT_LEFT, P::FRONT_RIGHT];
        const THREE: &[P] = &[P::FRONT_LEFT, P::FRONT_CENTER, P::FRONT_RIGHT];
        const FOUR: &[P] = &[P::FRONT_LEFT, P::FRONT_RIGHT, P::REAR_LEFT, P::REAR_RIGHT];
        // From here on the orders extend each other: left, centre, right, surrounds, low frequencies last.
        const FIVE: &[P] =
            &[P::FRONT_LEFT, P::FRONT_CENTER, P::FRONT_RIGHT, P::REAR_LEFT, P::REAR_RIGHT];
        const SEVEN: &[P] =
            &[P::FRONT_LEFT, P::FRONT_CENTER, P::FRONT_RIGHT, P::SIDE_LEFT, P::SIDE_RIGHT];

        let (front, back): (&[P], &[P]) = match (self.family, self.channels) {
            (0 | 1, 1) => (CENTRE, &[]),
            (0 | 1, 2) => (TWO, &[]),
            (1, 3) => (THREE, &[]),
            (1, 4) => (FOUR, &[]),
            (1, 5) => (FIVE, &[]),
            (1, 6) => (FIVE, &[P::LFE1]),
            (1, 7) => (SEVEN, &[P::REAR_CENTER, P::LFE1]),
            (1, 8) => (SEVEN, &[P::REAR_LEFT, P::REAR_RIGHT, P::LFE1]),
            _ => return Layout::Discrete(u16::from(self.channels)),
        };
        let positions = front.iter().chain(back);
        Layout::Custom(positions.map(|position| ChannelLabel::Positioned(*position)).collect())
    }
}

/// Decodes the packets of one Opus track.
pub(crate) struct OpusStream {
    decoder: OpusMSDecoder,
    head: Head,
    layout: Layout,
    /// Interleaved, of the longest packet.
    pcm: Vec<i16>,
}

impl OpusStream {
    /// `head` as the container holds it; without one, the track is one stream of `channels`.
    pub(crate) fn new(head: Option<&[u8]>, channels: usize) -> Result<Self, OpusError> {
        let head = match head {
            Some(bytes) => Head::parse(bytes),
            None => Head::plain(u8::try_from(channels).unwrap_or(u8::MAX), 0, 0),
        };
        let head = head.ok_or(OpusError::Header)?;
        if head.channels == 0 || usize::from(head.channels) > crate::bounds::CHANNELS_MAX {
            return Err(OpusError::Header);
        }
        let mut decoder = OpusMSDecoder::new(
            RATE.cast_signed(),
            i32::from(head.channels),
            i32::from(head.streams),
            i32::from(head.coupled),
            &head.mapping,
        )
        .map_err(|_| OpusError::Header)?;
        decoder.set_gain(i32::from(head.gain));
        let pcm = vec![0; FRAMES_MAX * usize::from(head.channels)];
        Ok(Self { decoder, layout: head.layout(), head, pcm })
    }

    /// Frames to drop from the start of the track.
    pub(crate) fn pre_skip(&self) -> u64 {
        u64::from(self.head.pre_skip)
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Decodes `packet` into interleaved samples, leaving out the last `trim_end` frames.
    pub(crate) fn decode(
        &mut self,
        packet: &[u8],
        trim_end: u64,
        interleaved: &mut Vec<f32>,
    ) -> Result<(), OpusError> {
        interleaved.clear();
        if packet.is_empty() || packet.len() > STREAM_BYTES_MAX * usize::from(self.head.streams) {
            return Err(OpusError::PacketLength);
        }
        let length = i32::try_from(packet.len()).map_err(|_| OpusError::PacketLength)?;
        let frames = self
            .decoder
            .decode(Some(packet), length, &mut self.pcm, FRAMES_MAX as i32, false)
            .map_err(OpusError::Packet)?;
        let frames = usize::try_from(frames).unwrap_or(0);
        let kept = frames.saturating_sub(usize::try_from(trim_end).unwrap_or(usize::MAX));
        let samples = &self.pcm[..kept * usize::from(self.head.channels)];
        interleaved.extend(samples.iter().map(|sample| f32::from(*sample) / 32_768.0));
        Ok(())
    }
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use super::*;

    /// `OpusHead`, version 1, stereo, pre-skip 312, 48 kHz, gain -256, family 0.
    const STEREO: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xbb\x00\x00\x00\xff\x00";

    #[test]
    fn headers_of_ogg_and_of_mp4_say_the_same() {
        let big_endian = b"OpusHead\x00\x02\x01\x38\x00\x00\xbb\x80\xff\x00\x00";

        let head = Head::parse(STEREO).unwrap();
        assert_eq!((head.channels, head.pre_skip, head.gain, head.coupled), (2, 312, -256, 1));
        assert_eq!(Head::parse(big_endian), Some(head));
    }

    #[test]
    fn surround_headers_name_their_channels() {
        let head =
            b"OpusHead\x01\x06\x38\x01\x80\xbb\x00\x00\x00\x00\x01\x04\x02\x00\x04\x01\x02\x03\x05";

        let stream = OpusStream::new(Some(head), 0).unwrap();

        assert_eq!(stream.layout().count(), 6);
        let Layout::Custom(labels) = stream.layout() else { panic!("labels expected") };
        assert_eq!(labels[1], ChannelLabel::Positioned(Position::FRONT_CENTER));
        assert_eq!(labels[5], ChannelLabel::Positioned(Position::LFE1));
    }

    #[test]
    fn broken_headers_and_packets_are_refused() {
        for length in 0..STEREO.len() {
            assert!(OpusStream::new(Some(&STEREO[..length]), 2).is_err(), "{length}");
        }
        let bad_mapping = b"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x01\x01\x00\x09";
        assert!(OpusStream::new(Some(bad_mapping), 1).is_err());
        assert!(OpusStream::new(None, 3).is_err());

        let mut stream = OpusStream::new(None, 1).unwrap();
        let mut out = vec![1.0];
        assert!(stream.decode(&[], 0, &mut out).is_err());
        assert!(stream.decode(&[0xff], 0, &mut out).is_err());
        assert!(out.is_empty());
    }
}
