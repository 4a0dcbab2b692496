//! A file's bytes to the packets of its audio track.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::errors::Error as MediaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{
    MediaSource, MediaSourceStream, MediaSourceStreamOptions, ReadOnlySource,
};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use crate::matroska::{self, Padding};
use crate::source::Stretched;
use crate::{Error, bounds, mp4};

/// What comes next from a file.
pub(crate) enum Next {
    /// A packet of the audio track.
    Packet(Packet),
    /// A packet of another track.
    Other,
    /// The tracks have changed (a chained stream); [`Demuxer::track`] is a new one.
    NewTrack,
    /// Bytes that could not be read as a packet; the next call may find one.
    Bad(MediaError),
    /// The end, be it the real one or the place where the file was cut off.
    End,
}

/// Reads the packets of the one audio track that players would choose.
pub(crate) struct Demuxer {
    file: String,
    reader: Box<dyn FormatReader>,
    track: AudioTrack,
    mp4_tracks: Vec<mp4::Track>,
    padding: Option<Padding>,
}

/// The audio track of a [`Demuxer`].
pub(crate) struct AudioTrack {
    id: u32,
    pub(crate) params: AudioCodecParameters,
    /// Seconds that the container says to leave out at the start.
    pub(crate) skipped: f64,
    /// Seconds that the container says to leave out at the end.
    pub(crate) padding: f64,
    /// Length in seconds as the container states it, where that is possible at all.
    pub(crate) duration: Option<f64>,
}

impl Demuxer {
    /// Opens the file at `path`, called `file` in messages, by its content.
    pub(crate) fn open(path: &Path, file: &str) -> Result<Self, Error> {
        let name = || file.to_owned();
        let io = |source| Error::Io { file: name(), source };
        // A pipe would block on being opened, so look before opening.
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { file: name() });
        }
        if metadata.len() == 0 {
            return Err(Error::Empty { file: name() });
        }

        let mp4 = File::open(path)
            .and_then(|source| mp4::facts(&mut BufReader::new(source)))
            .map_err(io)?;
        if mp4.tracks.iter().any(|track| track.encrypted) {
            return Err(Error::Encrypted { file: name() });
        }
        let padding = File::open(path)
            .and_then(|source| matroska::padding(&mut BufReader::new(source)))
            .map_err(io)?;
        let source = File::open(path).map_err(io)?;
        let length = mp4.stated_length.unwrap_or(metadata.len());
        let reader = match probe(Box::new(Stretched::new(source, length))) {
            // Readers look at the length and at what comes after the sound, and find a cut-off file
            // wrong. As a stream that cannot jump, they take the sound as it comes.
            Err(error) if !is_unknown(&error) => {
                let source = File::open(path).map_err(io)?;
                probe(Box::new(ReadOnlySource::new(source))).map_err(|_| error)
            }
            other => other,
        }
        .map_err(|error| probe_error(file, error))?;
        let track = audio_track(file, &*reader, &mp4.tracks, padding)?;
        Ok(Self { file: name(), reader, track, mp4_tracks: mp4.tracks, padding })
    }

    /// The container's short name, such as `ogg`.
    pub(crate) fn container(&self) -> &'static str {
        self.reader.format_info().short_name
    }

    pub(crate) fn track(&self) -> &AudioTrack {
        &self.track
    }

    /// Reads on. Fails only on what will not get better.
    pub(crate) fn next(&mut self) -> Result<Next, Error> {
        match self.reader.next_packet() {
            Ok(Some(packet)) if packet.track_id == self.track.id => Ok(Next::Packet(packet)),
            Ok(Some(_)) => Ok(Next::Other),
            Ok(None) => Ok(Next::End),
            Err(MediaError::IoError(error)) if is_end(&error) => Ok(Next::End),
            Err(MediaError::IoError(source)) if is_of_the_system(&source) => {
                Err(Error::Io { file: self.file.clone(), source })
            }
            Err(MediaError::ResetRequired) => {
                let (reader, tracks) = (&*self.reader, &self.mp4_tracks);
                self.track = audio_track(&self.file, reader, tracks, self.padding)?;
                Ok(Next::NewTrack)
            }
            Err(error) => Ok(Next::Bad(error)),
        }
    }
}

fn probe(source: Box<dyn MediaSource>) -> Result<Box<dyn FormatReader>, MediaError> {
    let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    symphonia::default::get_probe().probe(&Hint::new(), stream, format, metadata)
}

/// Whether no container was recognised. The library has no variant for this; the text is its only sign.
fn is_unknown(error: &MediaError) -> bool {
    matches!(error, MediaError::Unsupported(text) if text.starts_with("core (probe)"))
}

/// Whether the system failed, and not a reader that sought a place that cannot be.
fn is_of_the_system(error: &io::Error) -> bool {
    error.raw_os_error().is_some() && error.kind() != io::ErrorKind::InvalidInput
}

fn is_end(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

fn audio_track(
    file: &str,
    reader: &dyn FormatReader,
    mp4_tracks: &[mp4::Track],
    padding: Option<Padding>,
) -> Result<AudioTrack, Error> {
    let missing = || Error::NoAudioTrack { file: file.to_owned() };
    let track = reader
        .default_track(TrackType::Audio)
        .or_else(|| reader.first_track(TrackType::Audio))
        .ok_or_else(missing)?;
    let Some(CodecParameters::Audio(params)) = &track.codec_params else { return Err(missing()) };
    let edit = mp4_tracks.iter().find(|edit| edit.id == track.id);
    Ok(AudioTrack {
        id: track.id,
        params: params.clone(),
        skipped: edit.map_or(0.0, |edit| edit.skipped),
        padding: padding
            .filter(|padding| padding.track == u64::from(track.id))
            .map_or(0.0, |padding| padding.seconds),
        duration: duration(track, reader),
    })
}

/// The stated length of the track or else of the whole, in seconds.
fn duration(track: &Track, reader: &dyn FormatReader) -> Option<f64> {
    let media = reader.media_info();
    let stated = [(track.time_base, track.duration), (media.time_base, media.duration)];
    stated
        .into_iter()
        .filter_map(|(base, ticks)| Some(base?.calc_duration(ticks?)?.as_secs_f64()))
        .find(|seconds| *seconds > 0.0 && *seconds <= bounds::DURATION_MAX)
}

fn probe_error(file: &str, error: MediaError) -> Error {
    let file = file.to_owned();
    match error {
        MediaError::IoError(source) if source.raw_os_error().is_some() => {
            Error::Io { file, source }
        }
        error if is_unknown(&error) => Error::NotMedia { file, source: Box::new(error) },
        MediaError::Unsupported(_) => Error::Unsupported { file, source: Box::new(error) },
        other => Error::Corrupt { file, source: Box::new(other) },
    }
}
