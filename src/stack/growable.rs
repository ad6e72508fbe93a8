use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use burn::module::{Module, ParamId, list_param_ids};
use burn::tensor::Device;

use super::copy::{copy_layer, mix};
use super::layer_stack::Initialiser;
use super::{LayerParam, LayerStack, ParamOrigin, StackError, zeroed};
use crate::expand::{LayerMap, NewLayers};

/// A model whose depth can grow: it names its layer stacks.
///
/// # Contract
///
/// [`stacks`](Self::stacks) names every stack that takes part in the growth, always in the same order:
/// schedules, depth draws and saved runs know a stack by its place. A stack that is left out stays as
/// it was built.
///
/// A model may name any number of stacks, those in a `Vec<LayerStack<L>>` for one. A layer may itself hold a stack.
/// Either the outer stack grows, and copies of its layers hold copies of the inner stacks, whole and with parameter
/// ids of their own; or the inner stacks are named, one by one, and the outer one stays as it was built. Both at once
/// cannot be named: Rust lends a layer out once, and the number of stacks must not change in a run
/// ([`StackError::StacksChanged`]).
///
/// # Layers of several kinds
///
/// Layer `i` of a growing stack must always be a layer like the one that the model was built with in place `i`: of
/// the same parameters, by path, shape and type. A model whose kinds take turns grows by
/// [`Stacking`](crate::expand::Stacking) from whole turns; other maps are refused with [`StackError::Unlike`].
///
/// # Shared parameters
///
/// A parameter that is trained must be held in one place. Burn's optimizers update the first holder of an id alone, so
/// clones of a parameter part at the first step; where a stack is involved, [`StackError::Tied`] refuses them. Tie
/// weights by passing the one parameter along in the forward pass: `x.matmul(embedding.weight.val().transpose())`.
/// Frozen parameters may be clones of each other.
///
/// # Example
///
/// ```
/// use burn::{module::Module, nn::Linear};
/// use burn_apollo::stack::{Growable, GrowableStack, LayerStack};
///
/// #[derive(Module, Debug)]
/// struct Translator {
///     encoder: LayerStack<Linear>,
///     decoder: LayerStack<Linear>,
/// }
///
/// impl Growable for Translator {
///     fn stacks(&mut self) -> Vec<&mut dyn GrowableStack> {
///         vec![&mut self.encoder, &mut self.decoder]
///     }
/// }
/// ```
pub trait Growable: Module {
    /// The model's layer stacks.
    fn stacks(&mut self) -> Vec<&mut dyn GrowableStack>;
}

/// What [`Apollo`](crate::Apollo) does with a [`LayerStack`] of any layer type.
///
/// Implemented by [`LayerStack`] alone.
///
/// ```
/// use burn::{nn::{Linear, LinearConfig}, tensor::Device};
/// use burn_apollo::expand::{Expander, Interpolation};
/// use burn_apollo::stack::{GrowableStack, LayerStack, StackError};
///
/// let device = Device::default();
/// let mut stack: LayerStack<Linear> = (0..6).map(|_| LinearConfig::new(4, 4).init(&device)).collect();
/// stack.shorten(3)?;
/// stack.set_training_depth(&Interpolation.map(3, 5).unwrap())?;
/// assert_eq!((stack.unique_layers(), stack.order()), (3, &[0, 0, 1, 1, 2][..]));
/// # Ok::<(), StackError>(())
/// ```
pub trait GrowableStack: sealed::Sealed {
    /// The number of unique layers now.
    fn unique_layers(&self) -> usize;

    /// The depth `L` of the full model.
    fn target_depth(&self) -> usize;

    /// Whether the stack can make layers without a source.
    fn has_initialiser(&self) -> bool;

    /// The unique layer of each virtual layer, in the order in which the stack runs now.
    fn order(&self) -> &[usize];

    /// The parameters of each unique layer. None is initialised for it.
    fn layer_params(&self) -> Vec<Vec<LayerParam>>;

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
    ) -> Result<Vec<ParamOrigin>, StackError>;

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

mod sealed {
    pub trait Sealed {}
    impl<L> Sealed for super::LayerStack<L> {}
}

impl<L: Module> GrowableStack for LayerStack<L> {
    fn unique_layers(&self) -> usize {
        self.layers.len()
    }

    fn target_depth(&self) -> usize {
        self.target
    }

    fn has_initialiser(&self) -> bool {
        self.initialiser.is_some()
    }

    fn order(&self) -> &[usize] {
        LayerStack::order(self)
    }

    fn layer_params(&self) -> Vec<Vec<LayerParam>> {
        self.layers.iter().map(LayerParam::all).collect()
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
    ) -> Result<Vec<ParamOrigin>, StackError> {
        let (layers, origins) = match source {
            LayerSource::Copies { map, stage } => {
                self.check_map(map)?;
                copies(&self.layers, map, stage, new_layers)
            }
            LayerSource::Initialiser { layers, seed, stack, device, distributed } => {
                let make = self.initialiser.as_ref().ok_or(StackError::NoInitialiser { stack })?;
                let layer =
                    |seed, index| initialised(make, new_layers, seed, index, device, distributed);
                all_initialised(layer, layers, mix(seed, stack as u64), device)
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
                let layer = copy_layer(source, false, &HashSet::new(), id_of);
                let pairs = list_param_ids(source).into_iter().zip(list_param_ids(&layer));
                let copies = uses(*unique);
                let origins =
                    pairs.map(|(parent, id)| ParamOrigin { id, parent: Some(parent), copies });
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
    let params = LayerParam::all(layer);
    let zero = zeroed(&params, new_layers);
    params.iter().zip(zero).filter(|(_, zero)| *zero).map(|(p, _)| p.id).collect()
}

fn copies<L: Module>(
    old: &[L],
    map: &LayerMap,
    stage: usize,
    new_layers: &NewLayers,
) -> (Vec<L>, Vec<ParamOrigin>) {
    let mut made = vec![0_u64; old.len()];
    let mut origins = Vec::new();
    let mut layers = Vec::with_capacity(map.target());
    for &source in map.as_slice() {
        let copy = made[source];
        made[source] += 1;
        let id_of = |parent: ParamId| match copy {
            0 => parent,
            copy => ParamId::from(mix(mix(parent.val(), stage as u64), copy)),
        };
        let layer = match copy {
            0 => old[source].clone(),
            _ => copy_layer(&old[source], false, &zeroed_ids(&old[source], new_layers), id_of),
        };
        // A layer that begins as the identity goes on with nobody's training and takes no gradient away.
        let (inherits, spread) = match new_layers.are_identities() {
            true => (copy == 0, 1),
            false => (true, map.copies(source)),
        };
        let origin =
            |(parent, id)| ParamOrigin { id, parent: inherits.then_some(parent), copies: spread };
        origins.extend(
            list_param_ids(&old[source]).into_iter().zip(list_param_ids(&layer)).map(origin),
        );
        layers.push(layer);
    }
    (layers, origins)
}

/// Devices of one process share random generators: workers that grow at once take turns, so that all
/// draw the same values. A worker that draws for something else at that moment (dropout, say) would still
/// disturb them: layers without a source and distributed training want layers without dropout.
static INITIALISING: Mutex<()> = Mutex::new(());

fn all_initialised<L: Module>(
    layer: impl Fn(u64, usize) -> L,
    count: usize,
    seed: u64,
    device: &Device,
) -> (Vec<L>, Vec<ParamOrigin>) {
    let _turn = INITIALISING.lock().unwrap_or_else(PoisonError::into_inner);
    device.seed(seed);
    let layers: Vec<L> = (0..count).map(|index| layer(seed, index)).collect();
    let origin = |id| ParamOrigin { id, parent: None, copies: 1 };
    let origins = layers.iter().flat_map(list_param_ids).map(origin).collect();
    (layers, origins)
}

fn initialised<L: Module>(
    make: &Initialiser<L>,
    new_layers: &NewLayers,
    seed: u64,
    index: usize,
    device: &Device,
    distributed: bool,
) -> L {
    let layer = make(index);
    let old = list_param_ids(&layer);
    let id_of = |id: ParamId| match old.iter().position(|o| *o == id) {
        Some(param) => ParamId::from(mix(mix(seed, index as u64), param as u64)),
        None => id,
    };
    copy_layer(&layer, distributed, &zeroed_ids(&layer, new_layers), id_of).fork(device)
}
