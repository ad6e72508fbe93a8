//! The rates that a scheduler gives a model's parameters.

use std::collections::{BTreeMap, HashMap, HashSet};

use burn::module::{Module, Param, ParamGroup, ParamId};
use burn::optim::GradientsParams;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::optim::lr_scheduler::module_lr_scheduler::{ModuleLearningRate, ModuleLrScheduler};
use burn::tensor::Tensor;

use crate::wire::{PathVisitor, walk};

/// A parameter by id and path, and its rate.
pub(crate) type ParamRate = (ParamId, String, f64);

/// The rate of every parameter: Burn keeps the groups of a scheduler private.
pub(crate) fn rates<M: Module>(lr: &ModuleLearningRate, model: &M) -> Vec<ParamRate> {
    walk(model, Rates { lr, found: Vec::new() }).found
}

struct Rates<'a> {
    lr: &'a ModuleLearningRate,
    found: Vec<ParamRate>,
}

impl PathVisitor for Rates<'_> {
    fn float<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let rate = self.lr.lr_from_param(param.id, Some(path));
        self.found.push((param.id, path.to_owned(), rate));
    }
}

/// These rates, on top of `base`, times `factor`, and those of single parameters times theirs.
pub(crate) fn scaled(
    base: f64,
    rates: Vec<ParamRate>,
    factor: f64,
    of_params: &HashMap<ParamId, f64>,
) -> ModuleLearningRate {
    let mut by_rate: BTreeMap<u64, Vec<ParamId>> = BTreeMap::new();
    for (id, _, rate) in rates {
        let rate = rate * of_params.get(&id).copied().unwrap_or(1.0);
        by_rate.entry(rate.to_bits()).or_default().push(id);
    }
    let mut scheduler = ModuleLrScheduler::new(ConstantLr::new(base * factor));
    for (bits, ids) in by_rate {
        let rate = f64::from_bits(bits);
        if rate != base {
            scheduler =
                scheduler.with_group(ParamGroup::from_ids(ids), ConstantLr::new(rate * factor));
        }
    }
    scheduler.step()
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
