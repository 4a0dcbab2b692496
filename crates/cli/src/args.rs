//! What can be typed, with the names that Whisper's users know. [`crate::plan`] makes sense of it.

pub(crate) mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::ConfigArgs;
use crate::db::DbArgs;
use crate::formats::FormatChoice;
use crate::models::ModelsArgs;
use crate::serve::ServeArgs;
use crate::token::TokenArgs;
use crate::user::UserArgs;
use crate::worker::WorkerArgs;
use crate::workspace::WorkspaceArgs;
use values::{Language, OptionalFloat};

/// The record of what was said: speech to timed text on your own machine
#[derive(Debug, Parser)]
#[command(name = "hansard", version, propagate_version = true, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Data goes to standard output, everything else to standard error.

Exit codes:
    0  everything was done
    1  some input or output failed; the others were done
    2  the command line or the configuration is wrong
    3  the model is missing or cannot be loaded
    4  an output file exists already, and nothing was done (--force replaces it)
  130  interrupted; what was finished was kept

Environment:
  MOCK_TRANSCRIBE=1  made-up words instead of a model, for tests of what is built on this";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write down what is said in audio and video files
    #[command(after_long_help = EXIT_CODES)]
    Transcribe(Box<TranscribeArgs>),
    /// Transcribe a bundled recording with a bundled model: nothing to download
    Demo(DemoArgs),
    /// List, fetch, import, check and remove models
    Models(ModelsArgs),
    /// Run the service: HTTP, and work on the jobs that come in
    Serve(Box<ServeArgs>),
    /// Work on the jobs of a service that other processes share
    Worker(Box<WorkerArgs>),
    /// Show and check the configuration of the service
    Config(ConfigArgs),
    /// Bring the database up to date, and check it
    Db(DbArgs),
    /// Make, list, change and erase the users of the service
    User(UserArgs),
    /// Make, list, revoke and rotate the tokens of programs
    Token(TokenArgs),
    /// List the workspaces that everything belongs to
    Workspace(WorkspaceArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TranscribeArgs {
    /// Audio or video of any usual kind, a folder of it, or - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) inputs: Vec<PathBuf>,

    /// Model by name (small), hub id (openai/whisper-small), folder or file [default: small, or else one that is on this
    /// machine]
    #[arg(long, short, value_name = "MODEL")]
    pub(crate) model: Option<String>,

    /// Language spoken, as pt or Portuguese; found out unless given
    #[arg(long, short, value_name = "LANGUAGE", default_value = "auto")]
    pub(crate) language: Language,

    /// Write down what is said as it is said, or in English
    #[arg(long, value_enum, default_value_t = TaskChoice::Transcribe)]
    pub(crate) task: TaskChoice,

    /// Kind of output
    #[arg(long, short = 'f', alias = "output_format", value_enum, default_value_t = FormatChoice::Txt)]
    pub(crate) output_format: FormatChoice,

    /// Write a file for each input into this folder [default for several inputs: the current one]
    #[arg(long, short, alias = "output_dir", value_name = "FOLDER")]
    pub(crate) output_dir: Option<PathBuf>,

    /// Replace output files that exist
    #[arg(long)]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) engine: EngineArgs,

    /// No progress
    #[arg(long, short)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) decoding: DecodingArgs,

    #[command(flatten)]
    pub(crate) subtitles: SubtitleArgs,
}

/// How the model is used.
#[derive(Debug, Args)]
#[command(next_help_heading = "Decoding")]
pub(crate) struct DecodingArgs {
    /// Time and probability of each word, in json, and for closer subtitles
    #[arg(
        long,
        alias = "word_timestamps",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        hide_default_value = true,
        hide_possible_values = true,
        value_name = "BOOL",
        ignore_case = true
    )]
    pub(crate) word_timestamps: bool,

    /// Hypotheses kept while decoding; 1 is greedy
    #[arg(long, alias = "beam_size", value_name = "COUNT", default_value_t = 5, value_parser = values::count(1, 64))]
    pub(crate) beam_size: u16,

    /// Temperature of sampling, 0 to 1; 0 always takes the most probable text
    #[arg(long, value_name = "NUMBER", default_value_t = 0.0, value_parser = values::fraction)]
    pub(crate) temperature: f32,

    /// Step to the next temperature when a text fails the checks below; none never tries again
    #[arg(
        long,
        alias = "temperature_increment_on_fallback",
        value_name = "NUMBER",
        default_value = "0.2"
    )]
    pub(crate) temperature_increment_on_fallback: OptionalFloat,

    /// Text that compresses better than this loops, and is decoded again; none never
    #[arg(
        long,
        alias = "compression_ratio_threshold",
        value_name = "NUMBER",
        default_value = "2.4"
    )]
    pub(crate) compression_ratio_threshold: OptionalFloat,

    /// Text with a lower average log-probability is decoded again; none never
    #[arg(
        long,
        alias = "logprob_threshold",
        value_name = "NUMBER",
        default_value = "-1.0",
        allow_hyphen_values = true
    )]
    pub(crate) logprob_threshold: OptionalFloat,

    /// An improbable text is silence when the model says so with more than this probability; none never
    #[arg(long, alias = "no_speech_threshold", value_name = "NUMBER", default_value = "0.6")]
    pub(crate) no_speech_threshold: OptionalFloat,

    /// Names and words to expect, in the style to write in
    #[arg(long, alias = "initial_prompt", value_name = "TEXT")]
    pub(crate) initial_prompt: Option<String>,

    /// Prime each window with the text before it; needs --mode sequential
    #[arg(
        long,
        alias = "condition_on_previous_text",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        hide_default_value = true,
        hide_possible_values = true,
        value_name = "BOOL",
        ignore_case = true
    )]
    pub(crate) condition_on_previous_text: bool,

    /// Cut at pauses into independent windows, or seek by timestamps as openai-whisper does
    #[arg(long, value_enum, default_value_t = ModeChoice::Windows)]
    pub(crate) mode: ModeChoice,

    /// Leave out silence, found by voice activity detection (the default)
    #[arg(long, overrides_with = "no_vad")]
    pub(crate) vad: bool,

    /// Let the model hear silence too
    #[arg(long, alias = "no_vad", overrides_with = "vad")]
    pub(crate) no_vad: bool,
}

/// How subtitles are cut.
#[derive(Debug, Args)]
#[command(next_help_heading = "Subtitles")]
pub(crate) struct SubtitleArgs {
    /// Characters in a line [default: 42; 30 for Chinese, Japanese, Arabic, Hindi and the like]
    #[arg(long, alias = "max_line_width", value_name = "COUNT", value_parser = values::count(1, 1000))]
    pub(crate) max_line_width: Option<u16>,

    /// Lines on screen at a time [default: 2]
    #[arg(long, alias = "max_line_count", value_name = "COUNT", value_parser = values::count(1, 100))]
    pub(crate) max_line_count: Option<u16>,
}

/// Who does the work.
#[derive(Debug, Clone, Args)]
pub(crate) struct EngineArgs {
    /// Threads that compute; 0 is one for each core
    #[arg(long, value_name = "COUNT", default_value_t = 0, value_parser = values::count(0, 1024))]
    pub(crate) threads: u16,

    /// Made-up words instead of a model
    #[arg(long, env = "MOCK_TRANSCRIBE", hide = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) mock_transcribe: bool,

    /// With made-up words: wait after each window until interrupted, so that tests of stopping need no race
    #[arg(long, env = "HANSARD_FAKE_PAUSE", hide = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub(crate) fake_pause: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TaskChoice {
    Transcribe,
    Translate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeChoice {
    Windows,
    Sequential,
}

/// Joins `--word_timestamps True`, as openai-whisper takes it, to `--word_timestamps=True`.
///
/// Otherwise either `--word-timestamps talk.mp3` would take the file for the value, or `True` would be a file.
pub(crate) fn join_booleans(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    const FLAGS: [&str; 4] = [
        "--word-timestamps",
        "--word_timestamps",
        "--condition-on-previous-text",
        "--condition_on_previous_text",
    ];
    let mut joined: Vec<OsString> = Vec::new();
    for arg in args {
        let is_boolean = ["true", "false"].iter().any(|word| arg.eq_ignore_ascii_case(word));
        match joined.last_mut() {
            Some(flag) if is_boolean && FLAGS.iter().any(|known| *flag == **known) => {
                flag.push("=");
                flag.push(arg.to_ascii_lowercase());
            }
            _ => joined.push(arg),
        }
    }
    joined
}

#[cfg(test)]
mod tests;
