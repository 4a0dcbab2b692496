//! The demo, without its model: that it is self-contained and says what to do next.

use crate::program::Desk;

#[test]
fn the_demo_prints_times_and_how_to_get_a_full_model() {
    let desk = Desk::new();
    let stdout = desk.run(&["demo"]).success();
    assert!(stdout.starts_with("[00:00.000 --> 00:10.000] "), "{stdout}");
    assert!(stdout.contains("\"the hospital\" is "), "{stdout}");
    assert!(stdout.contains("knows a few hundred words"), "{stdout}");
    assert!(stdout.contains("hansard models pull small"), "{stdout}");
    assert!(desk.files().is_empty());
}
