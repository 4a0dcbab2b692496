//! What a command line leads to, without a disk.

use clap::Parser;
use hansard_speech::transcriber::TEMPERATURES;

use super::*;
use crate::args::{Cli, Command};

/// The plan for a line whose FILE arguments ending in `/` are folders of `1.mp3` and `2.mp3`, where `existing` exist.
fn planned(line: &str, existing: &[&str]) -> Result<Plan, Failure> {
    let line = format!("hansard transcribe {line}");
    let cli = Cli::try_parse_from(line.split_whitespace()).expect("a line that can be read");
    let Command::Transcribe(args) = cli.command else { panic!("the line says transcribe") };
    let mut inputs = Inputs::default();
    for argument in &args.inputs {
        match argument.to_str().expect("UTF-8") {
            "-" => inputs.list.push(Input::Stdin),
            folder if folder.ends_with('/') => {
                inputs.from_folder = true;
                inputs.list.extend(["1.mp3", "2.mp3"].map(|name| Input::File(argument.join(name))));
            }
            _ => inputs.list.push(Input::File(argument.clone())),
        }
    }
    plan(&args, &inputs, |path| existing.iter().any(|name| path == Path::new(name)))
}

fn written(plan: &Plan) -> Vec<String> {
    outputs_of(&plan.jobs).map(|(path, _)| path.display().to_string()).collect()
}

fn refusal(line: &str, existing: &[&str]) -> (Exit, String) {
    let failure = planned(line, existing).expect_err("a refusal");
    (failure.exit, failure.error.to_string())
}

#[test]
fn one_file_goes_to_standard_output() {
    let plan = planned("talk.mp3 -f srt", &["talk.srt"]).unwrap();
    assert_eq!(plan.jobs[0].target, Target::Stdout(Format::Srt));
    assert_eq!(planned("-", &[]).unwrap().jobs[0].target, Target::Stdout(Format::Txt));
}

#[test]
fn several_files_a_folder_all_formats_or_a_target_folder_go_to_files() {
    assert_eq!(written(&planned("x/a.mp3 b.c.wav", &[]).unwrap()), ["a.txt", "b.c.txt"]);
    assert_eq!(written(&planned("talks/ -f vtt", &[]).unwrap()), ["1.vtt", "2.vtt"]);
    assert_eq!(
        written(&planned("a.mp3 -f all", &[]).unwrap()),
        ["a.txt", "a.json", "a.srt", "a.vtt", "a.tsv"]
    );
    assert_eq!(written(&planned("- -o out", &[]).unwrap()), ["out/stdin.txt"]);
}

#[test]
fn two_inputs_never_share_an_output() {
    let (exit, message) = refusal("x/talk.mp3 y/talk.wav", &[]);
    assert_eq!(exit, Exit::Usage);
    assert_eq!(
        message,
        "x/talk.mp3 and y/talk.wav would both be written to talk.txt; \
         transcribe them into different folders"
    );
    assert_eq!(refusal("- -", &[]).0, Exit::Usage);
}

#[test]
fn what_exists_is_replaced_only_by_force() {
    let (exit, message) = refusal("a.mp3 b.mp3", &["b.txt"]);
    assert_eq!(exit, Exit::WouldOverwrite);
    assert_eq!(message, "b.txt exists already; --force replaces it");
    assert_eq!(planned("a.mp3 b.mp3 --force", &["b.txt"]).unwrap().overwrite, Overwrite::Yes);
}

#[test]
fn a_recording_is_never_replaced_by_its_transcript() {
    let (exit, message) = refusal("talk.txt other.mp3 --force", &["talk.txt"]);
    assert_eq!(exit, Exit::Usage);
    assert_eq!(message, "the transcript of talk.txt would replace the recording talk.txt");
    assert_eq!(refusal("./talk.txt other.mp3 --force", &[]).0, Exit::Usage);
}

#[test]
fn a_bare_line_is_the_engines_default() {
    assert_eq!(planned("a.mp3", &[]).unwrap().options, Options::default());
}

#[test]
fn temperatures_climb_to_one() {
    let temperatures = |line: &str| planned(line, &[]).expect("a plan").options.temperatures;
    assert_eq!(temperatures("a"), TEMPERATURES);
    assert_eq!(temperatures("a --temperature 0.5"), [0.5, 0.7, 0.9]);
    assert_eq!(temperatures("a --temperature-increment-on-fallback none"), [0.0]);
    assert_eq!(refusal("a --temperature-increment-on-fallback 0", &[]).0, Exit::Usage);
}

#[test]
fn every_option_reaches_the_engine() {
    let plan = planned(
        "a --language German --task translate --word-timestamps --beam-size 1 --initial-prompt Hi \
         --no-vad --mode sequential --condition-on-previous-text --no-speech-threshold none \
         --logprob-threshold -2 --compression-ratio-threshold 3 --max-line-width 20 --max-line-count 1",
        &[],
    )
    .unwrap();
    assert_eq!(
        plan.options,
        Options {
            language: Some("de".to_owned()),
            task: Task::Translate,
            long_form: LongForm::Sequential,
            vad: false,
            beam_size: 1,
            initial_prompt: Some("Hi".to_owned()),
            condition_on_previous_text: true,
            word_timestamps: true,
            compression_ratio_threshold: Some(3.0),
            log_probability_threshold: Some(-2.0),
            no_speech_threshold: None,
            ..Options::default()
        }
    );
    assert_eq!(plan.style, Style { line_width: Some(20), lines: Some(1), words: true });
}

#[test]
fn windows_cannot_be_conditioned_on_each_other() {
    assert_eq!(refusal("a --condition-on-previous-text", &[]).0, Exit::Usage);
}
