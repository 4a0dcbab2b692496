//! Long form by windows that are cut at pauses and decoded independently of each other.

use hansard_domain::transcript::Segment;
use hansard_media::windows::Step;
use hansard_media::{Recording, SAMPLE_RATE, Window, WindowOptions, Windows};

use super::hearing::{Hearing, Place, seconds};
use super::mel::HOP;
use super::segments::split;
use super::tokens::TIMESTAMP_STEP;
use crate::transcriber::Collected;
use crate::{Error, Observer, WindowDone};

/// Transcribes `recording` from sample `from` on.
pub(super) fn transcribe(
    hearing: &mut Hearing<'_>,
    recording: &dyn Recording,
    from: u64,
    observer: &mut dyn Observer,
) -> Result<Collected, Error> {
    let options = WindowOptions { vad: hearing.options.vad, ..WindowOptions::default() };
    let samples = recording.open().map_err(Error::Media)?;
    let mut windows = Windows::new(samples, options, from);
    let prompt = hearing.initial_prompt()?;
    let mut collected = Collected::default();
    loop {
        hearing.cancel.check()?;
        let window = match windows.step().map_err(Error::Media)? {
            Step::Window(window) => window,
            Step::Read => continue,
            Step::End => break,
        };
        let (kept, dropped) = hear(hearing, &window, &prompt)?;
        let checkpoint = hearing.checkpoint(window.end(), Vec::new());
        observer.window_done(&WindowDone {
            segments: &kept,
            dropped: &dropped,
            checkpoint: &checkpoint,
            duration_hint: recording.duration_hint(),
        })?;
        collected.segments.extend(kept);
        collected.dropped.extend(dropped);
    }
    collected.duration = windows.position() as f64 / SAMPLE_RATE as f64;
    Ok(collected)
}

fn hear(
    hearing: &mut Hearing<'_>,
    window: &Window,
    prompt: &[u32],
) -> Result<(Vec<Segment>, Vec<Segment>), Error> {
    let mel = hearing.model.mel(&window.samples);
    let features = hearing.model.encode(&mel, hearing.cancel)?;
    hearing.listen(&features);
    let heard = hearing.decode(prompt, window.start)?;
    let frames = window.samples.len().div_ceil(HOP);
    let split = split(hearing.model.tokens(), &heard.found.tokens, seconds(frames));
    // Nothing is decoded twice here, so text whose end was not decoded ends with the window, and so does text that the
    // model puts into the silence after it.
    let mut pieces = split.closed;
    pieces.extend(split.open);
    for piece in &mut pieces {
        piece.end = piece.end.min(seconds(frames));
        piece.start = piece.start.min((piece.end - TIMESTAMP_STEP).max(0.0));
    }
    let offset = window.start as f64 / SAMPLE_RATE as f64;
    let voice = hearing.options.vad.then_some(window.speech.as_slice());
    let judged = hearing.judge(&heard, &pieces, &Place { offset, frames, voice })?;
    Ok((judged.kept, judged.dropped))
}
