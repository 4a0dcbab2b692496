//! Long form as openai-whisper does it: 30 s at a time, each window beginning where the last timestamp of the one
//! before it stands, optionally primed with the text so far.

use hansard_media::{Recording, SAMPLE_RATE, Span};

use super::frames::Frames;
use super::hearing::{Hearing, Place, seconds};
use super::mel::{FRAMES_PER_SECOND, HOP};
use super::segments::split;
use crate::transcriber::Collected;
use crate::{Checkpoint, Error, Observer, WindowDone};

/// Text decoded at a higher temperature than this does not prime the next window.
const PRIMING_TEMPERATURE_MAX: f32 = 0.5;

/// Transcribes `recording` from where `resume` says.
pub(super) fn transcribe(
    hearing: &mut Hearing<'_>,
    recording: &dyn Recording,
    resume: Option<&Checkpoint>,
    observer: &mut dyn Observer,
) -> Result<Collected, Error> {
    let front_end = &hearing.model.front_end;
    let open = || recording.open().map_err(Error::Media);
    // The floor under quiet bins hangs on the loudest bin of the whole recording, so it is heard once before.
    let (loudest, length) = Frames::new(front_end, open()?, false).survey(hearing.cancel)?;
    let content = (length / HOP as u64) as usize;
    let duration = length as f64 / SAMPLE_RATE as f64;
    let mut frames = Frames::new(front_end, open()?, hearing.options.vad);

    let mut carried = match resume {
        Some(checkpoint) => known_tokens(hearing, checkpoint),
        None => hearing.initial_prompt()?,
    };
    let mut seek = resume.map_or(0, |checkpoint| (checkpoint.next_sample / HOP as u64) as usize);
    let mut collected = Collected { duration, ..Collected::default() };
    while seek < content {
        hearing.cancel.check()?;
        let mut mel = frames.window(seek, hearing.cancel)?;
        let size = mel.values.len() / front_end.bins();
        if size == 0 {
            // The recording has become shorter since its survey.
            break;
        }
        let voice = frames.voice((seek * HOP) as u64);
        if let Some(next) = voice.as_deref().and_then(|spans| silence_until(spans, seek, size)) {
            seek = next;
            continue;
        }
        mel.normalise(loudest);
        let features = hearing.model.encode_frames(mel, hearing.cancel)?;
        hearing.listen(&features);
        let heard = hearing.decode(&carried, seek as u64)?;

        let place = Place { offset: seconds(seek), frames: size, voice: voice.as_deref() };
        let split = split(hearing.model.tokens(), &heard.found.tokens, seconds(size));
        let holds_no_speech = hearing.holds_no_speech(&heard);
        let judged = hearing.judge(&heard, &split.closed, &place)?;

        let next = match (split.last_closed, judged.end) {
            _ if holds_no_speech => seek + size,
            _ if split.ends_in_silence => seek + size,
            (_, Some(end)) if hearing.options.word_timestamps && end > place.offset => {
                (end * FRAMES_PER_SECOND as f64).round() as usize
            }
            (Some(last), _) => seek + (last * FRAMES_PER_SECOND as f64).round() as usize,
            (None, _) => seek + size,
        };
        // Whatever was decoded, the next window begins later.
        seek = next.max(seek + 1);

        if holds_no_speech {
            // What primes the next window stays as it was.
        } else if hearing.options.condition_on_previous_text
            && heard.temperature <= PRIMING_TEMPERATURE_MAX
        {
            carried.extend(judged.kept.iter().flat_map(|segment| &segment.tokens));
            let tokens_max = hearing.model.config().max_target_positions / 2;
            carried.drain(..carried.len().saturating_sub(tokens_max));
        } else {
            carried.clear();
        }
        let checkpoint = hearing.checkpoint((seek * HOP) as u64, carried.clone());
        observer.window_done(&WindowDone {
            segments: &judged.kept,
            dropped: &judged.dropped,
            checkpoint: &checkpoint,
            duration_hint: Some(duration),
        })?;
        collected.segments.extend(judged.kept);
        collected.dropped.extend(judged.dropped);
    }
    Ok(collected)
}

/// The tokens that a checkpoint carries, as far as this model has them.
fn known_tokens(hearing: &Hearing<'_>, checkpoint: &Checkpoint) -> Vec<u32> {
    let vocabulary = hearing.model.config().vocab_size;
    let carried = checkpoint.carried_tokens.iter().copied();
    carried.filter(|&id| (id as usize) < vocabulary).collect()
}

/// Where to go on if nobody speaks in the first second of the window: to the next voice, or to the window's end.
fn silence_until(spans: &[Span], seek: usize, size: usize) -> Option<usize> {
    let frame = |sample: u64| (sample / HOP as u64) as usize;
    let next = spans
        .iter()
        .find(|span| frame(span.end) > seek)
        .map_or(seek + size, |span| frame(span.start).min(seek + size));
    (next >= seek + FRAMES_PER_SECOND.min(size)).then_some(next)
}
