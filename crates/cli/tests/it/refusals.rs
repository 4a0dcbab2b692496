//! What goes wrong, said plainly and with an exit code of its own.

use crate::program::{Desk, Ended};

const EN: &str = "clips/en-00.flac";

#[test]
fn files_in_the_way_are_refused_before_any_work() {
    let desk = Desk::new().with(EN, "a.flac").with(EN, "b.flac").with_file("b.txt", b"by hand");
    let message = desk.run(&["transcribe", "a.flac", "b.flac"]).refusal(4);
    assert_eq!(message, "hansard: b.txt exists already; --force replaces it\n");
    assert_eq!(desk.files(), ["a.flac", "b.flac", "b.txt"]);
    assert_eq!(desk.read("b.txt"), "by hand");

    desk.run(&["transcribe", "a.flac", "b.flac", "--force"]).success();
    assert_eq!(desk.read("a.txt"), desk.read("b.txt"));
}

#[test]
fn two_inputs_of_one_stem_are_refused() {
    let desk = Desk::new().with(EN, "talk.flac").with("formats/en-00.cbr64.mp3", "talk.mp3");
    let message = desk.run(&["transcribe", "talk.flac", "talk.mp3"]).refusal(2);
    assert!(
        message.contains("talk.flac and talk.mp3 would both be written to talk.txt"),
        "{message}"
    );
}

#[test]
fn a_bad_file_does_not_keep_the_others_from_being_done() {
    let desk = Desk::new()
        .with(EN, "good.flac")
        .with(EN, "also.flac")
        .with_file("bad.mp3", b"This is no recording.");
    let message =
        desk.run(&["transcribe", "bad.mp3", "good.flac", "missing.wav", "also.flac"]).refusal(1);
    assert!(
        message.contains("hansard: bad.mp3: is not audio or video of a known kind"),
        "{message}"
    );
    assert!(message.contains("hansard: missing.wav: cannot be read"), "{message}");
    assert_eq!(desk.files(), ["also.flac", "also.txt", "bad.mp3", "good.flac", "good.txt"]);
}

#[test]
fn a_format_that_cannot_be_written_does_not_lose_the_others() {
    let desk = Desk::new().with(EN, "talk.flac");
    // A folder cannot be replaced by a file.
    std::fs::create_dir(desk.path("talk.txt")).unwrap();
    let message = desk.run(&["transcribe", "talk.flac", "-f", "all", "--force"]).refusal(1);
    assert!(message.contains("hansard: cannot write talk.txt"), "{message}");
    assert_eq!(
        desk.files(),
        ["talk.flac", "talk.json", "talk.srt", "talk.tsv", "talk.txt", "talk.vtt"]
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_takes_no_files_is_noticed_before_any_work() {
    let desk = Desk::new().with(EN, "talk.flac");
    let message = desk.run(&["transcribe", "talk.flac", "-o", "/proc"]).refusal(1);
    assert!(message.starts_with("hansard: cannot write into /proc: "), "{message}");
}

#[test]
fn a_folder_without_media_says_so() {
    let desk = Desk::new().with_file("notes.txt", b"Only text.");
    let message = desk.run(&["transcribe", ".", "-o", "out"]).refusal(1);
    assert!(message.contains(".: no audio or video in this folder"), "{message}");
}

#[test]
fn standard_input_that_is_no_recording_is_named() {
    let desk = Desk::new().with_file("text", b"Only text.");
    let text = std::fs::File::open(desk.path("text")).unwrap();
    let output = desk.command(&["transcribe", "-"]).stdin(text).output().unwrap();
    let message = Ended::from(output).refusal(1);
    assert!(message.contains("hansard: stdin: is not audio or video"), "{message}");
}

#[test]
fn a_missing_model_has_its_own_code_and_is_not_asked_for_in_vain() {
    let desk = Desk::new().with(EN, "talk.flac").with_file("bad.mp3", b"This is no recording.");
    let run = |file: &str| {
        let mut command = desk.command(&["transcribe", file, "--model", "./no-such-model"]);
        let output = command.env_remove("MOCK_TRANSCRIBE").output().expect("the program runs");
        Ended::from(output)
    };
    let message = run("talk.flac").refusal(3);
    assert!(message.contains("no-such-model"), "{message}");
    // Nothing to transcribe: the model is not what is wrong.
    run("bad.mp3").refusal(1);
}

#[test]
fn nonsense_on_the_command_line_is_a_usage_error() {
    let desk = Desk::new();
    desk.run(&["transcribe"]).refusal(2);
    desk.run(&["transcribe", "a", "--language", "klingon"]).refusal(2);
    desk.run(&["transcribe", "a", "--condition-on-previous-text"]).refusal(2);
}
