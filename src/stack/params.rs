use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, DType, Int, Tensor};

use super::copy::running_statistics;
use crate::expand::NewLayers;

/// A parameter of a module: of a unique layer of a stack, for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerParam {
    /// Module path within the module.
    pub path: String,
    /// Its id.
    pub id: ParamId,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What it holds.
    pub kind: ParamKind,
}

/// What a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamKind {
    /// Floating-point numbers that training may change.
    Float,
    /// Quantised numbers.
    Quantised,
    /// A running statistic, as of batch normalisation.
    Statistic,
    /// Integers.
    Int,
    /// Booleans.
    Bool,
}

impl LayerParam {
    /// The parameters of `module`; none is initialised for it.
    pub(crate) fn all<M: Module>(module: &M) -> Vec<Self> {
        let statistics = running_statistics(module);
        let mut collect = Collect { path: Vec::new(), statistics, params: Vec::new() };
        module.visit(&mut collect);
        collect.params
    }
}

/// Which parameters of a layer become zero when it is new.
pub(crate) fn zeroed(params: &[LayerParam], new_layers: &NewLayers) -> Vec<bool> {
    let floats: Vec<&LayerParam> = params.iter().filter(|p| p.kind == ParamKind::Float).collect();
    let paths: Vec<&str> = floats.iter().map(|p| p.path.as_str()).collect();
    let mut zero = new_layers.zeroes(&paths).into_iter();
    params.iter().map(|p| p.kind == ParamKind::Float && zero.next() == Some(true)).collect()
}

struct Collect {
    path: Vec<String>,
    statistics: HashSet<ParamId>,
    params: Vec<LayerParam>,
}

impl Collect {
    fn push(&mut self, id: ParamId, shape: Vec<usize>, kind: ParamKind) {
        self.params.push(LayerParam { path: self.path.join("."), id, shape, kind });
    }
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let quantised = param.is_initialized() && matches!(param.base().dtype(), DType::QFloat(_));
        let kind = match self.statistics.contains(&param.id) {
            true => ParamKind::Statistic,
            false if quantised => ParamKind::Quantised,
            false => ParamKind::Float,
        };
        self.push(param.id, param.lazy_shape().to_vec(), kind);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.push(param.id, param.lazy_shape().to_vec(), ParamKind::Int);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.push(param.id, param.lazy_shape().to_vec(), ParamKind::Bool);
    }
}
