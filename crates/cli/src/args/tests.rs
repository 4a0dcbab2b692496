//! What Whisper's users type is understood.

use clap::CommandFactory;

use super::*;

fn transcribe(line: &str) -> Result<TranscribeArgs, clap::Error> {
    let line = format!("hansard transcribe {line}");
    let args = join_booleans(line.split_whitespace().map(OsString::from));
    match Cli::try_parse_from(args)?.command {
        Command::Transcribe(args) => Ok(*args),
        other => unreachable!("the line says transcribe, and not {other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn names_with_underscores_are_the_same_names() {
    let args = transcribe(
        "a.mp3 --output_format srt --output_dir out --beam_size 1 --initial_prompt Names \
         --word_timestamps True --condition_on_previous_text False --max_line_width 50 \
         --max_line_count 1 --logprob_threshold -0.5 --no_speech_threshold None \
         --compression_ratio_threshold 2 --temperature_increment_on_fallback None",
    )
    .unwrap();
    assert_eq!(args.inputs, [PathBuf::from("a.mp3")]);
    assert_eq!(args.output_format, FormatChoice::Srt);
    assert!(args.decoding.word_timestamps);
    assert!(!args.decoding.condition_on_previous_text);
    assert_eq!(args.decoding.logprob_threshold, OptionalFloat(Some(-0.5)));
    assert_eq!(args.decoding.no_speech_threshold, OptionalFloat(None));
    assert_eq!(args.subtitles.max_line_width, Some(50));
}

#[test]
fn a_flag_does_not_swallow_the_file_after_it() {
    let args = transcribe("--word-timestamps a.mp3 --condition-on-previous-text b.mp3").unwrap();
    assert_eq!(args.inputs.len(), 2);
    assert!(args.decoding.word_timestamps && args.decoding.condition_on_previous_text);
}

#[test]
fn the_last_of_vad_and_no_vad_counts() {
    assert!(transcribe("a --vad --no-vad").unwrap().decoding.no_vad);
    assert!(!transcribe("a --no-vad --vad").unwrap().decoding.no_vad);
}

#[test]
fn nonsense_is_refused_where_it_is_typed() {
    for line in [
        "",
        "a --language klingon",
        "a --temperature 1.5",
        "a --temperature NaN",
        "a --beam-size 0",
        "a --max-line-width 0",
        "a --logprob-threshold much",
        "a --output-format docx",
    ] {
        assert_eq!(transcribe(line).unwrap_err().exit_code(), 2, "{line}");
    }
}
