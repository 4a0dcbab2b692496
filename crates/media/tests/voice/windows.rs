//! Windows hold all speech, once, within the limit; they end at pauses; and a later run goes on where an earlier one ended.

use hansard_media::{
    Pcm, Recording, SAMPLE_RATE, Span, WINDOW_SAMPLES, Window, WindowOptions, Windows,
    windows::Step,
};

use crate::{
    fixtures::{Clip, Random, clip, clips},
    speech,
};

const SECOND: u64 = SAMPLE_RATE as u64;

fn without_vad() -> WindowOptions {
    WindowOptions { vad: false, ..WindowOptions::default() }
}

fn cut(recording: &dyn Recording, options: &WindowOptions, from: u64) -> Vec<Window> {
    let samples = recording.open().expect("memory opens");
    let mut windows = Windows::new(samples, options.clone(), from);
    std::iter::from_fn(|| windows.next().expect("memory is read")).collect()
}

/// Sentences with pauses of 0 to 6 s between them, and some noise.
fn conversation(seed: u64, sentences: usize) -> Pcm {
    let Clip { samples: voice, sentences: said, .. } = clip("en-03");
    let mut random = Random(seed);
    let mut samples = Vec::new();
    for _ in 0..sentences {
        let sentence = said[random.below(said.len())];
        samples.extend_from_slice(&voice[sentence.start as usize..sentence.end as usize]);
        let pause = [0, SAMPLE_RATE / 4, SAMPLE_RATE, 6 * SAMPLE_RATE][random.below(4)];
        samples.extend((0..random.below(pause + 1)).map(|_| 1e-3 * random.sample()));
    }
    Pcm::new("conversation", samples)
}

fn all_samples(recording: &dyn Recording) -> Vec<f32> {
    let mut reader = recording.open().expect("memory opens");
    let mut samples = Vec::new();
    let mut block = [0.0; 4_096];
    loop {
        match reader.read(&mut block).expect("memory is read") {
            0 => return samples,
            count => samples.extend_from_slice(&block[..count]),
        }
    }
}

fn assert_sound(windows: &[Window], recording: &[f32], max: usize) {
    for window in windows {
        let range = window.start as usize..window.end() as usize;
        assert_eq!(window.samples, recording[range]);
        assert!(!window.samples.is_empty() && window.samples.len() <= max);
        let (first, last) = (window.speech[0], window.speech[window.speech.len() - 1]);
        assert_eq!((first.start, last.end), (window.start, window.end()));
        assert!(window.speech.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
    assert!(windows.windows(2).all(|pair| pair[0].end() <= pair[1].start));
}

/// Spans with those that touch made one.
fn joined(spans: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ => joined.push(span),
        }
    }
    joined
}

#[test]
fn windows_hold_all_speech_once_and_resume_where_any_of_them_ended() {
    for seed in 1..=6 {
        let recording = conversation(seed, 24);
        let samples = all_samples(&recording);
        let mut random = Random(seed);
        let max_samples = [4, 9, 17, 30][random.below(4)] * SAMPLE_RATE;
        let max_pause = [0, SECOND / 2, 2 * SECOND, 60 * SECOND][random.below(4)];
        let options = WindowOptions { max_samples, max_pause, ..WindowOptions::default() };
        let windows = cut(&recording, &options, 0);
        assert_sound(&windows, &samples, max_samples);
        let held = joined(windows.iter().flat_map(|window| window.speech.clone()));
        assert_eq!(held, speech(&samples, 4_096), "seed {seed}");
        for resumed in [0, windows.len() / 2, windows.len() - 1] {
            let rest = cut(&recording, &options, windows[resumed].end());
            assert_eq!(rest, windows[resumed + 1..], "seed {seed} after window {resumed}");
        }
    }
}

#[test]
fn without_voice_activity_windows_tile_the_recording_and_resume() {
    for seed in 1..=6 {
        let recording = conversation(seed, 40);
        let samples = all_samples(&recording);
        let max_samples = [1, 4, 17, 30][Random(seed).below(4)] * SAMPLE_RATE;
        let options = WindowOptions { max_samples, ..without_vad() };
        let windows = cut(&recording, &options, 0);
        assert_sound(&windows, &samples, max_samples);
        let tiled: Vec<f32> = windows.iter().flat_map(|window| window.samples.clone()).collect();
        assert_eq!(tiled, samples, "seed {seed}");
        for (index, window) in windows.iter().enumerate() {
            assert_eq!(
                cut(&recording, &options, window.end()),
                windows[index + 1..],
                "seed {seed}"
            );
        }
    }
}

#[test]
fn no_window_of_a_long_clip_ends_within_a_sentence() {
    for Clip { name, samples, sentences } in clips() {
        let recording = Pcm::new(name.as_str(), samples);
        for options in [WindowOptions::default(), without_vad()] {
            for window in cut(&recording, &options, 0) {
                for edge in [window.start, window.end()] {
                    let inside = sentences.iter().find(|span| span.start < edge && edge < span.end);
                    assert_eq!(inside, None, "{name}: cut at {edge}");
                }
            }
        }
    }
}

#[test]
fn a_minute_of_speech_without_a_pause_is_cut_and_kept_whole() {
    let Clip { samples: voice, sentences, .. } = clip("en-03");
    let said: Vec<f32> = sentences
        .iter()
        .flat_map(|span| voice[span.start as usize..span.end as usize].iter().copied())
        .collect();
    let samples: Vec<f32> = said.iter().copied().cycle().take(60 * SAMPLE_RATE).collect();
    let windows = cut(&Pcm::new("talker", samples.clone()), &WindowOptions::default(), 0);
    assert_sound(&windows, &samples, WINDOW_SAMPLES);
    assert_eq!(windows.len(), 3);
    assert!(windows[..2].iter().all(|window| window.samples.len() > 22 * SAMPLE_RATE));
    assert!(windows.windows(2).all(|pair| pair[0].end() == pair[1].start));
}

#[test]
fn silence_has_no_windows_unless_everything_is_wanted() {
    let silence = Pcm::new("silence", vec![0.0; 70 * SAMPLE_RATE]);
    assert_eq!(cut(&silence, &WindowOptions::default(), 0), []);
    assert_eq!(cut(&silence, &without_vad(), 0).len(), 3);
    let nothing = Pcm::new("nothing", Vec::new());
    for options in [WindowOptions::default(), without_vad()] {
        assert_eq!(cut(&nothing, &options, 0), []);
        assert_eq!(cut(&silence, &options, 100 * SECOND), [], "from beyond the end");
    }
}

#[test]
fn a_step_never_reads_more_than_half_a_second() {
    let recording = Pcm::new("silence", vec![0.0; 20 * SAMPLE_RATE]);
    let samples = recording.open().expect("memory opens");
    let mut windows = Windows::new(samples, WindowOptions::default(), 0);
    let mut before = 0;
    while let Step::Read = windows.step().expect("memory is read") {
        assert!(windows.position() - before <= SECOND / 2);
        before = windows.position();
    }
    assert_eq!(before, 20 * SECOND);
}
