//! What is believed of a file, and how long it is borne with.

/// Lowest sample rate in Hz; telephones use 8000.
pub(crate) const RATE_MIN: u32 = 4_000;

/// Highest sample rate in Hz; studios use up to 192000.
pub(crate) const RATE_MAX: u32 = 384_000;

/// Most channels of one track.
pub(crate) const CHANNELS_MAX: usize = 64;

/// Longest stated duration that is passed on, in seconds: 30 days.
pub(crate) const DURATION_MAX: f64 = 30.0 * 86_400.0;

/// Unreadable packets in a row after which a file counts as damaged: half a minute of most codecs.
pub(crate) const BAD_PACKETS_MAX: u32 = 1_000;

/// Packets in a row that give no sound (video, empty) after which a file counts as damaged: hours of video.
pub(crate) const SILENT_PACKETS_MAX: u32 = 1_000_000;

/// Times that the rate, the layout or the whole track may change within one file (chained streams, radio dumps).
pub(crate) const CHANGES_MAX: u32 = 10_000;

/// Boxes of an MP4 file that are looked at for encryption and edits, of some hundred in a real one.
pub(crate) const BOXES_MAX: u32 = 10_000;

/// Elements of a Matroska file that are looked at for padding: half an hour of live recording, days of others.
pub(crate) const ELEMENTS_MAX: u32 = 100_000;
