//! What every engine promises. One suite, run on Whisper in both long-form modes, on a service and on the fake.

use std::sync::atomic::{AtomicUsize, Ordering};

use hansard_domain::transcript::Segment;
use hansard_media::{Pcm, Recording, Samples};
use hansard_speech::fake::Fake;
use hansard_speech::{
    Cancel, Checkpoint, Error, LongForm, Observer, Options, Silent, Transcriber, WindowDone,
};

use crate::service::Service;
use crate::support::{clip, whisper};

fn options(long_form: LongForm) -> Options {
    Options { long_form, beam_size: 1, word_timestamps: true, ..Options::default() }
}

/// 74 s: three windows or more for every engine.
fn long_recording() -> Pcm {
    clip("long-00")
}

/// Keeps what it is told.
#[derive(Default)]
struct Kept {
    windows: Vec<(Vec<Segment>, Checkpoint)>,
}

impl Observer for Kept {
    fn window_done(&mut self, window: &WindowDone<'_>) -> Result<(), Error> {
        self.windows.push((window.segments.to_vec(), window.checkpoint.clone()));
        Ok(())
    }
}

fn progress_comes_by_window_and_holds_everything(engine: &dyn Transcriber, options: &Options) {
    let mut kept = Kept::default();
    let recording = long_recording();
    let transcript =
        engine.transcribe(&recording, options, None, &Cancel::default(), &mut kept).unwrap();
    assert!(kept.windows.len() > 1);
    assert!(kept.windows.is_sorted_by_key(|(_, checkpoint)| checkpoint.next_sample));
    let told: Vec<Segment> = kept.windows.into_iter().flat_map(|(segments, _)| segments).collect();
    assert_eq!(told, transcript.segments);
    assert!(!told.is_empty());
    assert!((transcript.duration - 74.167).abs() < 0.01);
    for pair in told.windows(2) {
        assert!(pair[0].end <= pair[1].start + 0.3, "{pair:?}");
    }
    for segment in &told {
        assert!(0.0 <= segment.start && segment.start < segment.end, "{segment:?}");
        assert!(segment.end <= transcript.duration + 0.5, "{segment:?}");
        assert!(!segment.words.is_empty(), "{segment:?}");
        assert!(segment.words.iter().all(|word| word.start <= word.end), "{segment:?}");
    }
}

fn a_stopped_run_goes_on_where_it_was(engine: &dyn Transcriber, options: &Options) {
    let mut kept = Kept::default();
    let recording = long_recording();
    engine.transcribe(&recording, options, None, &Cancel::default(), &mut kept).unwrap();
    let (_, checkpoint) = &kept.windows[0];
    let rest = engine
        .transcribe(&recording, options, Some(checkpoint), &Cancel::default(), &mut Silent)
        .unwrap();
    let expected: Vec<Segment> = kept.windows[1..].iter().flat_map(|(s, _)| s.clone()).collect();
    assert_eq!(rest.segments, expected);
    assert_eq!(rest.language.as_ref(), checkpoint.language.as_ref());
}

/// A recording that throws the switch when its reader reaches a sample.
struct Trap {
    inner: Pcm,
    cancel: Cancel,
    at: usize,
}

struct TrapReader<'a> {
    inner: Box<dyn Samples + 'a>,
    trap: &'a Trap,
    read: usize,
}

impl Samples for TrapReader<'_> {
    fn read(&mut self, buffer: &mut [f32]) -> Result<usize, hansard_media::Error> {
        let count = self.inner.read(buffer)?;
        self.read += count;
        if self.read >= self.trap.at {
            self.trap.cancel.cancel();
        }
        Ok(count)
    }
}

impl Recording for Trap {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn open(&self) -> Result<Box<dyn Samples + '_>, hansard_media::Error> {
        Ok(Box::new(TrapReader { inner: self.inner.open()?, trap: self, read: 0 }))
    }

    fn duration_hint(&self) -> Option<f64> {
        self.inner.duration_hint()
    }
}

fn a_cancelled_run_stops_within_the_window(engine: &dyn Transcriber, options: &Options) {
    for at in [0, 20 * 16_000] {
        let trap = Trap { inner: long_recording(), cancel: Cancel::default(), at };
        let mut kept = Kept::default();
        let outcome = engine.transcribe(&trap, options, None, &trap.cancel, &mut kept);
        assert!(matches!(outcome, Err(Error::Cancelled)), "{outcome:?}");
        assert!(kept.windows.len() <= 1, "{} windows after the switch", kept.windows.len());
    }
}

fn an_observer_that_fails_stops_the_run(engine: &dyn Transcriber, options: &Options) {
    struct Full(usize);
    impl Observer for Full {
        fn window_done(&mut self, _window: &WindowDone<'_>) -> Result<(), Error> {
            self.0 += 1;
            Err(Error::Observer("the disk is full".into()))
        }
    }
    let mut full = Full(0);
    let outcome =
        engine.transcribe(&long_recording(), options, None, &Cancel::default(), &mut full);
    assert!(matches!(outcome, Err(Error::Observer(_))), "{outcome:?}");
    assert_eq!(full.0, 1);
}

fn several_callers_share_one_engine(engine: &dyn Transcriber, options: &Options) {
    let read = || {
        let recording = clip("en-01");
        engine.transcribe(&recording, options, None, &Cancel::default(), &mut Silent).unwrap()
    };
    let alone = read();
    let same = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                assert_eq!(read(), alone);
                same.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(same.into_inner(), 3);
}

fn nothing_gives_nothing(engine: &dyn Transcriber, options: &Options) {
    for seconds in [0, 1, 40] {
        let silence = Pcm::new("silence", vec![0.0; seconds * 16_000]);
        let transcript =
            engine.transcribe(&silence, options, None, &Cancel::default(), &mut Silent).unwrap();
        assert_eq!(transcript.text(), "");
        assert!((transcript.duration - seconds as f64).abs() < 0.01);
    }
}

fn options_that_cannot_be_followed_are_refused(engine: &dyn Transcriber, options: &Options) {
    let recording = clip("en-01");
    for wrong in [
        Options { temperatures: Vec::new(), ..options.clone() },
        Options { beam_size: 0, ..options.clone() },
        Options { language: Some("klingon".to_owned()), ..options.clone() },
    ] {
        let outcome = engine.transcribe(&recording, &wrong, None, &Cancel::default(), &mut Silent);
        assert!(matches!(outcome, Err(Error::Options(_))), "{wrong:?}: {outcome:?}");
    }
}

macro_rules! transcriber_suite {
    ($($engine:ident: $make:expr, $long_form:expr;)*) => {$(
        mod $engine {
            use super::*;

            transcriber_suite!(@cases $make, $long_form,
                progress_comes_by_window_and_holds_everything
                a_stopped_run_goes_on_where_it_was
                a_cancelled_run_stops_within_the_window
                an_observer_that_fails_stops_the_run
                several_callers_share_one_engine
                nothing_gives_nothing
                options_that_cannot_be_followed_are_refused
            );
        }
    )*};
    (@cases $make:expr, $long_form:expr, $($case:ident)*) => {$(
        #[test]
        fn $case() {
            super::$case($make, &options($long_form));
        }
    )*};
}

transcriber_suite! {
    whisper_by_windows: whisper(), LongForm::Windows;
    whisper_in_sequence: whisper(), LongForm::Sequential;
    service: &Service::start().engine(), LongForm::Windows;
    fake: &Fake::new(), LongForm::Windows;
}
