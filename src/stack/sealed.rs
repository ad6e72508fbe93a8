//! How a stack changes: what [`Apollo`](crate::Apollo) alone does with it.

use std::collections::HashSet;

use burn::module::{Module, ParamId, list_param_ids};
use burn::tensor::Device;

use super::copy::{Noise, copy_layer};
use super::{Growable, GrowableStack, LayerStack, ParamOrigin, zeroed};
use crate::expand::{LayerMap, NewLayers};
use crate::generator::draw_from;
use crate::wire::{ParamInfo, mix};

/// What only this crate can make: whoever holds it may change a stack.
#[derive(Debug, Clone, Copy)]
pub struct Key(());

/// The stacks of a model, with all that only this crate sees of them.
pub(crate) fn stacks(model: &impl Growable) -> Vec<&dyn Stack> {
    model.stacks().into_iter().map(|stack| stack.inner(Key(()))).collect()
}

/// The stacks of a model, to change them.
pub(crate) fn stacks_mut(model: &mut impl Growable) -> Vec<&mut dyn Stack> {
    model.stacks_mut().into_iter().map(|stack| stack.inner_mut(Key(()))).collect()
}

/// The changes of a stack. No program but this crate can name the trait. Every map is one of the stack's unique layers.
pub trait Stack: GrowableStack {
    /// Whether the stack can make layers without a source.
    fn has_initialiser(&self) -> bool;

    /// The parameters of each unique layer. None is initialised for it.
    fn params(&self) -> Vec<Vec<ParamInfo>>;

    /// Runs the stack in the order of `map` in training mode.
    fn set_training_depth(&mut self, map: &LayerMap);

    /// Runs the stack in the order of `map` after [`valid`](Module::valid).
    fn set_inference_depth(&mut self, map: &LayerMap);

    /// Drops all but the first `layers` unique layers.
    fn shorten(&mut self, layers: usize);

    /// Replaces the unique layers by copies of them, which begin as `new_layers` says, with noise from `seed`, and runs each
    /// once; says where each parameter comes from. The first copy of a layer keeps its parameter ids; those of the others
    /// follow from the source's id, the stage that begins and the copy's number, the same on every device.
    fn grow(
        &mut self,
        map: &LayerMap,
        stage: usize,
        seed: u64,
        new_layers: &NewLayers,
    ) -> Vec<ParamOrigin>;

    /// Replaces the unique layers by ones that the stack's initialiser makes on `device`, and runs each once; says where
    /// each parameter comes from, or nothing without an initialiser. The device's generator and the parameter ids follow
    /// from `seed`. Gradients of `distributed` parameters are reduced over the workers of distributed training.
    fn initialise(
        &mut self,
        layers: usize,
        seed: u64,
        device: &Device,
        distributed: bool,
        new_layers: &NewLayers,
    ) -> Option<Vec<ParamOrigin>>;

    /// Replaces the unique layers by one copy for each virtual layer, with ids of their own, and runs each once; says
    /// where the parameters of each come from. See [`Untied`](super::Untied).
    fn untie(&mut self) -> Vec<Vec<ParamOrigin>>;
}

impl<L: Module> Stack for LayerStack<L> {
    fn has_initialiser(&self) -> bool {
        self.initialiser.is_some()
    }

    fn params(&self) -> Vec<Vec<ParamInfo>> {
        self.layers.iter().map(ParamInfo::all).collect()
    }

    fn set_training_depth(&mut self, map: &LayerMap) {
        self.training = map.as_slice().into();
    }

    fn set_inference_depth(&mut self, map: &LayerMap) {
        self.inference = map.as_slice().into();
    }

    fn shorten(&mut self, layers: usize) {
        self.layers.truncate(layers);
        self.run_unique();
    }

    fn grow(
        &mut self,
        map: &LayerMap,
        stage: usize,
        seed: u64,
        new_layers: &NewLayers,
    ) -> Vec<ParamOrigin> {
        let (mut layers, mut origins) = (Vec::with_capacity(map.target()), Vec::new());
        let mut made = vec![0_u64; self.layers.len()];
        for (place, &source) in (0_u64..).zip(map.as_slice()) {
            let (old, copy) = (&self.layers[source], made[source]);
            made[source] += 1;
            let mut zero = HashSet::new();
            let layer = match copy {
                0 => old.clone(),
                _ => {
                    zero = zeroed_ids(old, new_layers);
                    let noise = new_layers.noise().map(|std| Noise::new(std, mix(seed, place)));
                    let id_of = |id: ParamId| ParamId::from(mix(mix(id.val(), stage as u64), copy));
                    copy_layer(old, false, &zero, noise, id_of)
                }
            };
            // A layer that begins as the identity goes on with nobody's training and takes no gradient away.
            let (inherits, copies) = match new_layers.are_identities() {
                true => (copy == 0, 1),
                false => (true, map.copies(source)),
            };
            let pairs = list_param_ids(old).into_iter().zip(list_param_ids(&layer));
            origins.extend(pairs.map(|(parent, id)| {
                let zeroed = zero.contains(&parent);
                ParamOrigin { id, parent: inherits.then_some(parent), copies, zeroed }
            }));
            layers.push(layer);
        }
        self.replace(layers);
        origins
    }

    fn initialise(
        &mut self,
        layers: usize,
        seed: u64,
        device: &Device,
        distributed: bool,
        new_layers: &NewLayers,
    ) -> Option<Vec<ParamOrigin>> {
        let make = self.initialiser.clone()?;
        let mut origins = Vec::new();
        let layer = |index: usize| {
            let layer = make(index);
            let old = list_param_ids(&layer);
            let id_of = |id: ParamId| match old.iter().position(|o| *o == id) {
                Some(param) => ParamId::from(mix(mix(seed, index as u64), param as u64)),
                None => id,
            };
            let zero = zeroed_ids(&layer, new_layers);
            let layer = copy_layer(&layer, distributed, &zero, None, id_of).fork(device);
            origins.extend(old.iter().zip(list_param_ids(&layer)).map(|(old, id)| {
                let (parent, zeroed) = (None, zero.contains(old));
                ParamOrigin { id, parent, copies: 1, zeroed }
            }));
            layer
        };
        let layers = draw_from(device, seed, || (0..layers).map(layer).collect());
        self.replace(layers);
        Some(origins)
    }

    fn untie(&mut self) -> Vec<Vec<ParamOrigin>> {
        let order = LayerStack::order(self).to_vec();
        let uses = |unique: usize| order.iter().filter(|i| **i == unique).count();
        let untied = (0..).zip(&order).map(|(place, unique)| {
            let source = &self.layers[*unique];
            let id_of = |id: ParamId| ParamId::from(mix(mix(id.val(), UNTIED), place));
            let layer = copy_layer(source, false, &HashSet::new(), None, id_of);
            let pairs = list_param_ids(source).into_iter().zip(list_param_ids(&layer));
            let (copies, zeroed) = (uses(*unique), false);
            let origin = |(old, id)| ParamOrigin { id, parent: Some(old), copies, zeroed };
            (layer, pairs.map(origin).collect())
        });
        let (layers, origins) = untied.unzip();
        self.replace(layers);
        origins
    }
}

/// What the ids of untied layers are made with, beside their sources' and their places.
const UNTIED: u64 = u64::from_be_bytes(*b"untied\0\0");

/// The parameters of `layer` that become zero in a new layer.
fn zeroed_ids<L: Module>(layer: &L, new_layers: &NewLayers) -> HashSet<ParamId> {
    let params = ParamInfo::all(layer);
    let zero = zeroed(&params, new_layers);
    params.iter().zip(zero).filter(|(_, zero)| *zero).map(|(p, _)| p.id).collect()
}
