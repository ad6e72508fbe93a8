use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::tensor::Tensor;

use super::Apollo;
use crate::stack::Growable;

impl<M: Growable> Apollo<M> {
    /// The scheduler's rates times the plan's factor.
    pub(super) fn learning_rate(&self, lr: ModuleLearningRate) -> ModuleLearningRate {
        match self.lr_factor() {
            1.0 => lr,
            factor => scaled(&lr, factor, &self.model),
        }
    }
}

/// `lr` with every group's rate times `factor`. Burn keeps the groups private, so they are found anew
/// from the rate of each parameter.
fn scaled<M: Module>(lr: &ModuleLearningRate, factor: f64, model: &M) -> ModuleLearningRate {
    let mut rates = Rates { lr, path: Vec::new(), by_rate: BTreeMap::new() };
    model.visit(&mut rates);
    let base = lr.base();
    let mut scheduler = ModuleLrScheduler::new(ConstantLr::new(base * factor));
    for (bits, ids) in rates.by_rate {
        let rate = f64::from_bits(bits);
        if rate != base {
            scheduler =
                scheduler.with_group(ParamGroup::from_ids(ids), ConstantLr::new(rate * factor));
        }
    }
    scheduler.step()
}

struct Rates<'a> {
    lr: &'a ModuleLearningRate,
    path: Vec<String>,
    by_rate: BTreeMap<u64, Vec<ParamId>>,
}

impl ModuleVisitor for Rates<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let rate = self.lr.lr_from_param(param.id, Some(&self.path.join(".")));
        self.by_rate.entry(rate.to_bits()).or_default().push(param.id);
    }
}
