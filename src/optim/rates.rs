//! The rates that a scheduler gives a model's parameters.

use std::collections::{BTreeMap, HashMap, HashSet};

use burn::module::{Module, Param, ParamGroup, ParamId};
use burn::optim::GradientsParams;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::tensor::Tensor;

use crate::wire::{PathVisitor, walk};

/// The first parameter whose rate is not finite, by path, and the rate.
pub(crate) fn not_finite<M: Module>(lr: &ModuleLearningRate, model: &M) -> Option<(String, f64)> {
    walk(model, NotFinite { lr, found: None }).found
}

struct NotFinite<'a> {
    lr: &'a ModuleLearningRate,
    found: Option<(String, f64)>,
}

impl PathVisitor for NotFinite<'_> {
    fn float<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let rate = self.lr.lr_from_param(param.id, Some(path));
        if self.found.is_none() && !rate.is_finite() {
            self.found = Some((path.to_owned(), rate));
        }
    }
}

/// `lr` with every group's rate times `factor`, and those of single parameters times theirs. Burn keeps the groups private, so they are found anew
/// from the rate of each parameter.
pub(crate) fn scaled<M: Module>(
    lr: &ModuleLearningRate,
    factor: f64,
    of_params: &HashMap<ParamId, f64>,
    model: &M,
) -> ModuleLearningRate {
    let rates = walk(model, Rates { lr, of_params, by_rate: BTreeMap::new() });
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
    of_params: &'a HashMap<ParamId, f64>,
    by_rate: BTreeMap<u64, Vec<ParamId>>,
}

impl PathVisitor for Rates<'_> {
    fn float<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let own = self.of_params.get(&param.id).copied().unwrap_or(1.0);
        let rate = self.lr.lr_from_param(param.id, Some(path)) * own;
        self.by_rate.entry(rate.to_bits()).or_default().push(param.id);
    }
}

/// Takes the gradients of some parameters out of `grads`.
pub(crate) fn without<M: Module>(
    params: &HashSet<ParamId>,
    grads: &mut GradientsParams,
    model: &M,
) {
    walk(model, Without { params, grads });
}

struct Without<'a> {
    params: &'a HashSet<ParamId>,
    grads: &'a mut GradientsParams,
}

impl PathVisitor for Without<'_> {
    fn float<const D: usize>(&mut self, _path: &str, param: &Param<Tensor<D>>) {
        if self.params.contains(&param.id) {
            drop(self.grads.remove::<D>(param.id));
        }
    }
}
