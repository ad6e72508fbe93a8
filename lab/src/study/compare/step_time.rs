use burn_apollo::cost::PlanCost;
use serde::{Deserialize, Serialize};

use super::scaling::{STEPS, seconds};
use crate::config::OptimizerKind;
use crate::study::cells::{Setup, StudyResults};

/// What a step takes with an optimizer, by the study's clock: a line through all trainings, by least squares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StepTime {
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// Seconds of a step that do not depend on its depth.
    pub fixed: f64,
    /// Seconds of a step for each layer that it runs.
    pub layer: f64,
    /// The part of a step of the full model that does not depend on depth: of its seconds.
    pub fixed_seconds: f64,
    /// That part of its operations.
    pub fixed_operations: f64,
    /// Trainings that the line goes through.
    pub trainings: usize,
}

impl StepTime {
    /// Those of the optimizers whose trainings tell: at least three, of different depths.
    pub(super) fn of(setup: &Setup, found: &StudyResults) -> Vec<Self> {
        let (shape, clock) = (&setup.shape, seconds(setup.config.clock));
        let full: f64 = shape.targets.iter().map(|layers| *layers as f64).sum();
        let head = shape.cost.training(&vec![0; shape.targets.len()]);
        let fixed_operations = head / shape.cost.training(&shape.targets);
        let of = |optimizer: OptimizerKind| {
            let results = found.of(move |cell| cell.optimizer == optimizer);
            let points = results.filter_map(|result| {
                let plan = &result.cell.plan;
                let shape = setup.shape_of(&result.cell.kind);
                let cost = PlanCost::of(plan, &shape.targets, &shape.cost, shape.items).ok()?;
                let layers = cost.stages.iter().map(|stage| {
                    (stage.end - stage.begin) as f64 * stage.depths.iter().sum::<f64>()
                });
                Some((layers.sum::<f64>() / STEPS(result), clock(result) / STEPS(result)))
            });
            let points: Vec<(f64, f64)> = points.collect();
            let (fixed, layer) = line(&points)?;
            let fixed_seconds = fixed / (fixed + layer * full);
            let trainings = points.len();
            Some(Self { optimizer, fixed, layer, fixed_seconds, fixed_operations, trainings })
        };
        setup.config.optimizers.iter().filter_map(|optimizer| of(*optimizer)).collect()
    }
}

/// Value at 0 and slope of the line through points; none for fewer than three, of one place, or where it makes no sense
/// as time.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
    let (x, y) = (x / count, y / count);
    let (mut xx, mut xy) = (0.0, 0.0);
    for point in points {
        xx += (point.0 - x).powi(2);
        xy += (point.0 - x) * (point.1 - y);
    }
    let slope = xy / xx;
    let fixed = y - slope * x;
    (points.len() >= 3 && xx > 1e-9 && slope > 0.0 && fixed > 0.0).then_some((fixed, slope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_points() {
        let (fixed, layer) = line(&[(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)]).unwrap();
        assert!((fixed - 3.0).abs() < 1e-12 && (layer - 2.0).abs() < 1e-12);
        assert_eq!(line(&[(1.0, 5.0), (2.0, 7.0)]), None, "two tell nothing");
        assert_eq!(line(&[(3.0, 5.0), (3.0, 6.0), (3.0, 7.0)]), None, "one depth");
        assert_eq!(line(&[(1.0, 5.0), (2.0, 4.0), (3.0, 3.0)]), None, "deeper is faster");
    }
}
