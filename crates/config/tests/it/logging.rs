//! Log lines, from the setting to the file.

use std::fs;

use hansard_config::logging;

use crate::setup::Setup;

fn logged(format: &str, level: &str) -> String {
    let setup = Setup::new()
        .flag("--log-format", "log.format", format)
        .flag("--log-level", "log.level", level)
        .variable("HANSARD__LOG__TARGET", "file");
    let folder = setup.path("logs");
    let setup = setup.variable("HANSARD__LOG__FOLDER", &folder);

    logging::prepare(&setup.config().log).expect("a folder of files").within(|| {
        tracing::info!(job.id = "job_1", "job started");
        tracing::debug!("something for developers");
    });

    let files = fs::read_dir(folder).expect("the folder was made");
    let files: Vec<_> = files.map(|entry| entry.expect("an entry").path()).collect();
    let [file] = files.as_slice() else { panic!("one file and not {files:?}") };
    let name = file.file_name().expect("a name").to_string_lossy();
    assert!(name.starts_with("hansard.") && name.ends_with(".log"), "{name}");
    fs::read_to_string(file).expect("a text")
}

#[test]
fn lines_for_people_go_to_a_file() {
    let text = logged("human", "INFO");
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("INFO") && text.contains("job started job.id=\"job_1\""), "{text}");
}

#[test]
fn lines_for_programs_are_json() {
    let text = logged("json", "debug");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with('{') && lines[0].contains(r#""job.id":"job_1""#), "{text}");
    assert!(lines[1].contains(r#""level":"DEBUG""#), "{text}");
}

#[test]
fn less_is_written_when_less_is_asked_for() {
    assert_eq!(logged("human", "WARNING"), "");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let setup = Setup::new().with_file("occupied", "");
    let folder = setup.path("occupied");
    let setup =
        setup.variable("HANSARD__LOG__TARGET", "file").variable("HANSARD__LOG__FOLDER", &folder);
    let error = logging::prepare(&setup.config().log).err().expect("a file is in the way");
    assert_eq!(error.to_string(), format!("cannot write log files in {}", folder.display()));
}
