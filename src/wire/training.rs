//! What of a model is trained: Burn's records leave it out.

use std::collections::HashSet;

use burn::module::{Flag, Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{PathVisitor, running_statistics, walk};

/// The parts of a model that do not take part in training, by module path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frozen {
    /// Parameters that require no gradient.
    params: Vec<String>,
    /// Modules' training flags that are off: of dropout, batch normalisation.
    flags: Vec<String>,
}

impl Frozen {
    /// Of a model in training.
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        let statistics = running_statistics(model);
        walk(model, Find { statistics, frozen: Self::default() }).frozen
    }

    /// The model with these parts frozen and all others not.
    pub(crate) fn set<M: Module>(&self, model: M) -> M {
        let statistics = running_statistics(&model);
        let params = self.params.iter().map(String::as_str).collect();
        let flags = self.flags.iter().map(String::as_str).collect();
        model.map(&mut Set { path: Vec::new(), statistics, params, flags })
    }
}

struct Find {
    statistics: HashSet<ParamId>,
    frozen: Frozen,
}

impl PathVisitor for Find {
    fn float<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        if !self.statistics.contains(&param.id) && !param.base().is_require_grad() {
            self.frozen.params.push(path.to_owned());
        }
    }

    fn flag(&mut self, path: &str, flag: &Param<Flag>) {
        if !flag.val().is_enabled() {
            self.frozen.flags.push(path.to_owned());
        }
    }
}

struct Set<'a> {
    path: Vec<String>,
    statistics: HashSet<ParamId>,
    params: HashSet<&'a str>,
    flags: HashSet<&'a str>,
}

impl ModuleMapper for Set<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trained = !self.params.contains(self.path.join(".").as_str());
        match self.statistics.contains(&param.id) || param.base().is_require_grad() == trained {
            true => param,
            false => param.set_require_grad(trained),
        }
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let on = !self.flags.contains(self.path.join(".").as_str());
        flag.with_value(on)
    }
}
