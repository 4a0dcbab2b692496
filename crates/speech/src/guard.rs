//! The guard against invented and looping text.
//!
//! On silence, noise and music a speech model writes what often stood there in its training: thanks, farewells, the
//! names of subtitlers, or one phrase for ever. No single sign of that is safe, so every sign is noted as a [`Suspicion`]
//! and a segment is dropped by [`is_invented`], which wants two of them. (Whisper drops two kinds more: what has no length,
//! and a whole window that the model takes for silence by openai-whisper's rule.)

use std::collections::VecDeque;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use hansard_domain::transcript::{Segment, Suspicion};
use hansard_media::{SAMPLE_RATE, Span};

/// Below this share of its time with voice, a segment has none.
const VOICED_SHARE_MIN: f64 = 0.1;
/// Nobody says more characters in a second.
const CHARACTERS_PER_SECOND_MAX: f64 = 40.0;
/// A phrase said this often in a row is a loop; people say things three times.
const REPEATS_MIN: usize = 4;
/// A loop's phrase is at most this many words long.
const PHRASE_WORDS_MAX: usize = 12;
/// Texts before a segment that it is compared with.
const RECENT_TEXTS: usize = 3;

/// What models say into silence, in lower case without marks.
const KNOWN_PHRASES: [&str; 24] = [
    "thank you",
    "thank you very much",
    "thank you for watching",
    "thank you for watching and see you next time",
    "thanks for watching",
    "thanks for listening",
    "please subscribe",
    "please subscribe to my channel",
    "like and subscribe",
    "subtitles by the amara org community",
    "transcription by castingwords",
    "you",
    "bye",
    "bye bye",
    "the end",
    "obrigado",
    "obrigada",
    "obrigado por assistir",
    "legendas pela comunidade amara org",
    "tchau",
    "gracias",
    "gracias por ver el video",
    "subtitulos realizados por la comunidad de amara org",
    "sous titres realises par la communaute d amara org",
];

/// Limits from the options; `None` switches a sign off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) compression_ratio: Option<f32>,
    pub(crate) log_probability: Option<f32>,
    pub(crate) no_speech: Option<f32>,
}

/// Remembers the last texts, so that loops over segments are seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    recent: VecDeque<String>,
}

impl Guard {
    /// Goes on from [`recent_texts`](Self::recent_texts) of an earlier run.
    pub(crate) fn resume(texts: &[String]) -> Self {
        let skip = texts.len().saturating_sub(RECENT_TEXTS);
        Self { recent: texts.iter().skip(skip).cloned().collect() }
    }

    /// What a later run needs to go on.
    pub(crate) fn recent_texts(&self) -> Vec<String> {
        self.recent.iter().cloned().collect()
    }

    /// Notes on `segment` why it may be invented. `voiced_share` is the share of its time in which voice activity
    /// detection heard somebody, if it was asked.
    pub(crate) fn inspect(
        &mut self,
        segment: &mut Segment,
        voiced_share: Option<f64>,
        limits: Limits,
    ) {
        let text = plain(&segment.text);
        let duration = segment.end - segment.start;
        let above = |value: f32, limit: Option<f32>| limit.is_some_and(|limit| value > limit);
        let below = |value: f32, limit: Option<f32>| limit.is_some_and(|limit| value < limit);
        let repeats_others = !text.is_empty()
            && self.recent.len() == RECENT_TEXTS
            && self.recent.iter().all(|recent| *recent == text);
        let signs = [
            (Suspicion::NoVoice, voiced_share.is_some_and(|share| share < VOICED_SHARE_MIN)),
            (Suspicion::NoSpeech, above(segment.no_speech_probability, limits.no_speech)),
            (
                Suspicion::LowProbability,
                below(segment.average_log_probability, limits.log_probability),
            ),
            (Suspicion::Compressible, above(segment.compression_ratio, limits.compression_ratio)),
            (Suspicion::Repetition, repeats_others || loops(&text)),
            (Suspicion::KnownPhrase, KNOWN_PHRASES.contains(&text.as_str())),
            (
                Suspicion::TooFast,
                text.chars().count() as f64 > CHARACTERS_PER_SECOND_MAX * duration.max(0.1),
            ),
        ];
        segment.suspicions =
            signs.into_iter().filter_map(|(sign, present)| present.then_some(sign)).collect();
        self.recent.push_back(text);
        if self.recent.len() > RECENT_TEXTS {
            self.recent.pop_front();
        }
    }
}

/// The rule by which a segment is dropped: nobody was heard and something else is wrong with it; or the model took it
/// for silence and was not sure of its words; or it is a loop by two measures.
pub(crate) fn is_invented(suspicions: &[Suspicion]) -> bool {
    let has = |sign| suspicions.contains(&sign);
    (has(Suspicion::NoVoice) && suspicions.len() > 1)
        || (has(Suspicion::NoSpeech)
            && (has(Suspicion::LowProbability) || has(Suspicion::KnownPhrase)))
        || (has(Suspicion::Repetition) && has(Suspicion::Compressible))
}

/// The share of `start..end` seconds that lies in `spans`.
pub(crate) fn voiced_share(spans: &[Span], start: f64, end: f64) -> f64 {
    let seconds = |sample: u64| sample as f64 / SAMPLE_RATE as f64;
    let voiced: f64 = spans
        .iter()
        .map(|span| (seconds(span.end).min(end) - seconds(span.start).max(start)).max(0.0))
        .sum();
    if end > start { voiced / (end - start) } else { 0.0 }
}

/// Bytes of `text` over its size after zlib: the measure of openai-whisper.
pub(crate) fn compression_ratio(text: &str) -> f32 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder
        .write_all(text.as_bytes())
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail");
    text.len() as f32 / compressed.len() as f32
}

/// Lower case, words only, one space between them, accents of the Latin languages left out.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars().flat_map(char::to_lowercase) {
        let character = match character {
            'á' | 'à' | 'â' | 'ã' | 'ä' => 'a',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'í' | 'î' | 'ï' => 'i',
            'ó' | 'ô' | 'õ' | 'ö' => 'o',
            'ú' | 'û' | 'ü' => 'u',
            'ç' => 'c',
            other => other,
        };
        if character.is_alphanumeric() {
            plain.push(character);
        } else if !plain.is_empty() && !plain.ends_with(' ') {
            plain.push(' ');
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

/// Whether a phrase comes [`REPEATS_MIN`] times in a row.
fn loops(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    (1..=PHRASE_WORDS_MAX.min(words.len() / REPEATS_MIN)).any(|length| {
        let mut equal = 0;
        words.iter().zip(&words[length..]).any(|(word, next)| {
            equal = if word == next { equal + 1 } else { 0 };
            equal >= length * (REPEATS_MIN - 1)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { compression_ratio: Some(2.4), log_probability: Some(-1.0), no_speech: Some(0.6) };

    fn segment(text: &str) -> Segment {
        Segment {
            start: 0.0,
            end: 5.0,
            text: text.to_owned(),
            tokens: Vec::new(),
            temperature: 0.0,
            average_log_probability: -0.2,
            compression_ratio: 1.2,
            no_speech_probability: 0.0,
            words: Vec::new(),
            suspicions: Vec::new(),
        }
    }

    fn inspected(mut segment: Segment, voiced: Option<f64>) -> Vec<Suspicion> {
        Guard::default().inspect(&mut segment, voiced, LIMITS);
        segment.suspicions
    }

    #[test]
    fn sound_speech_is_not_suspicious() {
        assert!(inspected(segment(" The young silver is near."), Some(0.9)).is_empty());
        assert!(inspected(segment(" No, no, no, I mean it."), Some(0.9)).is_empty());
    }

    #[test]
    fn thanks_into_silence_are_dropped_and_said_thanks_are_kept() {
        let silent = inspected(segment(" Thank you."), Some(0.0));
        assert_eq!(silent, [Suspicion::NoVoice, Suspicion::KnownPhrase]);
        assert!(is_invented(&silent));
        let said = inspected(segment(" Thank you."), Some(1.0));
        assert_eq!(said, [Suspicion::KnownPhrase]);
        assert!(!is_invented(&said));
    }

    #[test]
    fn a_loop_is_seen_within_a_segment_and_over_segments() {
        assert!(loops("the car the car the car the car"));
        assert!(!loops("the car the car the car the boat"));
        let mut guard = Guard::default();
        let mut last = segment(" I see.");
        for _ in 0..=RECENT_TEXTS {
            last = segment(" I see.");
            guard.inspect(&mut last, None, LIMITS);
        }
        assert_eq!(last.suspicions, [Suspicion::Repetition]);
        let mut resumed = Guard::resume(&guard.recent_texts());
        let mut next = segment(" I see!");
        resumed.inspect(&mut next, None, LIMITS);
        assert_eq!(next.suspicions, [Suspicion::Repetition]);
    }

    #[test]
    fn an_improbable_window_that_the_model_took_for_silence_is_dropped() {
        let mut silence = segment(" And so");
        silence.no_speech_probability = 0.9;
        silence.average_log_probability = -1.4;
        let signs = inspected(silence, None);
        assert_eq!(signs, [Suspicion::NoSpeech, Suspicion::LowProbability]);
        assert!(is_invented(&signs));
    }

    #[test]
    fn one_sign_alone_never_drops() {
        for sign in [Suspicion::NoVoice, Suspicion::NoSpeech, Suspicion::TooFast] {
            assert!(!is_invented(&[sign]));
        }
    }
}
