//! Tables for people: what `list` prints.

use hansard_domain::time::Timestamp;

/// A line for each of `rows` below a line of `titles`, in columns.
///
/// What others have chosen, as names, may hold anything: a character that would move the cursor is shown as unknown.
pub(crate) fn table<const N: usize>(
    titles: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut lines = vec![titles.map(str::to_owned)];
    lines.extend(rows.into_iter().map(|row| row.map(|cell| printable(&cell))));
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        // Lines do not end in spaces.
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A point in time, up to its minute: `2026-11-21T12:00Z`.
pub(crate) fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..16).map_or(text.clone(), |minute| format!("{minute}Z"))
}

/// `text` with a sign for the unknown in place of what moves the cursor of a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let rows = [["ana", "admin"], ["somebody", ""]].map(|row| row.map(str::to_owned));

        let expected = "\
NAME      ROLE
ana       admin
somebody
";
        assert_eq!(table(["NAME", "ROLE"], rows), expected);
    }

    #[test]
    fn times_are_told_by_the_minute() {
        let time = Timestamp::from_micros(1_795_262_459_123_456);
        assert_eq!(minute(time), "2026-11-21T12:00Z");
    }

    #[test]
    fn a_name_moves_no_cursor() {
        let rows = [["a\u{1b}[2J\nb".to_owned()]];
        assert_eq!(table(["NAME"], rows), "NAME\na\u{fffd}[2J\u{fffd}b\n");
    }
}
