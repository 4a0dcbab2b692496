//! `hansard transcribe`: carries out the plan, one recording after the other.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use hansard_domain::transcript::{Segment, Transcript};
use hansard_media::SAMPLE_RATE;
use hansard_speech::{Cancel, Checkpoint, Error, Observer, Transcriber, WindowDone};

use crate::args::TranscribeArgs;
use crate::clock::clock;
use crate::engine;
use crate::exit::{Exit, Failure};
use crate::formats::{self, Extent, Format};
use crate::inputs::{self, Input};
use crate::interrupt;
use crate::output;
use crate::plan::{self, Job, Plan, Target};
use crate::progress::Progress;
use crate::recordings;

/// Does what was typed. One recording that fails does not keep the others from being done.
///
/// # Errors
/// What makes it pointless to go on with any recording: a wrong command line, files in the way, no model.
pub(crate) fn run(args: &TranscribeArgs) -> Result<Exit, Failure> {
    let inputs = inputs::expand(&args.inputs);
    let plan = plan::plan(args, &inputs, |path| path.symlink_metadata().is_ok())?;
    if let Some(folder) = &args.output_dir {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    if plan.jobs.iter().any(|job| matches!(job.target, Target::Files(_))) {
        let folder = args.output_dir.as_deref().filter(|folder| !folder.as_os_str().is_empty());
        check_writable(folder.unwrap_or(Path::new(".")))?;
    }
    let cancel = interrupt::on_interrupt()?;
    let mut run = Run { args, plan: &plan, cancel, engine: None };
    let mut failed = !inputs.failed.is_empty();
    for error in &inputs.failed {
        output::note(&format!("hansard: {error:#}"));
    }
    for (index, job) in plan.jobs.iter().enumerate() {
        match run.job(job)? {
            Outcome::Done => {}
            Outcome::Failed(error) => {
                output::note(&format!("hansard: {error:#}"));
                failed = true;
            }
            Outcome::Interrupted => {
                let left = plan.jobs.len() - index - 1;
                if left > 0 {
                    output::note(&format!("hansard: interrupted with {left} more to do"));
                }
                return Ok(Exit::Interrupted);
            }
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Success })
}

/// Finds out before the work, not after it, that the files cannot be written.
fn check_writable(folder: &Path) -> anyhow::Result<()> {
    tempfile::tempfile_in(folder)
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    Ok(())
}

enum Outcome {
    Done,
    Failed(anyhow::Error),
    Interrupted,
}

struct Run<'a> {
    args: &'a TranscribeArgs,
    plan: &'a Plan,
    cancel: Cancel,
    /// Loaded when the first recording turned out to be one.
    engine: Option<Arc<dyn Transcriber>>,
}

impl Run<'_> {
    fn job(&mut self, job: &Job) -> Result<Outcome, Failure> {
        if self.cancel.is_cancelled() {
            return Ok(Outcome::Interrupted);
        }
        if job.input == Input::Stdin && !self.args.quiet {
            output::note("reading standard input");
        }
        let opened = match recordings::open(&job.input, &self.cancel) {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Outcome::Interrupted),
            Err(error) => return Ok(Outcome::Failed(error)),
        };
        let engine = self.engine()?;
        let progress = Progress::begin(job.input.name(), self.args.quiet);
        let mut kept = Kept::new(progress);
        let (recording, options) = (opened.recording(), &self.plan.options);
        match engine.transcribe(recording, options, None, &self.cancel, &mut kept) {
            Ok(transcript) => {
                kept.progress.finish(transcript.duration);
                Ok(self
                    .write(job, &transcript, Extent::Whole)
                    .map_or_else(Outcome::Failed, |()| Outcome::Done))
            }
            Err(Error::Cancelled) => {
                self.keep(job, kept, &*engine, "interrupted");
                Ok(Outcome::Interrupted)
            }
            Err(error @ Error::Media(_)) if kept.checkpoint.is_some() => {
                self.keep(job, kept, &*engine, "failed");
                refuse(job, error).map(Outcome::Failed)
            }
            Err(error) => {
                kept.progress.abandon();
                refuse(job, error).map(Outcome::Failed)
            }
        }
    }

    fn engine(&mut self) -> Result<Arc<dyn Transcriber>, Failure> {
        if let Some(engine) = &self.engine {
            return Ok(Arc::clone(engine));
        }
        let engine = engine::load_engine(self.args.model.as_deref(), &self.args.engine)
            .map_err(|error| Failure::new(Exit::Model, error))?;
        self.engine = Some(Arc::clone(&engine));
        Ok(engine)
    }

    fn write(&self, job: &Job, transcript: &Transcript, extent: Extent) -> anyhow::Result<()> {
        let style = &self.plan.style;
        match &job.target {
            Target::Stdout(format) => {
                output::data(&formats::render(transcript, extent, *format, style)?)
            }
            Target::Files(files) => {
                // One that fails must not lose the others, which took as much work.
                let mut first_failure = Ok(());
                for (format, path) in files {
                    let written = self.write_file(transcript, extent, *format, path);
                    first_failure = first_failure.and(written);
                }
                first_failure
            }
        }
    }

    fn write_file(
        &self,
        transcript: &Transcript,
        extent: Extent,
        format: Format,
        path: &Path,
    ) -> anyhow::Result<()> {
        let text = formats::render(transcript, extent, format, &self.plan.style)?;
        output::file(path, &text, self.plan.overwrite)?;
        if !self.args.quiet {
            output::note(&format!("wrote {}", path.display()));
        }
        Ok(())
    }

    /// Writes what was finished before the transcription was `stopped` (how, in a word), and tells what came of it.
    fn keep(&self, job: &Job, kept: Kept, engine: &dyn Transcriber, stopped: &str) {
        kept.progress.abandon();
        let name = job.input.name();
        let Some(checkpoint) = kept.checkpoint else {
            output::note(&format!("hansard: {name}: {stopped} before anything was finished"));
            return;
        };
        let duration = checkpoint.next_sample as f64 / SAMPLE_RATE as f64;
        let transcript = Transcript {
            model: engine.model().to_owned(),
            language: checkpoint.language,
            language_probability: checkpoint.language_probability,
            task: self.plan.options.task,
            duration,
            segments: kept.segments,
            dropped: kept.dropped,
        };
        let reached = clock(duration);
        output::note(&match self.write(job, &transcript, Extent::Partial) {
            Ok(()) => {
                format!("hansard: {name}: {stopped} at {reached}; kept what was said before")
            }
            Err(error) => format!(
                "hansard: {name}: {stopped} at {reached}; what was said before is not kept: {error:#}"
            ),
        });
    }
}

/// What a failed transcription means: for this recording alone, or for all of them.
fn refuse(job: &Job, error: Error) -> Result<anyhow::Error, Failure> {
    match error {
        // It names the recording itself.
        Error::Media(error) => Ok(error.into()),
        Error::Options(_) => Err(Failure::new(Exit::Usage, error)),
        Error::Model { .. } => Err(Failure::new(Exit::Model, error)),
        Error::Cancelled | Error::Observer(_) | Error::Remote { .. } => {
            Ok(anyhow::Error::new(error).context(job.input.name()))
        }
    }
}

/// Keeps what is finished, and shows how far it is.
struct Kept {
    segments: Vec<Segment>,
    dropped: Vec<Segment>,
    checkpoint: Option<Checkpoint>,
    progress: Progress,
}

impl Kept {
    fn new(progress: Progress) -> Self {
        Self { segments: Vec::new(), dropped: Vec::new(), checkpoint: None, progress }
    }
}

impl Observer for Kept {
    fn window_done(&mut self, window: &WindowDone<'_>) -> Result<(), Error> {
        self.segments.extend_from_slice(window.segments);
        self.dropped.extend_from_slice(window.dropped);
        self.checkpoint = Some(window.checkpoint.clone());
        let done = window.checkpoint.next_sample as f64 / SAMPLE_RATE as f64;
        self.progress.reached(done, window.duration_hint);
        Ok(())
    }
}
