//! The models as a table for people.

use hansard_speech::hub::Installed;
use indicatif::DecimalBytes;

/// A line for each model below a line of titles, in columns.
pub(super) fn of(models: &[Installed]) -> String {
    let mut rows = vec![["NAME", "SIZE", "STATE", "FOLDER"].map(str::to_owned)];
    rows.extend(models.iter().map(row));
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // The last column has no width: lines do not end in spaces.
    let [name_width, size_width, state_width, _] = widths;
    let lines = rows.iter().map(|[name, size, state, folder]| {
        format!("{name:name_width$}  {size:>size_width$}  {state:state_width$}  {folder}\n")
    });
    lines.collect()
}

fn row(model: &Installed) -> [String; 4] {
    let state = if model.missing.is_empty() {
        "whole".to_owned()
    } else {
        format!("lacks {}", model.missing.join(", "))
    };
    let size = DecimalBytes(model.bytes).to_string();
    [model.name.clone(), size, state, model.folder.display().to_string()]
}

#[cfg(test)]
mod tests {
    use hansard_speech::hub::Origin;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let small = Installed {
            name: "small".into(),
            origin: Origin::Imported,
            folder: "models/small".into(),
            bytes: 967_000_000,
            missing: Vec::new(),
        };
        let tiny = Installed {
            name: "tiny".into(),
            folder: "models/tiny".into(),
            bytes: 999,
            missing: vec!["tokenizer.json".into()],
            ..small.clone()
        };

        let expected = "\
NAME        SIZE  STATE                 FOLDER
small  967.00 MB  whole                 models/small
tiny       999 B  lacks tokenizer.json  models/tiny
";
        assert_eq!(of(&[small, tiny]), expected);
    }
}
