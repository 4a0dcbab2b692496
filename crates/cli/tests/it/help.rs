//! The help texts are what users learn the program from: a change of them is seen and wanted.

use crate::program::Desk;

#[test]
fn help_is_as_reviewed() {
    for (args, reviewed) in [
        (&["--help"][..], include_str!("help/hansard.txt")),
        (&["transcribe", "--help"], include_str!("help/transcribe.txt")),
        (&["db", "--help"], include_str!("help/db.txt")),
        (&["user", "--help"], include_str!("help/user.txt")),
        (&["token", "--help"], include_str!("help/token.txt")),
    ] {
        let printed = Desk::new().run(args).success();
        assert_eq!(printed, reviewed, "if this is wanted, write it to tests/it/help/");
    }
}

#[test]
fn the_version_is_the_packages() {
    let printed = Desk::new().run(&["--version"]).success();
    assert_eq!(printed, format!("hansard {}\n", env!("CARGO_PKG_VERSION")));
}
