//! Tables of entries.

use crate::study::compare::Entry;

/// A column of a table of entries: its head, and what it says of an entry.
pub(super) type Column<'a> = (String, Box<dyn Fn(&Entry) -> String + 'a>);

pub(super) fn column<'a>(head: impl ToString, of: impl Fn(&Entry) -> String + 'a) -> Column<'a> {
    (head.to_string(), Box::new(of))
}

/// The columns that every table begins with.
pub(super) fn names<'a>() -> Vec<Column<'a>> {
    let with = |entry: &Entry| entry.optimizer.name().to_owned();
    vec![column("recipe", |entry| entry.kind.to_string()), column("with", with)]
}

/// The head and the rows of a table.
pub(super) fn rows<'a>(
    columns: &[Column<'_>],
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Vec<Vec<String>> {
    let head = columns.iter().map(|(head, _)| head.clone()).collect();
    let row = |entry: &Entry| columns.iter().map(|(_, of)| of(entry)).collect();
    [head].into_iter().chain(entries.into_iter().map(row)).collect()
}

/// A table in Markdown, of its head and its rows.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| format!("| {} |\n", row.join(" | "));
    let rule = format!("|{}\n", "---|".repeat(rows[0].len()));
    line(&rows[0]) + &rule + &rows[1..].iter().map(line).collect::<String>()
}
