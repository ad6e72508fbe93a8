//! How a stack changes: what [`Apollo`](crate::Apollo) alone does with it.

use std::collections::HashSet;

use burn::module::{Module, ParamId, list_param_ids};
use burn::tensor::Device;

use super::copy::{Noise, copy_layer};
use super::layer_stack::Initialiser;
use super::{Growable, GrowableStack, LayerOrigin, LayerStack, ParamOrigin, StackError, zeroed};
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

/// The changes of a stack. No program but this crate can name the trait.
pub trait Stack: GrowableStack {
    /// Whether the stack can make layers without a source.
    fn has_initialiser(&self) -> bool;

    /// The parameters of each unique layer. None is initialised for it.
    fn params(&self) -> Vec<Vec<ParamInfo>>;

    /// Runs the stack in the order of `map` in training mode.
    ///
    /// # Errors
    ///
    /// [`StackError::Map`] if `map` is not one of the stack's unique layers.
    fn set_training_depth(&mut self, map: &LayerMap) -> Result<(), StackError>;

    /// Runs the stack in the order of `map` after [`valid`](Module::valid).
    ///
    /// # Errors
    ///
    /// [`StackError::Map`] if `map` is not one of the stack's unique layers.
    fn set_inference_depth(&mut self, map: &LayerMap) -> Result<(), StackError>;

    /// Drops all but the first `layers` unique layers.
    ///
    /// # Errors
    ///
    /// [`StackError::Shorten`] if there are fewer.
    fn shorten(&mut self, layers: usize) -> Result<(), StackError>;

    /// Replaces the unique layers by new ones, which begin as `new_layers` says, and runs each once; says where
    /// each parameter comes from.
    ///
    /// # Errors
    ///
    /// [`StackError::Map`] and [`StackError::NoInitialiser`]; the stack is then unchanged.
    fn grow(
        &mut self,
        source: LayerSource<'_>,
        new_layers: &NewLayers,
    ) -> Result<Vec<LayerOrigin>, StackError>;

    /// Replaces the unique layers by one copy for each virtual layer, with ids of their own, and runs each once; says
    /// where the parameters of each come from. See [`Untied`](super::Untied).
    fn untie(&mut self) -> Vec<Vec<ParamOrigin>>;
}

/// Where the layers of a grown stack come from.
#[derive(Debug, Clone, Copy)]
pub enum LayerSource<'a> {
    /// Copies of the stack's own layers. The first copy of a layer keeps its parameter ids; those of the
    /// others follow from the source's id, the stage and the copy's number, the same on every device.
    Copies {
        /// The source of each new layer.
        map: &'a LayerMap,
        /// The stage that begins.
        stage: usize,
        /// Seed of the noise of new layers.
        seed: u64,
    },
    /// The stack's initialiser.
    Initialiser {
        /// New layers.
        layers: usize,
        /// Seed of the device's random generator and of the new parameter ids.
        seed: u64,
        /// Place of the stack in its model.
        stack: usize,
        /// The device to put the layers on.
        device: &'a Device,
        /// Whether gradients of the new parameters are reduced over the workers of distributed training.
        distributed: bool,
    },
}

impl<L: Module> Stack for LayerStack<L> {
    fn has_initialiser(&self) -> bool {
        self.initialiser.is_some()
    }

    fn params(&self) -> Vec<Vec<ParamInfo>> {
        self.layers.iter().map(ParamInfo::all).collect()
    }

    fn set_training_depth(&mut self, map: &LayerMap) -> Result<(), StackError> {
        self.check_map(map)?;
        self.training = map.as_slice().into();
        Ok(())
    }

    fn set_inference_depth(&mut self, map: &LayerMap) -> Result<(), StackError> {
        self.check_map(map)?;
        self.inference = map.as_slice().into();
        Ok(())
    }

    fn shorten(&mut self, layers: usize) -> Result<(), StackError> {
        if layers > self.layers.len() {
            return Err(StackError::Shorten { asked: layers, unique: self.layers.len() });
        }
        self.layers.truncate(layers);
        self.run_unique();
        Ok(())
    }

    fn grow(
        &mut self,
        source: LayerSource<'_>,
        new_layers: &NewLayers,
    ) -> Result<Vec<LayerOrigin>, StackError> {
        let (layers, origins) = match source {
            LayerSource::Copies { map, stage, seed } => {
                self.check_map(map)?;
                copies(&self.layers, map, (stage, seed), new_layers)
            }
            LayerSource::Initialiser { layers, seed, stack, device, distributed } => {
                let make = self.initialiser.as_ref().ok_or(StackError::NoInitialiser { stack })?;
                let seed = mix(seed, stack as u64);
                let layer = |i| initialised(make, new_layers, seed, i, device, distributed);
                draw_from(device, seed, || (0..layers).map(layer).unzip())
            }
        };
        self.layers = layers;
        self.run_unique();
        Ok(origins)
    }

    fn untie(&mut self) -> Vec<Vec<ParamOrigin>> {
        let order = LayerStack::order(self).to_vec();
        let uses = |unique: usize| order.iter().filter(|i| **i == unique).count();
        let (layers, origins) = (0..)
            .zip(&order)
            .map(|(place, unique)| {
                let source = &self.layers[*unique];
                let id_of = |id: ParamId| ParamId::from(mix(mix(id.val(), UNTIED), place));
                let layer = copy_layer(source, false, &HashSet::new(), None, id_of);
                let pairs = list_param_ids(source).into_iter().zip(list_param_ids(&layer));
                let copies = uses(*unique);
                let origins = pairs.map(|(parent, id)| {
                    let (parent, zeroed) = (Some(parent), false);
                    ParamOrigin { id, parent, copies, zeroed }
                });
                (layer, origins.collect())
            })
            .unzip();
        self.layers = layers;
        self.run_unique();
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

fn copies<L: Module>(
    old: &[L],
    map: &LayerMap,
    (stage, seed): (usize, u64),
    new_layers: &NewLayers,
) -> (Vec<L>, Vec<LayerOrigin>) {
    let mut made = vec![0_u64; old.len()];
    let mut origins = Vec::new();
    let mut layers = Vec::with_capacity(map.target());
    for (place, &source) in (0_u64..).zip(map.as_slice()) {
        let copy = made[source];
        made[source] += 1;
        let id_of = |parent: ParamId| match copy {
            0 => parent,
            copy => ParamId::from(mix(mix(parent.val(), stage as u64), copy)),
        };
        let zero = match copy {
            0 => HashSet::new(),
            _ => zeroed_ids(&old[source], new_layers),
        };
        let layer = match copy {
            0 => old[source].clone(),
            _ => {
                let noise = new_layers.noise().map(|std| Noise::new(std, mix(seed, place)));
                copy_layer(&old[source], false, &zero, noise, id_of)
            }
        };
        // A layer that begins as the identity goes on with nobody's training and takes no gradient away.
        let (inherits, copies) = match new_layers.are_identities() {
            true => (copy == 0, 1),
            false => (true, map.copies(source)),
        };
        let origin = |(parent, id): (ParamId, ParamId)| {
            let zeroed = zero.contains(&parent);
            ParamOrigin { id, parent: inherits.then_some(parent), copies, zeroed }
        };
        let pairs = list_param_ids(&old[source]).into_iter().zip(list_param_ids(&layer));
        origins.push(LayerOrigin { kept: copy == 0, params: pairs.map(origin).collect() });
        layers.push(layer);
    }
    (layers, origins)
}

fn initialised<L: Module>(
    make: &Initialiser<L>,
    new_layers: &NewLayers,
    seed: u64,
    index: usize,
    device: &Device,
    distributed: bool,
) -> (L, LayerOrigin) {
    let layer = make(index);
    let old = list_param_ids(&layer);
    let id_of = |id: ParamId| match old.iter().position(|o| *o == id) {
        Some(param) => ParamId::from(mix(mix(seed, index as u64), param as u64)),
        None => id,
    };
    let zero = zeroed_ids(&layer, new_layers);
    let layer = copy_layer(&layer, distributed, &zero, None, id_of).fork(device);
    let params = old.iter().zip(list_param_ids(&layer)).map(|(old, id)| {
        let (parent, zeroed) = (None, zero.contains(old));
        ParamOrigin { id, parent, copies: 1, zeroed }
    });
    let origin = LayerOrigin { kept: false, params: params.collect() };
    (layer, origin)
}
