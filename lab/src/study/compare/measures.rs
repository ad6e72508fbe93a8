//! What a task measures beside the loss, over the seeds.

use std::collections::BTreeMap;

use crate::study::cells::CellResult;

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

#[cfg(test)]
mod tests {
    use burn_apollo::Plan;

    use super::*;
    use crate::config::OptimizerKind;
    use crate::study::cells::{Cell, CellKind};

    fn result(share: f64, by_position: &[f64]) -> CellResult {
        let cell = Cell {
            name: String::new(),
            kind: CellKind::Scratch,
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
}
