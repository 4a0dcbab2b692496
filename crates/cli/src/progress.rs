//! How far a transcription is: a bar on a terminal, a few plain lines elsewhere.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::clock::clock;
use crate::output;

/// Plain lines come at most this often, as a part of the recording.
const LINE_PART: f64 = 0.1;

/// Where the length is not known, lines come at most this often in seconds of sound, and less often further on.
const LINE_SECONDS: f64 = 60.0;

/// The bar is drawn anew this often, so that it shows life during a long window.
const BAR_TICK: Duration = Duration::from_millis(250);

/// Progress of one recording on standard error.
pub(crate) struct Progress {
    name: String,
    began: Instant,
    display: Display,
}

enum Display {
    Nothing,
    /// The next line comes when so many seconds are done.
    Lines {
        next_at: f64,
    },
    Bar(ProgressBar),
}

impl Progress {
    /// Begins to show the progress of the recording `name`, unless `quiet`.
    pub(crate) fn begin(name: String, quiet: bool) -> Self {
        let display = if quiet {
            Display::Nothing
        } else if std::io::stderr().is_terminal() {
            Display::Bar(bar(&name))
        } else {
            Display::Lines { next_at: 0.0 }
        };
        Self { name, began: Instant::now(), display }
    }

    /// So many seconds are done, of as many as the container states.
    pub(crate) fn reached(&mut self, done: f64, stated: Option<f64>) {
        let pace =
            Pace { done, total: stated.filter(|total| *total >= done), took: self.began.elapsed() };
        match &mut self.display {
            Display::Nothing => {}
            Display::Lines { next_at } => {
                if done >= *next_at {
                    *next_at = done + pace.line_step();
                    output::note(&format!("{}: {}", self.name, pace.line()));
                }
            }
            Display::Bar(bar) => {
                if let Some(total) = pace.total {
                    bar.set_length(total as u64);
                }
                bar.set_position(done as u64);
                bar.set_message(pace.line());
            }
        }
    }

    /// Takes the bar away, so that messages have the terminal to themselves, and says how long it took.
    pub(crate) fn finish(self, done: f64) {
        let pace = Pace { done, total: Some(done), took: self.began.elapsed() };
        match self.display {
            Display::Nothing => return,
            Display::Lines { .. } => {}
            Display::Bar(bar) => bar.finish_and_clear(),
        }
        let (length, took) = (clock(done), clock(pace.took.as_secs_f64()));
        output::note(&format!(
            "{}: {length} of sound in {took}, {:.1} x real time",
            self.name,
            pace.speed()
        ));
    }

    /// Takes the bar away without a word.
    pub(crate) fn abandon(self) {
        if let Display::Bar(bar) = self.display {
            bar.finish_and_clear();
        }
    }
}

fn bar(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {spinner} [{bar:24}] {msg}")
        .expect("the template is a constant");
    let bar = ProgressBar::no_length().with_style(style.progress_chars("=> "));
    // The whole path would leave no room on a narrow terminal.
    let short = Path::new(name).file_name().unwrap_or(name.as_ref());
    bar.set_prefix(short.to_string_lossy().into_owned());
    bar.enable_steady_tick(BAR_TICK);
    bar
}

/// How fast it goes.
struct Pace {
    /// Seconds of sound that are done.
    done: f64,
    /// Seconds of sound in all.
    total: Option<f64>,
    took: Duration,
}

impl Pace {
    /// Seconds of sound in a second of work.
    fn speed(&self) -> f64 {
        self.done / self.took.as_secs_f64().max(1e-3)
    }

    fn line(&self) -> String {
        let (done, speed) = (clock(self.done), self.speed());
        match self.total {
            Some(total) if total > 0.0 => {
                let percent = (100.0 * self.done / total) as u32;
                let left = clock((total - self.done) / speed.max(1e-3));
                format!(
                    "{percent} % ({done} of {}), {speed:.1} x real time, {left} left",
                    clock(total)
                )
            }
            Some(_) | None => format!("{done} done, {speed:.1} x real time"),
        }
    }

    fn line_step(&self) -> f64 {
        match self.total {
            Some(total) => LINE_PART * total,
            None => LINE_SECONDS.max(LINE_PART * self.done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_speed_and_time_left() {
        let pace = Pace { done: 30.0, total: Some(120.0), took: Duration::from_secs(3) };
        assert_eq!(pace.line(), "25 % (00:30 of 02:00), 10.0 x real time, 00:09 left");
        let unknown = Pace { total: None, ..pace };
        assert_eq!(unknown.line(), "00:30 done, 10.0 x real time");
    }

    #[test]
    fn lines_are_few_however_long_the_recording_is() {
        let ten_hours = 36_000.0;
        for total in [Some(ten_hours), None] {
            let (mut next_at, mut lines) = (0.0, 0);
            for window in 1..=1200 {
                let pace = Pace { done: f64::from(window) * 30.0, total, took: Duration::ZERO };
                if pace.done >= next_at {
                    next_at = pace.done + pace.line_step();
                    lines += 1;
                }
            }
            assert!(lines < 70, "{lines}");
        }
    }

    #[test]
    fn nothing_done_in_no_time_is_no_division_by_zero() {
        let pace = Pace { done: 0.0, total: Some(0.0), took: Duration::ZERO };
        assert_eq!(pace.line(), "00:00 done, 0.0 x real time");
    }
}
