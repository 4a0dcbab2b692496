//! A file of any supported format as a [`Recording`].

use std::path::{Path, PathBuf};

use crate::downmix::Channels;
use crate::stream::Stream;
use crate::{Error, Recording, Samples};

/// What a media file says of itself, checked by decoding its first samples.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaInfo {
    /// Short name of the container, such as `ogg`.
    pub container: &'static str,
    /// Short name of the audio codec, such as `vorbis`.
    pub codec: &'static str,
    /// Samples a second and channel, 4000 to 384000.
    pub sample_rate: u32,
    /// Channels, 1 to 64.
    pub channels: usize,
    /// Length in seconds as the container states it: above 0 and at most 30 days, otherwise unchecked.
    pub duration: Option<f64>,
}

/// An audio or video file, known by its content and not by its name.
///
/// Containers: WAV, AIFF, CAF, MP3, ADTS AAC, FLAC, Ogg, MP4/M4A/MOV, Matroska/WebM. Codecs: PCM, ADPCM,
/// MP2, MP3, AAC-LC, ALAC, FLAC, Vorbis, Opus. Of several audio tracks it takes the one that players
/// take. Encoder delay is left out where the container states it, as ffmpeg does.
///
/// Reading uses constant memory, apart from the index that MP4 keeps (some bytes a packet). Damaged
/// packets become silence of about their length; a file that is cut off ends there.
#[derive(Debug, Clone)]
pub struct MediaFile {
    path: PathBuf,
    name: String,
    channels: Channels,
    info: MediaInfo,
}

impl MediaFile {
    /// Looks into the file at `path` and decodes its first samples.
    ///
    /// # Errors
    ///
    /// Any [`Error`], if nothing can be read of it at all.
    pub fn open(path: impl AsRef<Path>, channels: Channels) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::open_as(path.display().to_string(), path, channels)
    }

    /// Like [`open`](Self::open), for a file that people know by another name, such as a temporary one.
    ///
    /// # Errors
    ///
    /// Any [`Error`], if nothing can be read of it at all.
    pub fn open_as(
        name: impl Into<String>,
        path: impl AsRef<Path>,
        channels: Channels,
    ) -> Result<Self, Error> {
        let (name, path) = (name.into(), path.as_ref());
        let mut stream = Stream::open(path, &name, channels)?;
        stream.fill()?;
        let info = MediaInfo {
            container: stream.demuxer().container(),
            codec: stream.decoder().codec(),
            sample_rate: stream.decoder().rate(),
            channels: stream.decoder().layout().count(),
            duration: stream.demuxer().track().duration,
        };
        Ok(Self { path: path.to_owned(), name, channels, info })
    }

    /// What the file says of itself.
    pub fn info(&self) -> &MediaInfo {
        &self.info
    }
}

impl Recording for MediaFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self) -> Result<Box<dyn Samples + '_>, Error> {
        Ok(Box::new(Stream::open(&self.path, &self.name, self.channels)?))
    }

    fn duration_hint(&self) -> Option<f64> {
        self.info.duration
    }
}
