use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param, ParamId, list_param_ids};
use burn::tensor::{Bool, DType, Int, Shape, Tensor};

use super::{PathVisitor, mix, walk};

/// A parameter of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamInfo {
    /// Module path within the module.
    pub(crate) path: String,
    pub(crate) id: ParamId,
    pub(crate) shape: Shape,
    pub(crate) kind: ParamKind,
    /// Of a floating-point parameter that has values.
    pub(crate) dtype: Option<DType>,
    /// Whether it has values that require gradients.
    pub(crate) trained: bool,
}

/// What a parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParamKind {
    /// Floating-point numbers that training may change.
    Float,
    Quantised,
    /// A running statistic, as of batch normalisation.
    Statistic,
    Int,
    Bool,
}

impl ParamInfo {
    /// The parameters of `module`; none is initialised for it.
    pub(crate) fn all<M: Module>(module: &M) -> Vec<Self> {
        let statistics = running_statistics(module);
        walk(module, Collect { statistics, params: Vec::new() }).params
    }
}

struct Collect {
    statistics: HashSet<ParamId>,
    params: Vec<ParamInfo>,
}

impl Collect {
    fn push(&mut self, path: &str, id: ParamId, shape: Shape, kind: ParamKind) -> &mut ParamInfo {
        let (path, dtype, trained) = (path.to_owned(), None, false);
        self.params.push(ParamInfo { path, id, shape, kind, dtype, trained });
        self.params.last_mut().expect("one was pushed")
    }
}

impl PathVisitor for Collect {
    fn float<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let value = param.is_initialized().then(|| param.base());
        let dtype = value.as_ref().map(|value| value.dtype());
        let kind = match self.statistics.contains(&param.id) {
            true => ParamKind::Statistic,
            false if matches!(dtype, Some(DType::QFloat(_))) => ParamKind::Quantised,
            false => ParamKind::Float,
        };
        let info = self.push(path, param.id, param.lazy_shape(), kind);
        info.dtype = dtype;
        info.trained = value.is_some_and(|value| value.is_require_grad());
    }

    fn int<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D, Int>>) {
        self.push(path, param.id, param.lazy_shape(), ParamKind::Int);
    }

    fn bool<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D, Bool>>) {
        self.push(path, param.id, param.lazy_shape(), ParamKind::Bool);
    }
}

/// Whether the gradients of `tensor` are reduced over the workers of distributed training.
pub(crate) fn is_distributed<const D: usize>(tensor: &Tensor<D>) -> bool {
    // Only a tensor with gradients can be; Burn cannot ask a quantised one.
    tensor.is_autodiff() && tensor.is_require_grad() && tensor.is_distributed()
}

/// The ids that no mapping changes: those of running statistics. Nothing is initialised for it.
pub(crate) fn running_statistics<L: Module>(layer: &L) -> HashSet<ParamId> {
    let probe = list_param_ids(&layer.clone().map(&mut Probe));
    let ids: HashSet<ParamId> = list_param_ids(layer).into_iter().collect();
    probe.into_iter().filter(|id| ids.contains(id)).collect()
}

/// Gives tensor parameters other ids and leaves them as they are.
struct Probe;

impl Probe {
    fn id(id: ParamId) -> ParamId {
        ParamId::from(mix(id.val(), 0x70_72_6f_62_65))
    }
}

impl ModuleMapper for Probe {
    fn map_float<const D: usize>(&mut self, mut param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.id = Self::id(param.id);
        param
    }

    fn map_int<const D: usize>(
        &mut self,
        mut param: Param<Tensor<D, Int>>,
    ) -> Param<Tensor<D, Int>> {
        param.id = Self::id(param.id);
        param
    }

    fn map_bool<const D: usize>(
        &mut self,
        mut param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        param.id = Self::id(param.id);
        param
    }
}
