//! What a task measures beside the loss, recipe by recipe.

use std::collections::BTreeSet;

use super::table::{column, names, rows, table};
use crate::study::compare::Comparison;

impl Comparison {
    /// The measures of all recipes in a table; none where the task has no measures.
    pub(super) fn measures(&self) -> Option<String> {
        let measures: BTreeSet<&String> =
            self.entries.iter().flat_map(|entry| entry.measures.keys()).collect();
        if measures.is_empty() {
            return None;
        }
        let mut columns = names();
        columns.extend(measures.iter().map(|name| {
            column(name.replace('_', " "), |entry| {
                in_words(entry.measures.get(*name).map_or(&[][..], Vec::as_slice))
            })
        }));
        Some(format!(
            "## Measures\n\nOf the longest trainings, in percent: the median over the seeds, and the lowest and the highest.\n\n{}",
            table(&rows(&columns, &self.entries))
        ))
    }
}

/// The median of shares, with the lowest and the highest where there are several.
fn in_words(shares: &[f64]) -> String {
    let mut shares = shares.to_vec();
    shares.sort_by(f64::total_cmp);
    let (Some(lowest), Some(highest)) = (shares.first(), shares.last()) else {
        return "-".to_owned();
    };
    let half = shares.len() / 2;
    let median = match shares.len().is_multiple_of(2) {
        true => 0.5 * (shares[half - 1] + shares[half]),
        false => shares[half],
    };
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    match shares.len() {
        1 => percent(median),
        _ => format!("{} ({} to {})", percent(median), percent(*lowest), percent(*highest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_in_words_are_medians_and_ends() {
        assert_eq!(in_words(&[]), "-");
        assert_eq!(in_words(&[0.125]), "12.5");
        assert_eq!(in_words(&[1.0, 0.0, 0.25]), "25.0 (0.0 to 100.0)");
        assert_eq!(in_words(&[1.0, 0.5]), "75.0 (50.0 to 100.0)");
    }
}
