//! What can be wrong with a recording.

use std::error::Error as StdError;

/// Whatever a decoder or the system said, kept as the source of an [`enum@Error`].
type Source = Box<dyn StdError + Send + Sync>;

/// Why a recording could not be read. Every message names the file and the cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused to open or read the file.
    #[error("{file}: cannot be read")]
    Io {
        /// The recording's name.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A directory, pipe or device: it cannot be read twice from its beginning.
    #[error("{file}: is not a regular file")]
    NotAFile {
        /// The recording's name.
        file: String,
    },
    /// The file has no bytes.
    #[error("{file}: is empty")]
    Empty {
        /// The recording's name.
        file: String,
    },
    /// No known container starts in it.
    #[error("{file}: is not audio or video of a known kind")]
    NotMedia {
        /// The recording's name.
        file: String,
        /// What the probe said.
        #[source]
        source: Source,
    },
    /// A known container without sound in it.
    #[error("{file}: has no audio track")]
    NoAudioTrack {
        /// The recording's name.
        file: String,
    },
    /// An audio track with nothing on it.
    #[error("{file}: its audio track holds no samples")]
    NoSamples {
        /// The recording's name.
        file: String,
    },
    /// A codec that is not decoded here.
    #[error("{file}: the audio codec {codec} is not supported")]
    UnsupportedCodec {
        /// The recording's name.
        file: String,
        /// The codec's usual name, or its number where it has none.
        codec: String,
    },
    /// A known container or codec that uses a feature that is not supported.
    #[error("{file}: uses a feature that is not supported")]
    Unsupported {
        /// The recording's name.
        file: String,
        /// Which feature.
        #[source]
        source: Source,
    },
    /// The audio is encrypted (common encryption or another rights scheme).
    #[error("{file}: its audio is encrypted")]
    Encrypted {
        /// The recording's name.
        file: String,
    },
    /// The bytes contradict their own format, too often to go on.
    #[error("{file}: is damaged")]
    Corrupt {
        /// The recording's name.
        file: String,
        /// The last contradiction that was met.
        #[source]
        source: Source,
    },
    /// A stated property that no recording of the real world has.
    #[error("{file}: states an absurd {property} of {value}")]
    Absurd {
        /// The recording's name.
        file: String,
        /// Which property: `sample rate`, `channel count`.
        property: &'static str,
        /// What the file states.
        value: u64,
    },
    /// One channel was asked for, and the recording has fewer.
    #[error("{file}: has {channels} channels, so channel {asked} (counted from 0) is missing")]
    NoSuchChannel {
        /// The recording's name.
        file: String,
        /// The channel that was asked for, counted from 0.
        asked: usize,
        /// How many there are.
        channels: usize,
    },
    /// A decoder panicked on these bytes; the panic stopped at this crate.
    #[error("{file}: the decoder gave up ({message})")]
    DecoderPanicked {
        /// The recording's name.
        file: String,
        /// The panic's message.
        message: String,
    },
}
