//! Parameter groups that a growth would leave behind, found before the run has trained anything by them.

use std::collections::BTreeSet;

use burn::module::{Module, Param, ParamId};
use burn::optim::ModuleOptimizer;
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;
use burn::tensor::{Device, Tensor};

use super::OptimError;
use super::treatment::{Treatment, treatment, without_state};
use crate::expand::LayerMap;
use crate::panic::caught;
use crate::wire::{PathVisitor, mix, walk};

/// The places of a stack that layers of today come to hold in later stages.
#[derive(Debug)]
pub(crate) struct Heirs {
    /// What stands before the layer's number in the path of a parameter: `blocks.`.
    pub(crate) prefix: String,
    /// Of each layer: the numbers of the layers that will be copies of it, beside its own.
    pub(crate) places: Vec<Vec<usize>>,
}

/// Whether the copies of every layer will be trained as their source is.
///
/// # Errors
///
/// [`OptimError::ByNumber`] and [`OptimError::ById`] for groups of the optimizer or of the learning rate that tell them
/// apart.
pub(crate) fn check_groups<M: Module>(
    optim: &ModuleOptimizer,
    lr: &ModuleLearningRate,
    model: &M,
    heirs: &[Heirs],
    device: &Device,
) -> Result<(), OptimError> {
    if heirs.iter().all(|stack| stack.places.iter().all(Vec::is_empty)) {
        return Ok(());
    }
    let rate = |id, path: &str| lr.lr_from_param(id, Some(path)).to_bits();
    let optim = without_state(optim);
    walk(model, Check { heirs, rate, optim: &optim, device, found: Ok(()) }).found
}

struct Check<'a, R> {
    heirs: &'a [Heirs],
    rate: R,
    optim: &'a ModuleOptimizer,
    device: &'a Device,
    found: Result<(), OptimError>,
}

impl<R: Fn(ParamId, &str) -> u64> PathVisitor for Check<'_, R> {
    fn float<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        let places = self.heirs.iter().find_map(|stack| stack.places_of(path));
        let trained = param.is_initialized() && param.base().is_require_grad();
        if let (Ok(()), Some(places), true) = (&self.found, places, trained) {
            self.found = self.check::<D>(path, param.id, &places);
        }
    }
}

impl<R: Fn(ParamId, &str) -> u64> Check<'_, R> {
    fn check<const D: usize>(
        &self,
        path: &str,
        id: ParamId,
        places: &[String],
    ) -> Result<(), OptimError> {
        // The rates answer at once; the optimizer has to be tried out.
        let rate = |path: &str, id: ParamId| Some((self.rate)(id, path));
        alike("the learning rate", rate, path, id, places)?;
        let tried = |path: &str, id: ParamId| self.tried::<D>(path, id);
        alike("the optimizer", tried, path, id, places)
    }

    /// Nothing where the optimizer does not take the numbers of the trial.
    fn tried<const D: usize>(&self, path: &str, id: ParamId) -> Option<Bits> {
        let tried = caught(|| treatment::<D>(self.optim, path, id, self.device));
        let Treatment { fields, moves } = tried.ok()?.ok()?;
        Some((fields, moves.into_iter().map(f64::to_bits).collect()))
    }
}

type Bits = (Vec<String>, Vec<u64>);

/// Whether `treated` answers alike for a parameter, a copy of it in its place, and copies in other places.
fn alike<T: PartialEq>(
    groups_of: &'static str,
    treated: impl Fn(&str, ParamId) -> Option<T>,
    path: &str,
    id: ParamId,
    places: &[String],
) -> Result<(), OptimError> {
    let own = treated(path, id);
    let copy = ParamId::from(mix(id.val(), 1));
    if treated(path, copy) != own {
        return Err(OptimError::ById { groups_of, param: path.to_owned() });
    }
    match places.iter().find(|place| treated(place, copy) != own) {
        Some(copy) => {
            let (param, copy) = (path.to_owned(), copy.clone());
            Err(OptimError::ByNumber { groups_of, param, copy })
        }
        None => Ok(()),
    }
}

impl Heirs {
    /// The paths that copies of the parameter will have, if it is one of this stack.
    fn places_of(&self, path: &str) -> Option<Vec<String>> {
        let (layer, rest) = self.split(path)?;
        Some(
            self.places
                .get(layer)?
                .iter()
                .map(|place| format!("{}{place}.{rest}", self.prefix))
                .collect(),
        )
    }

    /// The number of the stack's layer that holds the parameter.
    pub(super) fn layer_of(&self, path: &str) -> Option<usize> {
        self.split(path).map(|(layer, _)| layer)
    }

    /// The number of the layer, and the path in it.
    fn split<'a>(&self, path: &'a str) -> Option<(usize, &'a str)> {
        let (layer, rest) = path.strip_prefix(&self.prefix)?.split_once('.')?;
        Some((layer.parse().ok()?, rest))
    }

    /// The places that the layers of a stage come to hold, by the maps of the growths after it.
    pub(crate) fn places(layers: usize, maps: &[LayerMap]) -> Vec<Vec<usize>> {
        let mut places: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); layers];
        let mut ancestors: Vec<usize> = (0..layers).collect();
        for map in maps {
            ancestors = map.as_slice().iter().filter_map(|i| ancestors.get(*i).copied()).collect();
            for (place, ancestor) in ancestors.iter().enumerate().filter(|(p, a)| p != *a) {
                places[*ancestor].insert(place);
            }
        }
        places.into_iter().map(|places| places.into_iter().collect()).collect()
    }
}
