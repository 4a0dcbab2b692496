//! `hansard models pull`: a bar on a terminal, a line for each file elsewhere.

use std::io::IsTerminal;

use hansard_speech::hub::{Hub, Progress};
use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure;
use crate::exit::{Exit, Failure};
use crate::output;

/// Fetches `model`.
pub(super) fn run(hub: &Hub, model: &str, quiet: bool) -> Result<Exit, Failure> {
    let mut display = if quiet {
        Display::Nothing
    } else if std::io::stderr().is_terminal() {
        Display::Bar(bar())
    } else {
        Display::Lines { file: None }
    };
    let pulled = hub.pull(model, &mut |progress| display.show(model, progress));
    if let Display::Bar(bar) = display {
        bar.finish_and_clear();
    }
    let pulled = pulled.map_err(failure)?;
    if let Some(reason) = &pulled.unchecked {
        output::note(&format!("whether the hub has a newer {model} is not known: {reason}"));
    }
    if !quiet {
        let fetched = match pulled.fetched {
            0 => "nothing to fetch".to_owned(),
            bytes => format!("fetched {}", DecimalBytes(bytes)),
        };
        output::note(&format!("{model} is in {} ({fetched})", pulled.folder.display()));
    }
    Ok(Exit::Success)
}

enum Display {
    Nothing,
    Bar(ProgressBar),
    /// The file that the last line was about.
    Lines {
        file: Option<String>,
    },
}

impl Display {
    fn show(&mut self, model: &str, progress: Progress<'_>) {
        match self {
            Self::Nothing => {}
            Self::Bar(bar) => {
                bar.set_length(progress.total);
                bar.set_position(progress.done);
                bar.set_message(progress.file.to_owned());
            }
            Self::Lines { file } => {
                if file.as_deref() == Some(progress.file) {
                    return;
                }
                let (done, total) = (DecimalBytes(progress.done), DecimalBytes(progress.total));
                output::note(&format!("{model}: {} ({done} of {total} done)", progress.file));
                *file = Some(progress.file.to_owned());
            }
        }
    }
}

fn bar() -> ProgressBar {
    const TEMPLATE: &str = "{msg} [{bar:24}] {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(TEMPLATE).expect("the template is a constant");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.with_style(style.progress_chars("=> "))
}
