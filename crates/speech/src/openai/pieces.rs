//! Cuts a recording into the pieces that are sent.

use bytes::Bytes;
use hansard_media::windows::Step;
use hansard_media::{SAMPLE_RATE, Samples, Span, Window, WindowOptions, Windows};

use crate::{Cancel, Error};

/// A longer silence ends a piece: models write into silence, and services are paid by its length.
const SILENCE_MAX: u64 = 10 * SAMPLE_RATE as u64;

/// Shorter sound is refused by OpenAI (0.1 s), so silence is added up to this length.
const SAMPLES_MIN: usize = SAMPLE_RATE / 2;

/// The largest value of a 16 bit sample.
const FULL_SCALE: f32 = 32_767.0;

/// Bytes of a WAV file before its samples.
const HEADER_BYTES: usize = 44;

/// A part of the recording, with the silence within it.
pub(super) struct Piece {
    /// First sample, from the start of the recording.
    pub(super) start: u64,
    /// Samples.
    pub(super) length: u64,
    /// Where speech is, in samples from the start of the recording.
    pub(super) speech: Vec<Span>,
    /// A WAV file whose header is still blank.
    wav: Vec<u8>,
}

impl Piece {
    fn of(window: Window) -> Self {
        let wav = vec![0; HEADER_BYTES];
        let mut piece = Self { start: window.start, length: 0, speech: Vec::new(), wav };
        piece.add(window);
        piece
    }

    /// One past the last sample, from the start of the recording.
    pub(super) fn end(&self) -> u64 {
        self.start + self.length
    }

    /// Its place in the recording, in seconds.
    pub(super) fn offset(&self) -> f64 {
        self.start as f64 / SAMPLE_RATE as f64
    }

    /// Its length in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.length as f64 / SAMPLE_RATE as f64
    }

    fn takes(&self, window: &Window, max: u64) -> bool {
        window.start - self.end() <= SILENCE_MAX && window.end() - self.start <= max
    }

    /// Appends a window. Between two of them there is silence, so their times stay what they are in the recording.
    fn add(&mut self, window: Window) {
        let silence = (window.start - self.end()) as usize;
        self.wav.resize(self.wav.len() + 2 * silence, 0);
        for sample in &window.samples {
            let value = (sample.clamp(-1.0, 1.0) * FULL_SCALE) as i16;
            self.wav.extend_from_slice(&value.to_le_bytes());
        }
        self.length = window.end() - self.start;
        self.speech.extend(window.speech);
    }

    /// Gives away its sound, as a WAV file of 16 kHz mono.
    pub(super) fn take_wav(&mut self) -> Bytes {
        let mut wav = std::mem::take(&mut self.wav);
        if wav.len() < HEADER_BYTES + 2 * SAMPLES_MIN {
            wav.resize(HEADER_BYTES + 2 * SAMPLES_MIN, 0);
        }
        let header = header((wav.len() - HEADER_BYTES) as u32);
        wav[..HEADER_BYTES].copy_from_slice(&header);
        wav.into()
    }
}

/// What stands before `bytes` bytes of samples.
fn header(bytes: u32) -> [u8; HEADER_BYTES] {
    let rate = SAMPLE_RATE as u32;
    let mut header = [0; HEADER_BYTES];
    let fields: [(usize, &[u8]); 10] = [
        (0, b"RIFF"),
        (4, &(HEADER_BYTES as u32 - 8 + bytes).to_le_bytes()),
        (8, b"WAVEfmt "),
        (16, &16_u32.to_le_bytes()),
        // Plain samples, of one channel.
        (20, &[1, 0, 1, 0]),
        (24, &rate.to_le_bytes()),
        (28, &(2 * rate).to_le_bytes()),
        // Two bytes a frame, of 16 bits.
        (32, &[2, 0, 16, 0]),
        (36, b"data"),
        (40, &bytes.to_le_bytes()),
    ];
    for (at, field) in fields {
        header[at..at + field.len()].copy_from_slice(field);
    }
    header
}

/// The pieces of a recording in order: as many windows as fit, cut where the windows are, which is at pauses.
///
/// Holds one piece, whatever the recording's length.
pub(super) struct Pieces<'a> {
    windows: Windows<'a>,
    /// The most samples in a piece.
    max: u64,
    /// The first window of the next piece.
    waiting: Option<Window>,
}

impl<'a> Pieces<'a> {
    /// Pieces of at most `max` samples, from sample `from` on.
    pub(super) fn new(samples: Box<dyn Samples + 'a>, vad: bool, max: u64, from: u64) -> Self {
        let options = WindowOptions { vad, ..WindowOptions::default() };
        Self { windows: Windows::new(samples, options, from), max, waiting: None }
    }

    /// The next piece, or `None` at the end of the recording.
    pub(super) fn next(&mut self, cancel: &Cancel) -> Result<Option<Piece>, Error> {
        let mut piece = self.waiting.take().map(Piece::of);
        loop {
            cancel.check()?;
            let window = match self.windows.step().map_err(Error::Media)? {
                Step::Window(window) => window,
                Step::Read => continue,
                Step::End => return Ok(piece),
            };
            match &mut piece {
                None => piece = Some(Piece::of(window)),
                Some(piece) if piece.takes(&window, self.max) => piece.add(window),
                Some(_) => {
                    self.waiting = Some(window);
                    return Ok(piece);
                }
            }
        }
    }

    /// Samples read so far; the recording's length once [`next`](Self::next) has given `None`.
    pub(super) fn position(&self) -> u64 {
        self.windows.position()
    }
}

#[cfg(test)]
mod tests {
    use hansard_media::{Pcm, Recording};

    use super::*;

    fn pieces(seconds: usize, max: usize) -> Vec<(u64, u64)> {
        let recording = Pcm::new("tone", vec![0.25; seconds * SAMPLE_RATE]);
        let max = (max * SAMPLE_RATE) as u64;
        let mut pieces = Pieces::new(recording.open().unwrap(), false, max, 0);
        let mut found = Vec::new();
        while let Some(mut piece) = pieces.next(&Cancel::default()).unwrap() {
            assert_eq!(piece.take_wav().len(), HEADER_BYTES + 2 * piece.length as usize);
            found.push((piece.start, piece.end()));
        }
        found
    }

    #[test]
    fn pieces_follow_each_other_and_are_as_long_as_they_may_be() {
        let found = pieces(400, 180);

        assert_eq!(found.first().unwrap().0, 0);
        assert_eq!(found.last().unwrap().1, 400 * SAMPLE_RATE as u64);
        assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].0), "{found:?}");
        let lengths = found.iter().map(|(start, end)| end - start);
        assert!(lengths.clone().all(|length| length <= 180 * SAMPLE_RATE as u64));
        assert!(lengths.max().unwrap() > 140 * SAMPLE_RATE as u64, "{found:?}");
    }

    #[test]
    fn the_longest_piece_is_below_the_limit_of_the_service() {
        let longest = super::super::PIECE_MAX.as_secs() as usize * SAMPLE_RATE * 2;

        assert!(longest < 24_000_000, "{longest}");
    }

    #[test]
    fn silence_between_windows_keeps_times_as_they_are() {
        let window = |start: u64| Window { start, samples: vec![2.0; 10], speech: Vec::new() };
        let mut piece = Piece::of(window(100));
        assert!(piece.takes(&window(110 + SILENCE_MAX), u64::MAX));
        assert!(!piece.takes(&window(111 + SILENCE_MAX), u64::MAX));
        assert!(!piece.takes(&window(200), 109));

        piece.add(window(115));

        assert_eq!((piece.start, piece.end()), (100, 125));
        let full = 32_767_i16.to_le_bytes();
        let expected = [full.repeat(10), vec![0; 10], full.repeat(10)].concat();
        let wav = piece.take_wav();
        assert_eq!(wav[HEADER_BYTES..][..expected.len()], expected);
        // So short a piece is filled up for the service.
        assert_eq!(wav.len(), HEADER_BYTES + 2 * SAMPLES_MIN);
    }
}
