//! What a task measures beside the loss, recipe by recipe.

use std::collections::{BTreeMap, BTreeSet};

use super::comparison::Comparison;
use super::found::CellResult;
use super::report::table;

/// Every measure of trainings, one number for each.
pub(super) fn by_name<'a>(
    results: impl Iterator<Item = &'a CellResult>,
) -> BTreeMap<String, Vec<f64>> {
    let mut measures = BTreeMap::<String, Vec<f64>>::new();
    for (name, value) in results.flat_map(|result| &result.measures) {
        measures.entry(name.clone()).or_default().push(*value);
    }
    measures
}

/// Shares of right answers by their position, means over trainings that have as many.
pub(super) fn by_position<'a>(results: impl Iterator<Item = &'a CellResult>) -> Vec<f64> {
    let all: Vec<&[f64]> = results.map(|result| result.by_position.as_slice()).collect();
    let positions = all.first().map_or(0, |shares| shares.len());
    if all.iter().any(|shares| shares.len() != positions) {
        return Vec::new();
    }
    let mean = |i: usize| all.iter().map(|shares| shares[i]).sum::<f64>() / all.len() as f64;
    (0..positions).map(mean).collect()
}

impl Comparison {
    /// The measures of all recipes in a table; none where the task has no measures.
    pub(super) fn measures(&self) -> Option<String> {
        let names: BTreeSet<&String> =
            self.entries.iter().flat_map(|entry| entry.measures.keys()).collect();
        if names.is_empty() {
            return None;
        }
        let mut head = vec!["recipe".to_owned(), "with".to_owned()];
        head.extend(names.iter().map(|name| name.replace('_', " ")));
        let rows = self.entries.iter().map(|entry| {
            let mut row = vec![entry.recipe.clone(), entry.optimizer.name().to_owned()];
            row.extend(names.iter().map(|name| {
                let values = entry.measures.get(*name).map_or(&[][..], Vec::as_slice);
                in_words(values)
            }));
            row
        });
        Some(format!(
            "## Measures\n\nOf the longest trainings, in percent: the median over the seeds, and the lowest and the highest.\n\n{}",
            table(&head, rows)
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
    use burn_apollo::Plan;

    use super::super::Cell;
    use super::*;
    use crate::optimizer::OptimizerKind;

    fn result(share: f64, by_position: &[f64]) -> CellResult {
        let cell = Cell {
            name: String::new(),
            recipe: String::new(),
            optimizer: OptimizerKind::AdamW,
            lr: 0.01,
            share: 1.0,
            seed: 1,
            plan: Plan::new(10),
            every: 10,
        };
        let mut result = CellResult::of(cell, 1.0);
        result.measures.insert("solved".to_owned(), share);
        result.by_position = by_position.to_vec();
        result
    }

    #[test]
    fn measures_are_kept_seed_by_seed_and_positions_as_means() {
        let all = [result(0.25, &[1.0, 0.5]), result(1.0, &[0.5, 0.5])];
        assert_eq!(by_name(all.iter()), [("solved".to_owned(), vec![0.25, 1.0])].into());
        assert_eq!(by_position(all.iter()), [0.75, 0.5]);
        assert_eq!(by_position([result(0.0, &[1.0]), result(0.0, &[])].iter()), [0.0; 0]);
        assert_eq!(by_position(std::iter::empty()), [0.0; 0]);
    }

    #[test]
    fn measures_in_words_are_medians_and_ends() {
        assert_eq!(in_words(&[]), "-");
        assert_eq!(in_words(&[0.125]), "12.5");
        assert_eq!(in_words(&[1.0, 0.0, 0.25]), "25.0 (0.0 to 100.0)");
        assert_eq!(in_words(&[1.0, 0.5]), "75.0 (50.0 to 100.0)");
    }
}
