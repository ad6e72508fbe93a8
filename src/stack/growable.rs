use std::sync::{Mutex, PoisonError};

use burn::module::{Module, ModuleVisitor, Param, ParamId, list_param_ids};
use burn::tensor::{Bool, Device, Int, Tensor};

use super::copy::{copy_layer, mix};
use super::layer_stack::Initialiser;
use super::{LayerStack, ParamOrigin, StackError};
use crate::expand::LayerMap;

/// A model whose depth can grow: it names its layer stacks.
///
/// # Contract
///
/// [`stacks`](Self::stacks) names every stack that takes part in the growth, always in the same order:
/// schedules, depth draws and saved runs know a stack by its place. A stack that is left out stays as
/// it was built.
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

    /// Module path within the layer and id of each parameter, layer by layer.
    fn layer_params(&self) -> Vec<Vec<(String, ParamId)>>;

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

    /// Replaces the unique layers by new ones and runs each once; says where each parameter comes from.
    ///
    /// # Errors
    ///
    /// [`StackError::Map`] and [`StackError::NoInitialiser`]; the stack is then unchanged.
    fn grow(&mut self, source: LayerSource<'_>) -> Result<Vec<ParamOrigin>, StackError>;

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

    fn layer_params(&self) -> Vec<Vec<(String, ParamId)>> {
        let params = |layer: &L| {
            let mut paths = Paths::default();
            layer.visit(&mut paths);
            paths.params
        };
        self.layers.iter().map(params).collect()
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

    fn grow(&mut self, source: LayerSource<'_>) -> Result<Vec<ParamOrigin>, StackError> {
        let (layers, origins) = match source {
            LayerSource::Copies { map, stage } => {
                self.check_map(map)?;
                copies(&self.layers, map, stage)
            }
            LayerSource::Initialiser { layers, seed, stack, device, distributed } => {
                let make = self.initialiser.as_ref().ok_or(StackError::NoInitialiser { stack })?;
                initialised(make, layers, mix(seed, stack as u64), device, distributed)
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
                let layer = copy_layer(source, false, id_of);
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

fn copies<L: Module>(old: &[L], map: &LayerMap, stage: usize) -> (Vec<L>, Vec<ParamOrigin>) {
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
            _ => copy_layer(&old[source], false, id_of),
        };
        let origin =
            |(parent, id)| ParamOrigin { id, parent: Some(parent), copies: map.copies(source) };
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

fn initialised<L: Module>(
    make: &Initialiser<L>,
    count: usize,
    seed: u64,
    device: &Device,
    distributed: bool,
) -> (Vec<L>, Vec<ParamOrigin>) {
    let _turn = INITIALISING.lock().unwrap_or_else(PoisonError::into_inner);
    device.seed(seed);
    let mut origins = Vec::new();
    let layers = (0..count)
        .map(|index| {
            let layer = make(index);
            let old = list_param_ids(&layer);
            let id_of = |id: ParamId| match old.iter().position(|o| *o == id) {
                Some(param) => ParamId::from(mix(mix(seed, index as u64), param as u64)),
                None => id,
            };
            let layer = copy_layer(&layer, distributed, id_of).fork(device);
            let origin = |id| ParamOrigin { id, parent: None, copies: 1 };
            origins.extend(list_param_ids(&layer).into_iter().map(origin));
            layer
        })
        .collect();
    (layers, origins)
}

/// Path and id of every tensor parameter.
#[derive(Default)]
pub(crate) struct Paths {
    path: Vec<String>,
    pub(crate) params: Vec<(String, ParamId)>,
}

impl Paths {
    fn push(&mut self, id: ParamId) {
        self.params.push((self.path.join("."), id));
    }
}

impl ModuleVisitor for Paths {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.push(param.id);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.push(param.id);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.push(param.id);
    }
}
