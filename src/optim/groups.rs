//! Parameter groups of the learning rate that a growth would leave behind, found before the run has trained anything by
//! them.

use std::collections::BTreeSet;

use burn::module::{Module, ParamId};
use burn::optim::lr_scheduler::module_lr_scheduler::ModuleLearningRate;

use crate::expand::LayerMap;
use crate::wire::{ParamInfo, mix};

/// The numbers that copies of a stack's layers will have, by the growths to come.
#[derive(Debug)]
pub(crate) struct StackCopies {
    /// What stands before a layer's number in the path of a parameter: `blocks.`.
    prefix: String,
    /// Of each layer, beside its own number.
    numbers: Vec<BTreeSet<usize>>,
}

impl StackCopies {
    /// Of a stack of `layers` that grows by these maps, one after the other.
    pub(crate) fn new(prefix: String, layers: usize, maps: &[LayerMap]) -> Self {
        let mut numbers = vec![BTreeSet::new(); layers];
        let mut ancestors: Vec<usize> = (0..layers).collect();
        for map in maps {
            ancestors = map.as_slice().iter().filter_map(|i| ancestors.get(*i).copied()).collect();
            for (number, ancestor) in ancestors.iter().enumerate().filter(|(n, a)| n != *a) {
                numbers[*ancestor].insert(number);
            }
        }
        Self { prefix, numbers }
    }

    /// The paths that copies of the parameter will have, if it is one of this stack.
    fn paths_of(&self, path: &str) -> Option<Vec<String>> {
        let (layer, rest) = path.strip_prefix(&self.prefix)?.split_once('.')?;
        let numbers = self.numbers.get(layer.parse::<usize>().ok()?)?;
        Some(numbers.iter().map(|number| format!("{}{number}.{rest}", self.prefix)).collect())
    }
}

/// Whether the copies of every layer will be trained at the rate of their source.
///
/// # Errors
///
/// For groups of the learning rate that tell them apart.
pub(crate) fn check_rates<M: Module>(
    lr: &ModuleLearningRate,
    model: &M,
    stacks: &[StackCopies],
) -> Result<(), String> {
    if stacks.iter().all(|stack| stack.numbers.iter().all(BTreeSet::is_empty)) {
        return Ok(());
    }
    for ParamInfo { path, id, .. } in ParamInfo::all(model).into_iter().filter(|p| p.trained) {
        let Some(copies) = stacks.iter().find_map(|stack| stack.paths_of(&path)) else { continue };
        let rate = lr.lr_from_param(id, Some(&path));
        let copied = ParamId::from(mix(id.val(), 1));
        let is_other = |path: &String| lr.lr_from_param(copied, Some(path)) != rate;
        let what = match copies.into_iter().find(is_other) {
            _ if is_other(&path) => format!(
                "names `{path}` by its id: copies of it will have other ids and be treated in another way"
            ),
            Some(copy) => format!(
                "names layers by number: it treats `{copy}`, which will be a copy of `{path}`, in another way"
            ),
            None => continue,
        };
        return Err(format!(
            "a parameter group of the learning rate {what}; name a part of the path that all layers share"
        ));
    }
    Ok(())
}
