//! From what was typed to what will be done: every refusal that needs no work happens here, before any.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use hansard_domain::transcript::Task;
use hansard_speech::{LongForm, Options};

use crate::args::{DecodingArgs, ModeChoice, TaskChoice, TranscribeArgs};
use crate::exit::{Exit, Failure};
use crate::formats::{Format, FormatChoice, Style};
use crate::inputs::{Input, Inputs};
use crate::output::Overwrite;

/// Temperatures end at 1, and this many of them are enough for any step.
const TEMPERATURES_MAX: usize = 100;

/// What will be done.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) jobs: Vec<Job>,
    pub(crate) options: Options,
    pub(crate) style: Style,
    pub(crate) overwrite: Overwrite,
}

/// One recording and where its transcript goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) input: Input,
    pub(crate) target: Target,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Stdout(Format),
    Files(Vec<(Format, PathBuf)>),
}

/// Checks what was typed against itself and against the files that exist.
///
/// # Errors
/// [`Exit::Usage`] for a line that cannot be followed, [`Exit::WouldOverwrite`] for outputs that exist.
pub(crate) fn plan(
    args: &TranscribeArgs,
    inputs: &Inputs,
    exists: impl Fn(&Path) -> bool,
) -> Result<Plan, Failure> {
    let formats = args.output_format.formats();
    let to_files = args.output_dir.is_some()
        || args.output_format == FormatChoice::All
        || args.inputs.len() > 1
        || inputs.from_folder;
    let folder = args.output_dir.as_deref().unwrap_or(Path::new(""));
    let jobs: Vec<Job> = inputs
        .list
        .iter()
        .map(|input| {
            let target = if to_files {
                Target::Files(outputs(input, folder, &formats))
            } else {
                Target::Stdout(formats[0])
            };
            Job { input: input.clone(), target }
        })
        .collect();
    check_distinct(&jobs)?;
    let overwrite = if args.force { Overwrite::Yes } else { Overwrite::No };
    check_existing(&jobs, overwrite, exists)?;
    Ok(Plan { jobs, options: options(args)?, style: style(args), overwrite })
}

/// `<stem>.<extension>` in `folder` for each format.
fn outputs(input: &Input, folder: &Path, formats: &[Format]) -> Vec<(Format, PathBuf)> {
    let stem = match input {
        Input::File(path) => path.file_stem().unwrap_or(path.as_os_str()).to_owned(),
        Input::Stdin => OsString::from("stdin"),
    };
    formats
        .iter()
        .map(|format| {
            let mut name = stem.clone();
            name.push(".");
            name.push(format.extension());
            (*format, folder.join(name))
        })
        .collect()
}

fn check_distinct(jobs: &[Job]) -> Result<(), Failure> {
    let mut written: BTreeMap<&Path, &Input> = BTreeMap::new();
    if jobs.iter().filter(|job| job.input == Input::Stdin).count() > 1 {
        return Err(Failure::usage("standard input can be read only once".to_owned()));
    }
    for (output, input) in outputs_of(jobs) {
        if let Some(other) = written.insert(output, input) {
            return Err(Failure::usage(format!(
                "{} and {} would both be written to {}; transcribe them into different folders",
                other.name(),
                input.name(),
                output.display()
            )));
        }
    }
    let written: BTreeMap<PathBuf, &Input> =
        written.into_iter().map(|(output, input)| (absolute(output), input)).collect();
    for job in jobs {
        if let Input::File(path) = &job.input
            && let Some(other) = written.get(&absolute(path))
        {
            let (output, input) = (path.display(), other.name());
            return Err(Failure::usage(format!(
                "the transcript of {input} would replace the recording {output}"
            )));
        }
    }
    Ok(())
}

/// The path without regard to how it was typed.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn check_existing(
    jobs: &[Job],
    overwrite: Overwrite,
    exists: impl Fn(&Path) -> bool,
) -> Result<(), Failure> {
    if overwrite == Overwrite::Yes {
        return Ok(());
    }
    let existing: Vec<String> = outputs_of(jobs)
        .filter(|(output, _)| exists(output))
        .map(|(output, _)| output.display().to_string())
        .collect();
    if existing.is_empty() {
        return Ok(());
    }
    let message = format!("{} exists already; --force replaces it", existing.join(", "));
    Err(Failure::new(Exit::WouldOverwrite, anyhow::Error::msg(message)))
}

fn outputs_of(jobs: &[Job]) -> impl Iterator<Item = (&Path, &Input)> {
    jobs.iter().flat_map(|job| {
        let files: &[(Format, PathBuf)] = match &job.target {
            Target::Stdout(_) => &[],
            Target::Files(files) => files,
        };
        files.iter().map(|(_, path)| (path.as_path(), &job.input))
    })
}

fn options(args: &TranscribeArgs) -> Result<Options, Failure> {
    let decoding = &args.decoding;
    let long_form = match decoding.mode {
        ModeChoice::Windows => LongForm::Windows,
        ModeChoice::Sequential => LongForm::Sequential,
    };
    if decoding.condition_on_previous_text && long_form == LongForm::Windows {
        return Err(Failure::usage(
            "--condition-on-previous-text needs --mode sequential: windows know nothing of each other"
                .to_owned(),
        ));
    }
    Ok(Options {
        language: args.language.0.clone(),
        task: match args.task {
            TaskChoice::Transcribe => Task::Transcribe,
            TaskChoice::Translate => Task::Translate,
        },
        long_form,
        vad: !decoding.no_vad,
        beam_size: usize::from(decoding.beam_size),
        temperatures: temperatures(decoding)?,
        initial_prompt: decoding.initial_prompt.clone(),
        condition_on_previous_text: decoding.condition_on_previous_text,
        word_timestamps: decoding.word_timestamps,
        compression_ratio_threshold: decoding.compression_ratio_threshold.0,
        log_probability_threshold: decoding.logprob_threshold.0,
        no_speech_threshold: decoding.no_speech_threshold.0,
        ..Options::default()
    })
}

/// From the temperature to 1 by the increment, as openai-whisper counts.
fn temperatures(decoding: &DecodingArgs) -> Result<Vec<f32>, Failure> {
    let first = decoding.temperature;
    let Some(step) = decoding.temperature_increment_on_fallback.0 else {
        return Ok(vec![first]);
    };
    if step * TEMPERATURES_MAX as f32 <= 1.0 {
        let message = "--temperature-increment-on-fallback must be more than 0.01, or none";
        return Err(Failure::usage(message.to_owned()));
    }
    // Multiplying keeps 0.6 from becoming 0.6000001.
    let temperatures = (0..=TEMPERATURES_MAX).map(|n| first + n as f32 * step);
    Ok(temperatures.take_while(|t| *t <= 1.0 + 1e-6).map(round_to_thousandths).collect())
}

fn round_to_thousandths(number: f32) -> f32 {
    (number * 1000.0).round() / 1000.0
}

fn style(args: &TranscribeArgs) -> Style {
    Style {
        line_width: args.subtitles.max_line_width.map(usize::from),
        lines: args.subtitles.max_line_count.map(usize::from),
        words: args.decoding.word_timestamps,
    }
}

#[cfg(test)]
mod tests;
