//! A plan held against the model, before the run.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Int, Tensor};

use super::ApolloError;
use super::error::other;
use crate::expand::{LayerMap, NewLayers};
use crate::optim::{MomentPolicy, StackCopies, check_precision};
use crate::plan::Plan;
use crate::policy::PolicyObject;
use crate::schedule::Timeline;
use crate::stack::{Growable, Stack, meant_by, stacks, stacks_mut, zeroed};
use crate::wire::{ParamInfo, ParamKind};

/// A plan that fits a model.
#[derive(Debug)]
pub(crate) struct FittedPlan {
    /// With its schedule.
    pub(crate) plan: Plan,
    pub(crate) targets: Vec<usize>,
    pub(crate) timeline: Timeline,
    /// The parameters of each layer that each stack was built with.
    built: Vec<Vec<Vec<ParamInfo>>>,
    /// Of each stage and stack: the numbers that copies of its layers will have, by the plan's own growths.
    pub(super) copies: Vec<Vec<StackCopies>>,
}

impl FittedPlan {
    pub(super) fn new(
        plan: Plan,
        model: &impl Growable,
    ) -> Result<(Self, Box<dyn PolicyObject>), ApolloError> {
        let targets = stack_targets(model)?;
        let schedule = plan.schedule_for(&targets);
        let plan = Plan { schedule: Some(schedule), ..plan };
        plan.check(&targets)?;
        let (timeline, policy) = (plan.timeline(&targets)?, plan.policy.build()?);
        let built: Vec<_> = stacks(model).iter().map(|stack| stack.params()).collect();
        let mut fitted = Self { plan, targets, timeline, built, copies: Vec::new() };
        fitted.check_layers(model)?;
        let all = ParamInfo::all(model);
        fitted.copies = (0..fitted.timeline.stages())
            .map(|s| fitted.copies_from(s, &all))
            .collect::<Result<_, _>>()?;
        Ok((fitted, policy))
    }

    /// Holds the schedule's growths against the layers that the stacks were built with.
    fn check_layers(&self, model: &impl Growable) -> Result<(), ApolloError> {
        for (stack, (layers, s)) in self.timeline.layers(0).iter().zip(stacks(model)).enumerate() {
            if *layers == 0 && !s.has_initialiser() {
                return Err(self.no_initialiser(stack));
            }
        }
        for stage in 1..self.timeline.stages() {
            for stack in 0..self.targets.len() {
                let layers = |stage: usize| self.timeline.layers(stage)[stack];
                if layers(stage - 1) > 0 {
                    self.check_growth(stack, &self.plan.map(layers(stage - 1), layers(stage))?)?;
                }
            }
        }
        let grows = |stack: usize| self.timeline.layers(0)[stack] < self.targets[stack];
        let growing = self.built.iter().enumerate().filter(|(stack, _)| grows(*stack));
        names_fit(&self.plan.new_layers, &growing.collect::<Vec<_>>())
    }

    pub(super) fn no_initialiser(&self, stack: usize) -> ApolloError {
        other!(
            "stack {stack} has no initialiser for layers without a source: build it with `LayerStack::from_fn`"
        )
    }

    /// Whether a stack may grow by `map`: copies go where layers of their kind belong, and do so in an order that
    /// the plan's new layers can bear.
    pub(super) fn check_growth(&self, stack: usize, map: &LayerMap) -> Result<(), ApolloError> {
        self.plan.new_layers.check_map(map)?;
        alike(stack, &self.built[stack], map)
    }

    fn copies_from(
        &self,
        stage: usize,
        all: &[ParamInfo],
    ) -> Result<Vec<StackCopies>, ApolloError> {
        let copies = |(stack, built): (usize, &Vec<Vec<ParamInfo>>)| {
            let layers = |stage: usize| self.timeline.layers(stage)[stack];
            let growths = (stage + 1..self.timeline.stages()).take_while(|s| layers(s - 1) > 0);
            let maps = growths.map(|s| self.plan.map(layers(s - 1), layers(s)));
            let maps: Vec<LayerMap> = maps.collect::<Result<_, _>>()?;
            let prefix = prefix(built, all).unwrap_or_default();
            Ok(StackCopies::new(prefix, layers(stage), &maps))
        };
        self.built.iter().enumerate().map(copies).collect()
    }

    /// The model's stacks, as many as when the run was set up.
    pub(super) fn stacks<'a, M: Growable>(
        &self,
        model: &'a mut M,
    ) -> Result<Vec<&'a mut dyn Stack>, ApolloError> {
        let stacks = stacks_mut(model);
        match (self.targets.len(), stacks.len()) {
            (before, now) if before == now => Ok(stacks),
            (before, now) => Err(other!(
                "the model's `Growable::stacks` named {before} stacks at first and names {now} now"
            )),
        }
    }

    /// What can be said of the parameters that are trained, once they have values.
    pub(super) fn check_trained<M: Growable>(&self, model: &M) -> Result<(), ApolloError> {
        let mut params = ParamInfo::all(model);
        params.retain(|param| param.trained);
        no_ties(&params, model)?;
        if self.plan.moments != MomentPolicy::Reset && self.timeline.stages() > 1 {
            for param in &params {
                param
                    .dtype
                    .map_or(Ok(()), |dtype| check_precision(&param.path, dtype))
                    .map_err(ApolloError::Other)?;
            }
        }
        Ok(())
    }
}

fn stack_targets(model: &impl Growable) -> Result<Vec<usize>, ApolloError> {
    let targets: Vec<usize> = model.stacks().iter().map(|s| s.target_depth()).collect();
    match (targets.len(), targets.iter().position(|l| *l == 0)) {
        (0, _) => Err(other!("the model's `Growable::stacks` names no layer stack")),
        (found, _) if found > 1 << 16 => {
            Err(other!("a model may name at most 65536 layer stacks, found {found}"))
        }
        (_, Some(stack)) => {
            Err(other!("stack {stack} was built without layers: its target depth would be 0"))
        }
        (_, None) => Ok(targets),
    }
}

/// The path of a stack and a dot, from the parameters of its layers and all of the model's.
fn prefix(layers: &[Vec<ParamInfo>], all: &[ParamInfo]) -> Option<String> {
    let params =
        layers.iter().enumerate().flat_map(|(i, params)| params.iter().map(move |p| (i, p)));
    let mut found = params.flat_map(|(layer, param)| {
        let within = format!("{layer}.{}", param.path);
        let holders = all.iter().filter(|holder| holder.id == param.id);
        holders.filter_map(move |holder| Some(holder.path.strip_suffix(&within)?.to_owned()))
    });
    found.find(|prefix| prefix.is_empty() || prefix.ends_with('.'))
}

/// Every layer of a growth must be a copy of a layer like the one that the model was built with in its place.
fn alike(stack: usize, built: &[Vec<ParamInfo>], map: &LayerMap) -> Result<(), ApolloError> {
    let shape = |p: &ParamInfo| (p.path.clone(), p.shape.clone(), p.kind);
    let named = |param: Option<&ParamInfo>| {
        param.map_or("nothing".to_owned(), |p| format!("`{}` {:?}", p.path, p.shape))
    };
    for (layer, &source) in map.as_slice().iter().enumerate() {
        let (Some(own), Some(copied)) = (built.get(layer), built.get(source)) else { continue };
        let mut pairs = (0..own.len().max(copied.len())).map(|i| (own.get(i), copied.get(i)));
        if let Some((own, copied)) = pairs.find(|(own, copied)| own.map(shape) != copied.map(shape))
        {
            return Err(other!(
                "layer {layer} of stack {stack} would be a copy of layer {source}, but was built with {} where that has \
                 {}: choose a layer map that puts copies where their kind belongs (stacking, for a repeating pattern), \
                 let the whole pattern be one layer, or use one stack for each kind",
                named(own),
                named(copied)
            ));
        }
    }
    Ok(())
}

/// Every name must mean a parameter, and every layer that is copied must have one that is meant.
fn names_fit(
    new_layers: &NewLayers,
    stacks: &[(usize, &Vec<Vec<ParamInfo>>)],
) -> Result<(), ApolloError> {
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
            return Err(other!(
                "`new_layers`: `{name}` means the quantised parameter `{param}`, which cannot be made zero: grow before \
                 quantising, or leave it out and begin with copies"
            ));
        }
        if means(|kind| kind == ParamKind::Float).is_none() {
            return Err(other!(
                "`new_layers`: `{name}` is no parameter of a layer; there are {}",
                known(layers())
            ));
        }
    }
    for (stack, layers) in stacks {
        let unnamed = |params: &Vec<ParamInfo>| !zeroed(params, new_layers).contains(&true);
        if let Some(layer) = layers.iter().position(unnamed) {
            let known = known(layers.iter().skip(layer).take(1));
            return Err(other!(
                "`new_layers`: none of the names is a parameter of layer {layer} of stack {stack}, so a copy of it would \
                 not begin as the identity; it has {known}"
            ));
        }
    }
    Ok(())
}

/// The paths that could be named, each once.
fn known<'a>(layers: impl Iterator<Item = &'a Vec<ParamInfo>>) -> String {
    let mut known: Vec<&str> = Vec::new();
    for param in layers.flatten().filter(|p| p.kind == ParamKind::Float) {
        if !known.contains(&param.path.as_str()) {
            known.push(&param.path);
        }
    }
    known.join(", ")
}

/// Every trained parameter of a stack must have an id of its own: Burn's optimizers update only the first holder
/// of an id.
fn no_ties<M: Growable>(params: &[ParamInfo], model: &M) -> Result<(), ApolloError> {
    let ids = |params: Vec<Vec<ParamInfo>>| params.into_iter().flatten().map(|p| p.id);
    let in_stacks: HashSet<ParamId> =
        stacks(model).iter().flat_map(|stack| ids(stack.params())).collect();
    let mut first: HashMap<ParamId, &str> = HashMap::new();
    for ParamInfo { id, path, .. } in params {
        if let Some(first) = first.insert(*id, path).filter(|_| in_stacks.contains(id)) {
            return Err(other!(
                "`{first}` and `{path}` are one parameter by id, and Burn would train only the first: hold it in one \
                 place and pass it to the other's forward pass, or give the other an id of its own"
            ));
        }
    }
    Ok(())
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
