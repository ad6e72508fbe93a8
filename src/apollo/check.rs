//! A plan held against the model, before the run.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, DType, Int, Tensor};

use super::config::Plan;
use super::{ApolloError, InferenceDepth};
use crate::expand::{LayerMap, NewLayers, meant_by};
use crate::optim::{MomentPolicy, check_precision};
use crate::stack::{Growable, GrowableStack, LayerParam, ParamKind, StackError, zeroed};

impl Plan {
    /// Asks sampler and expander for every stage, so that a wrong one is found before the run.
    pub(super) fn check(&self, model: &mut impl Growable) -> Result<(), ApolloError> {
        for (stack, target) in self.targets.iter().copied().enumerate() {
            if let InferenceDepth::At(depth) = self.config.inference_depth
                && !(1..=target).contains(&depth)
            {
                return Err(ApolloError::InferenceDepth { stack, depth, target });
            }
            for stage in 0..self.timeline.stages() {
                let unique = self.timeline.layers(stage)[stack];
                if unique == 0 {
                    continue;
                }
                for (depth, _) in self.pmf(unique, target)?.iter().filter(|(_, p)| *p > 0.0) {
                    self.map(unique, depth)?;
                }
            }
        }
        for (stack, (layers, s)) in self.timeline.layers(0).iter().zip(model.stacks()).enumerate() {
            if *layers == 0 && !s.has_initialiser() {
                return Err(StackError::NoInitialiser { stack }.into());
            }
        }
        self.check_layers()
    }

    /// Holds the schedule's growths against the layers that the stacks were built with.
    fn check_layers(&self) -> Result<(), ApolloError> {
        for stage in 1..self.timeline.stages() {
            for stack in 0..self.targets.len() {
                let layers = |stage: usize| self.timeline.layers(stage)[stack];
                if layers(stage - 1) > 0 {
                    self.check_growth(stack, &self.map(layers(stage - 1), layers(stage))?)?;
                }
            }
        }
        let growing: Vec<_> = self
            .built
            .iter()
            .enumerate()
            .filter(|(stack, _)| self.timeline.layers(0)[*stack] < self.targets[*stack])
            .map(|(stack, built)| (stack, built.as_slice()))
            .collect();
        Ok(names_fit(&self.config.new_layers, &growing)?)
    }

    /// Whether a stack may grow by `map`: copies go where layers of their kind belong, and do so in an order that
    /// the plan's new layers can bear.
    pub(super) fn check_growth(&self, stack: usize, map: &LayerMap) -> Result<(), ApolloError> {
        self.config.new_layers.check_map(map)?;
        Ok(alike(stack, &self.built[stack], map)?)
    }

    /// The model's stacks, as many as when the run was set up.
    pub(super) fn stacks<'a, M: Growable>(
        &self,
        model: &'a mut M,
    ) -> Result<Vec<&'a mut dyn GrowableStack>, StackError> {
        let stacks = model.stacks();
        match (self.targets.len(), stacks.len()) {
            (before, now) if before == now => Ok(stacks),
            (before, now) => Err(StackError::StacksChanged { before, now }),
        }
    }
}

/// Every layer of a growth must be a copy of a layer like the one that the model was built with in its place.
fn alike(stack: usize, built: &[Vec<LayerParam>], map: &LayerMap) -> Result<(), StackError> {
    let shape = |p: &LayerParam| (p.path.clone(), p.shape.clone(), p.kind);
    for (layer, &source) in map.as_slice().iter().enumerate() {
        let (Some(own), Some(copied)) = (built.get(layer), built.get(source)) else { continue };
        let differ = (0..own.len().max(copied.len()))
            .find(|i| own.get(*i).map(shape) != copied.get(*i).map(shape));
        if let Some(i) = differ {
            let named = |params: &[LayerParam]| {
                params
                    .get(i)
                    .map_or("nothing".to_owned(), |p| format!("`{}` {:?}", p.path, p.shape))
            };
            let (built, copied) = (named(own), named(copied));
            return Err(StackError::Unlike { stack, layer, source_layer: source, built, copied });
        }
    }
    Ok(())
}

/// Every name must mean a parameter, and every layer that is copied must have one that is meant.
fn names_fit(
    new_layers: &NewLayers,
    stacks: &[(usize, &[Vec<LayerParam>])],
) -> Result<(), StackError> {
    if !new_layers.are_identities() || stacks.is_empty() {
        return Ok(());
    }
    let layers = || stacks.iter().flat_map(|(_, layers)| layers.iter());
    for name in new_layers.names() {
        let means = |kind: fn(ParamKind) -> bool| {
            layers().find_map(|params| {
                let params: Vec<_> = params.iter().filter(|p| kind(p.kind)).collect();
                let paths: Vec<&str> = params.iter().map(|p| p.path.as_str()).collect();
                meant_by(name, &paths).first().map(|i| paths[*i].to_owned())
            })
        };
        if let Some(param) = means(|kind| kind == ParamKind::Quantised) {
            return Err(StackError::Quantised { name: name.clone(), param });
        }
        if means(|kind| kind == ParamKind::Float).is_none() {
            return Err(StackError::UnknownName { name: name.clone(), known: known(layers()) });
        }
    }
    for (stack, layers) in stacks {
        let unnamed = |params: &Vec<LayerParam>| !zeroed(params, new_layers).contains(&true);
        if let Some(layer) = layers.iter().position(unnamed) {
            let known = known(layers.iter().skip(layer).take(1));
            return Err(StackError::NothingZeroed { stack: *stack, layer, known });
        }
    }
    Ok(())
}

/// The paths that could be named, each once.
fn known<'a>(layers: impl Iterator<Item = &'a Vec<LayerParam>>) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for param in layers.flatten().filter(|p| p.kind == ParamKind::Float) {
        if !known.contains(&param.path) {
            known.push(param.path.clone());
        }
    }
    known
}

impl Plan {
    /// What can be said of the parameters that are trained, once they have values.
    pub(super) fn check_trained<M: Growable>(&self, model: &mut M) -> Result<(), ApolloError> {
        let mut trained = Trained::default();
        model.visit(&mut trained);
        let params = trained.params;
        no_ties(&params, model)?;
        if self.config.moments != MomentPolicy::Reset && self.timeline.stages() > 1 {
            params.iter().try_for_each(|p| check_precision(&p.path, p.dtype))?;
        }
        Ok(())
    }
}

/// Every trained parameter of a stack must have an id of its own: Burn's optimizers update only the first holder
/// of an id.
fn no_ties<M: Growable>(params: &[TrainedParam], model: &mut M) -> Result<(), StackError> {
    let ids = |params: Vec<Vec<LayerParam>>| params.into_iter().flatten().map(|p| p.id);
    let in_stacks: HashSet<ParamId> =
        model.stacks().iter().flat_map(|stack| ids(stack.layer_params())).collect();
    let mut first: HashMap<ParamId, &str> = HashMap::new();
    for TrainedParam { id, path, .. } in params {
        if let Some(first) = first.insert(*id, path).filter(|_| in_stacks.contains(id)) {
            return Err(StackError::Tied { first: first.to_owned(), second: path.clone() });
        }
    }
    Ok(())
}

/// The parameters that require gradients; initialises all.
#[derive(Default)]
struct Trained {
    path: Vec<String>,
    params: Vec<TrainedParam>,
}

struct TrainedParam {
    id: ParamId,
    path: String,
    dtype: DType,
}

impl ModuleVisitor for Trained {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.base();
        if value.is_require_grad() {
            let (id, path, dtype) = (param.id, self.path.join("."), value.dtype());
            self.params.push(TrainedParam { id, path, dtype });
        }
    }
}

/// Draws the values of every parameter that has none yet.
///
/// Burn's own [`Module::materialize`] does not: it merges adapters into the weights they are attached to.
pub(super) fn initialise<M: Module>(model: &M) {
    model.visit(&mut Initialise);
}

struct Initialise;

impl ModuleVisitor for Initialise {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        param.base();
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        param.base();
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        param.base();
    }
}
