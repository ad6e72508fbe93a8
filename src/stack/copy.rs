use std::collections::HashMap;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId, list_param_ids};
use burn::tensor::{Bool, GradientCheckpointingStrategy, Int, Tensor};

/// Where a parameter of a grown stack comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamOrigin {
    /// Id of the parameter after the growth.
    pub id: ParamId,
    /// Id of the parameter it was copied from: its own for the first copy, none for a new layer.
    pub parent: Option<ParamId>,
    /// How many copies its source layer now has, itself included.
    pub copies: usize,
}

/// A copy of `layer` that shares nothing with it: every parameter is a leaf of its own under the id
/// that `new_id` gives it, with the source's gradient requirement, distributed mark, checkpointing
/// strategy and load/save mappers. `distributed` marks every parameter, also where the source is not.
///
/// Running statistics get values of their own, but keep their id, which Burn does not let go.
pub(super) fn copy_layer<L: Module>(
    layer: &L,
    distributed: bool,
    new_id: impl Fn(ParamId) -> ParamId,
) -> L {
    let mut source = Strategies::default();
    layer.visit(&mut source);
    unshared(layer, &source).map(&mut Reidentify { new_id, source: &source, distributed })
}

/// A copy of `model` that shares nothing with it that changes, under the same ids.
pub(crate) fn independent<M: Module>(model: &M) -> M {
    copy_layer(model, false, |id| id)
}

/// A clone whose buffers are its own.
///
/// Burn's running statistics live behind a lock that clones share and keep their id through `map`;
/// only the way through validation mode makes new ones. It is taken where a layer has such buffers.
fn unshared<L: Module>(layer: &L, source: &Strategies) -> L {
    let clone = layer.clone();
    let probe =
        clone.clone().map(&mut Reidentify { new_id: derive_probe, source, distributed: false });
    let shared = list_param_ids(&probe).iter().any(|id| source.0.contains_key(id));
    let in_training = source.0.values().any(Option::is_some);
    match (shared, in_training) {
        (false, _) => clone,
        (true, true) => clone.valid().train(),
        (true, false) => clone.valid(),
    }
}

fn derive_probe(id: ParamId) -> ParamId {
    ParamId::from(mix(id.val(), 0x70_72_6f_62_65))
}

/// A 64-bit mix (the finaliser of SplitMix64, Steele et al. 2014) of two words.
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
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
}

impl<F: Fn(ParamId) -> ParamId> ModuleMapper for Reidentify<'_, F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (parent, tensor, mapper) = param.consume();
        let id = (self.new_id)(parent);
        let (require_grad, distributed) =
            (tensor.is_require_grad(), tensor.is_autodiff() && tensor.is_distributed());
        let strategy = self.source.0.get(&parent).copied().flatten();
        let mut leaf = match tensor.is_autodiff() {
            true => Tensor::from_inner(tensor.inner()),
            false => tensor,
        };
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
