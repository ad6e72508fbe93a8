/// `text` as a terminal can show it: control characters but for line ends and tabs become their escapes, since a model may
/// write any of them, and some would change the terminal.
///
/// ```
/// use burn_apollo_lab::printable;
///
/// assert_eq!(printable("ROMEO:\n\tO\0h\u{1b}[2J"), "ROMEO:\n\tO\\u{0}h\\u{1b}[2J");
/// ```
pub fn printable(text: &str) -> String {
    let escaped = |c: char| match c.is_control() && c != '\n' && c != '\t' {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}
