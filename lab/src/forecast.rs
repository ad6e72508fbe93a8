//! What a training will cost, before it.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Device, Tensor};
use burn_apollo::Apollo;
use burn_apollo::cost::{PlanCost, Size};
use burn_apollo::plan::Plan;
use burn_apollo::schedule::Schedule;

use crate::config::{OptimConfig, OptimizerKind, layer_weights};
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
) -> Result<PlanCost> {
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
    Ok(PlanCost::of(plan, &targets, &cost, items).map_err(LabError::usage)?.with_sizes(sizes))
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
