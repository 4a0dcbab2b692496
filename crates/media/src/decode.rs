//! Packets to interleaved samples.

use symphonia::core::audio::Channels as Layout;
use symphonia::core::codecs::audio::well_known as codec;
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
};
use symphonia::core::errors::Error as MediaError;
use symphonia::core::packet::Packet;

use crate::Error;
use crate::demux::AudioTrack;
use crate::opus::{self, OpusStream};

/// A packet that could not be decoded. The next one may be.
pub(crate) type BadPacket = Box<dyn std::error::Error + Send + Sync>;

/// The decoder of one audio track.
pub(crate) struct Decoder {
    kind: Kind,
    /// Seconds to leave out at the start.
    skipped: f64,
    rate: u32,
    layout: Layout,
}

enum Kind {
    Opus(Box<OpusStream>),
    Library(Box<dyn AudioDecoder>),
}

impl Decoder {
    /// Starts the decoder that `track` of `file` needs.
    pub(crate) fn new(file: &str, track: &AudioTrack) -> Result<Self, Error> {
        let params = &track.params;
        if params.codec == codec::CODEC_ID_OPUS {
            let channels = params.channels.as_ref().map_or(1, Layout::count);
            let stream = OpusStream::new(params.extra_data.as_deref(), channels)
                .map_err(|error| Error::Corrupt { file: file.to_owned(), source: error.into() })?;
            return Ok(Self {
                // The header's own number, and not an edit list that says the same again.
                skipped: stream.pre_skip() as f64 / f64::from(opus::RATE),
                rate: opus::RATE,
                layout: stream.layout().clone(),
                kind: Kind::Opus(Box::new(stream)),
            });
        }
        if params.codec == codec::CODEC_ID_MP1 {
            // Nobody has recorded in it for decades, but its marker turns up in all sorts of files.
            let source = "nothing but chance markers of MPEG layer 1".into();
            return Err(Error::NotMedia { file: file.to_owned(), source });
        }
        let library = symphonia::default::get_codecs();
        if library.get_audio_decoder(params.codec).is_none() {
            let codec = unsupported_name(params.codec);
            return Err(Error::UnsupportedCodec { file: file.to_owned(), codec });
        }
        let decoder = library
            .make_audio_decoder(params, &AudioDecoderOptions::default())
            .map_err(|error| start_error(file, params, error))?;
        Ok(Self {
            kind: Kind::Library(decoder),
            skipped: track.skipped,
            rate: params.sample_rate.unwrap_or(0),
            layout: params.channels.clone().unwrap_or_default(),
        })
    }

    /// The codec's short name, such as `vorbis`.
    pub(crate) fn codec(&self) -> &'static str {
        match &self.kind {
            Kind::Opus(_) => "opus",
            Kind::Library(decoder) => decoder.codec_info().short_name,
        }
    }

    /// Decodes `packet` into `interleaved`. Encoder delay that the packet itself marks is left out.
    pub(crate) fn decode(
        &mut self,
        packet: &Packet,
        interleaved: &mut Vec<f32>,
    ) -> Result<(), BadPacket> {
        interleaved.clear();
        match &mut self.kind {
            // The Ogg and MP4 readers count Opus in ticks of 48 kHz, so that ticks are frames.
            Kind::Opus(stream) => {
                stream.decode(&packet.data, packet.trim_end.get(), interleaved)?;
            }
            Kind::Library(decoder) => {
                let buffer = decoder.decode(packet)?;
                self.rate = buffer.spec().rate();
                if self.layout != *buffer.spec().channels() {
                    self.layout = buffer.spec().channels().clone();
                }
                buffer.copy_to_vec_interleaved(interleaved);
            }
        }
        Ok(())
    }

    /// Sample rate in Hz of what was decoded last, as the bytes state it.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Channels of what was decoded last, as the bytes state them.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Frames at `rate` to leave out at the start of the track.
    pub(crate) fn skipped_frames(&self, rate: u32) -> u64 {
        (self.skipped * f64::from(rate)).round() as u64
    }
}

fn start_error(file: &str, params: &AudioCodecParameters, error: MediaError) -> Error {
    let file = file.to_owned();
    if let Some(rate) = params.sample_rate.filter(|rate| *rate == 0) {
        return Error::Absurd { file, property: "sample rate", value: rate.into() };
    }
    match error {
        MediaError::Unsupported(_) => Error::Unsupported { file, source: Box::new(error) },
        other => Error::Corrupt { file, source: Box::new(other) },
    }
}

/// Codecs that people do meet and that are not decoded here.
const UNSUPPORTED: &[(AudioCodecId, &str)] = &[
    (codec::CODEC_ID_AC3, "AC-3"),
    (codec::CODEC_ID_EAC3, "E-AC-3"),
    (codec::CODEC_ID_AC4, "AC-4"),
    (codec::CODEC_ID_DCA, "DTS"),
    (codec::CODEC_ID_TRUEHD, "TrueHD"),
    (codec::CODEC_ID_WMA, "Windows Media Audio"),
    (codec::CODEC_ID_SPEEX, "Speex"),
    (codec::CODEC_ID_WAVPACK, "WavPack"),
    (codec::CODEC_ID_MUSEPACK, "Musepack"),
    (codec::CODEC_ID_MONKEYS_AUDIO, "Monkey's Audio"),
    (codec::CODEC_ID_TTA, "True Audio"),
];

fn unsupported_name(id: AudioCodecId) -> String {
    let known = UNSUPPORTED.iter().find(|(known, _)| *known == id);
    known.map_or_else(|| format!("number {id}"), |(_, name)| (*name).to_owned())
}
