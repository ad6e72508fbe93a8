use std::collections::{HashMap, HashSet};

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{
    Bool, DType, Distribution, FloatDType, GradientCheckpointingStrategy, Int, Tensor, TensorData,
};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use crate::wire::{is_distributed, running_statistics};

/// Where a parameter of a grown stack comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamOrigin {
    /// Id of the parameter after the growth.
    pub(crate) id: ParamId,
    /// Id of the parameter whose training it goes on with: its own for the first copy, none for a layer without
    /// a source and for one that begins as the identity.
    pub(crate) parent: Option<ParamId>,
    /// Over how many layers, itself included, its source layer's gradient is spread now.
    pub(crate) copies: usize,
    /// Whether it began as zero.
    pub(crate) zeroed: bool,
}

/// What is added to the trained parameters of a copy.
///
/// It is drawn on the host, so that all devices add the same and their own generators stay where they are.
pub(super) struct Noise {
    /// The standard deviation, in terms of each parameter's root mean square.
    std: f64,
    rng: ChaCha8Rng,
}

impl Noise {
    pub(super) fn new(std: f64, seed: u64) -> Self {
        Self { std, rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    fn added_to<const D: usize>(&mut self, values: Tensor<D>) -> Tensor<D> {
        // Squares of 16-bit weights are too small for 16 bits.
        let exact = values.clone().cast(FloatDType::F32);
        let (shape, distribution) = (values.shape(), Distribution::Normal(0.0, self.std));
        let drawn = TensorData::random::<f32, _, _>(shape.clone(), distribution, &mut self.rng);
        let noise = Tensor::<D>::from_data(drawn, (&values.device(), DType::F32));
        let rms = exact.square().mean().sqrt().expand(shape);
        values.clone() + (noise * rms).cast(values.dtype())
    }
}

/// A copy of `layer` that shares nothing with it: every parameter is a leaf of its own under the id
/// that `new_id` gives it, with the source's gradient requirement, distributed mark, checkpointing
/// strategy and load/save mappers. `distributed` marks every parameter, also where the source is not;
/// parameters with an id in `zeroed` hold zeros, other trained ones their source's values and the `noise`.
///
/// Running statistics get values of their own, but keep their id, which Burn does not let go.
pub(super) fn copy_layer<L: Module>(
    layer: &L,
    distributed: bool,
    zeroed: &HashSet<ParamId>,
    noise: Option<Noise>,
    new_id: impl Fn(ParamId) -> ParamId,
) -> L {
    let mut source = Strategies::default();
    layer.visit(&mut source);
    let mapper = &mut Reidentify { new_id, source: &source, distributed, zeroed, noise };
    unshared(layer, &source).map(mapper)
}

/// A copy of `model` that shares nothing with it that changes, under the same ids.
pub(crate) fn independent<M: Module>(model: &M) -> M {
    copy_layer(model, false, &HashSet::new(), None, |id| id)
}

/// A clone whose buffers are its own.
///
/// Burn's running statistics live behind a lock that clones share; only the way through validation mode makes
/// new ones. It is taken where a layer has such buffers.
fn unshared<L: Module>(layer: &L, source: &Strategies) -> L {
    let in_training = source.0.values().any(Option::is_some);
    match (running_statistics(layer).is_empty(), in_training) {
        (true, _) => layer.clone(),
        (false, true) => layer.valid().train(),
        (false, false) => layer.valid(),
    }
}

/// Checkpointing strategy by parameter id; `None` outside autodiff.
#[derive(Default)]
struct Strategies(HashMap<ParamId, Option<GradientCheckpointingStrategy>>);

impl ModuleVisitor for Strategies {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id, param.base().gradient_checkpointing_strategy());
    }
}

struct Reidentify<'a, F> {
    new_id: F,
    source: &'a Strategies,
    distributed: bool,
    zeroed: &'a HashSet<ParamId>,
    noise: Option<Noise>,
}

impl<F: Fn(ParamId) -> ParamId> ModuleMapper for Reidentify<'_, F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (parent, tensor, mapper) = param.consume();
        let id = (self.new_id)(parent);
        let (require_grad, distributed) = (tensor.is_require_grad(), is_distributed(&tensor));
        let strategy = self.source.0.get(&parent).copied().flatten();
        let mut leaf = match tensor.is_autodiff() {
            true => Tensor::from_inner(tensor.inner()),
            false => tensor,
        };
        if self.zeroed.contains(&parent) {
            leaf = leaf.zeros_like();
        } else if let (Some(noise), true) = (&mut self.noise, require_grad) {
            leaf = noise.added_to(leaf);
        }
        if let (Some(strategy), true) = (strategy, leaf.is_autodiff()) {
            leaf = leaf.with_gradient_checkpointing_strategy(strategy);
        }
        if require_grad {
            leaf = leaf.require_grad();
        }
        if distributed || (self.distributed && leaf.is_require_grad()) {
            leaf = leaf.set_distributed(id);
        }
        Param::from_mapped_value(id, leaf, mapper)
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        let (parent, tensor, mapper) = param.consume();
        Param::from_mapped_value((self.new_id)(parent), tensor, mapper)
    }

    fn map_bool<const D: usize>(
        &mut self,
        param: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        let (parent, tensor, mapper) = param.consume();
        Param::from_mapped_value((self.new_id)(parent), tensor, mapper)
    }

    fn map_flag(&mut self, mut flag: Param<Flag>) -> Param<Flag> {
        flag.id = (self.new_id)(flag.id);
        flag
    }
}
