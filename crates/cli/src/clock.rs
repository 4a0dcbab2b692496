//! Times as people read them.

use hansard_domain::subtitles::milliseconds;

/// `01:02.500`, with hours before it when there are any: openai-whisper's way.
pub(crate) fn stamp(seconds: f64) -> String {
    let ms = milliseconds(seconds);
    format!("{}.{:03}", clock_of(ms / 1000), ms % 1000)
}

/// `01:02`, with hours before it when there are any.
pub(crate) fn clock(seconds: f64) -> String {
    clock_of(milliseconds(seconds) / 1000)
}

fn clock_of(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours == 0 {
        format!("{minutes:02}:{seconds:02}")
    } else {
        format!("{hours:02}:{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_show_only_when_there_are_any() {
        assert_eq!(stamp(62.5), "01:02.500");
        assert_eq!(stamp(3599.9996), "01:00:00.000");
        assert_eq!(clock(7322.9), "02:02:02");
    }
}
