//! What a training will cost, before it.

use core::fmt;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Device, Tensor};
use burn_apollo::Apollo;
use burn_apollo::cost::PlanCost;
use burn_apollo::plan::Plan;
use burn_apollo::schedule::Schedule;

use crate::config::{OptimConfig, OptimizerKind, layer_weights};
use crate::cost::Size;
use crate::error::{LabError, Result};
use crate::task::{Task, targets};

impl OptimConfig {
    /// What training `model`, on a device with gradients, holds of it: its parameters, and the state that this optimizer
    /// has for each that is trained.
    pub fn size(&self, model: &impl Module) -> Size {
        let muon = (self.kind == OptimizerKind::Muon).then(layer_weights);
        let mut count = Count { size: Size::default(), muon, path: Vec::new() };
        model.visit(&mut count);
        count.size
    }
}

/// What a plan will cost on a task, stage by stage.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Forecast {
    /// Operations.
    pub cost: PlanCost,
    /// What the training holds in each stage.
    pub sizes: Vec<Size>,
}

/// The table of the cost, with parameters and [memory](Size::bytes) of each stage after its depth.
impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (table, depth) = (self.cost.to_string(), "expected depth");
        let left = table.find(depth).map_or(0, |at| at + depth.len());
        let sizes = self.sizes.iter().map(|size| {
            let mebibytes = size.bytes() as f64 / f64::from(1 << 20);
            [size.parameters.to_string(), format!("{mebibytes:.1} MiB")]
        });
        let header = ["parameters", "memory"].map(str::to_owned);
        let columns = [header].into_iter().chain(sizes).chain([Default::default()]);
        for (i, (line, [parameters, memory])) in table.lines().zip(columns).enumerate() {
            let (left, right) = line.split_at(left);
            let end = if i > 0 { "\n" } else { "" };
            write!(f, "{end}{left} {parameters:>11} {memory:>11}{right}")?;
        }
        Ok(())
    }
}

/// What a plan will cost on a task, with the parameters and the memory of each stage, for `items` items in a step.
///
/// # Errors
///
/// Those of the task, and a plan that does not fit its model.
pub fn forecast<T: Task>(
    task: &T,
    optimizer: &OptimConfig,
    plan: &Plan,
    items: u64,
    device: &Device,
) -> Result<Forecast> {
    let model = task.model(device)?;
    let (targets, cost) = (targets(&model), task.cost(&model));
    let stages = plan.schedule_for(&targets).stages;
    let size = |stage: usize| {
        let schedule = Schedule { stages: stages[stage..].to_vec() };
        let model = task.model(&device.clone().autodiff())?;
        let apollo = Apollo::new(model, plan.clone().with_schedule(schedule));
        Ok(optimizer.size(apollo.map_err(LabError::Plan)?.model()))
    };
    let sizes = (0..stages.len()).map(size).collect::<Result<Vec<_>>>()?;
    let cost = PlanCost::of(plan, &targets, &cost, items).map_err(LabError::usage)?;
    Ok(Forecast { cost, sizes })
}

/// Counts the numbers of a model's parameters and of their optimizer state.
struct Count {
    size: Size,
    /// The parameters that have Muon's momentum alone.
    muon: Option<ParamGroup>,
    path: Vec<String>,
}

impl ModuleVisitor for Count {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let numbers = param.lazy_shape().num_elements() as u64;
        self.size.parameters += numbers;
        if param.val().is_require_grad() {
            let path = self.path.join(".");
            let alone = self.muon.as_ref().is_some_and(|of| of.matches(&param.id, Some(&path)));
            self.size.state += if alone { numbers } else { 2 * numbers };
        }
    }
}

#[cfg(test)]
mod tests {
    use burn_apollo::cost::ModelCost;

    use super::*;

    #[test]
    fn the_table_has_parameters_and_memory() {
        let plan = Plan::new(100).with_schedule(Schedule::one_hop(&[1], &[4], 0.75));
        let cost = PlanCost::of(&plan, &[4], &ModelCost::of_layer(1.0, 0.0), 1).unwrap();
        let sizes = [1 << 20, 1 << 22].map(|parameters| Size { parameters, state: 2 * parameters });
        let shown = Forecast { cost, sizes: sizes.to_vec() }.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[0].contains("expected depth  parameters      memory   operations"),
            "{shown}"
        );
        assert!(lines[1].contains(" 1048576    16.0 MiB "), "{shown}");
        assert!(lines[2].contains(" 4194304    64.0 MiB "), "{shown}");
        assert!(lines[3].contains("from scratch") && lines.len() == 4, "{shown}");
        assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{shown}");
    }
}
