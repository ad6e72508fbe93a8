//! The shared-weight registry: which unique layer each virtual layer uses, and the lineage of every
//! parameter.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::expand::{LayerMap, NewLayers};
use crate::stack::{Stack, zeroed};
use crate::wire::ParamInfo;

/// Which weights a model shares, and where they come from. Prints as a table; serialises.
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::Device};
/// # use burn_apollo::{Apollo, Plan, growable, schedule::Schedule, stack::LayerStack};
/// # #[derive(Module, Debug)]
/// # struct Mlp { blocks: LayerStack<Linear> }
/// # growable!(Mlp { blocks });
/// # let device = Device::default().autodiff();
/// # let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
/// let plan = Plan::new(100).with_schedule(Schedule::one_hop(&[2], &[4], 0.5));
/// let mut apollo = Apollo::new(mlp, plan)?;
/// apollo.set_depth(3)?;
/// let registry = apollo.registry();
/// assert_eq!(registry.stacks[0].order, [0, 0, 1]);
/// println!("{registry}");
/// # Ok::<(), burn_apollo::apollo::ApolloError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Registry {
    /// One entry per layer stack, in the model's order.
    pub stacks: Vec<StackEntry>,
}

/// One layer stack of a [`Registry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StackEntry {
    /// Depth of the full model.
    pub target_depth: usize,
    /// The unique layer of each virtual layer, as the stack runs now.
    pub order: Vec<usize>,
    /// The unique layers.
    pub layers: Vec<LayerEntry>,
}

/// One unique layer of a [`Registry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LayerEntry {
    /// The stage from which on the layer exists under its ids.
    pub stage: usize,
    /// The unique layer, by its place now, that it was copied from; none for a layer that is no copy.
    pub copied_from: Option<usize>,
    /// The layer's parameters.
    pub params: Vec<ParamEntry>,
}

/// One parameter of a [`Registry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ParamEntry {
    /// Module path within the layer.
    pub path: String,
    /// Parameter id, in decimal as in Burn's optimizer records.
    pub id: String,
    /// Id of the parameter it was copied from.
    pub parent: Option<String>,
    /// Whether it began as zero, by [`NewLayers`].
    pub zeroed: bool,
}

/// What a growth made of a stack.
pub(crate) struct StackHistory {
    /// The stage that began.
    pub(crate) stage: usize,
    /// Unique layers from then on.
    pub(crate) layers: usize,
    /// The source of each layer; none for layers without source.
    pub(crate) map: Option<LayerMap>,
}

/// A layer through the growths: it keeps its identity as a first copy and gets a new one otherwise.
#[derive(Clone, Copy)]
struct Lineage {
    identity: usize,
    stage: usize,
    parent: Option<usize>,
}

impl Registry {
    /// From the stacks as they are and the growths of each.
    pub(crate) fn new(
        stacks: &[&dyn Stack],
        history: &[Vec<StackHistory>],
        new_layers: &NewLayers,
    ) -> Self {
        let entries = stacks.iter().zip(history).map(|(stack, growths)| StackEntry {
            target_depth: stack.target_depth(),
            order: stack.order().to_vec(),
            layers: layer_entries(&stack.params(), growths, new_layers),
        });
        Self { stacks: entries.collect() }
    }
}

/// How many growths ago each of a stack's `layers` was made.
pub(crate) fn ages(layers: usize, growths: &[StackHistory]) -> Vec<usize> {
    let later = |stage: usize| growths.iter().filter(|growth| growth.stage > stage).count();
    lineage(layers, growths).iter().map(|layer| later(layer.stage)).collect()
}

fn layer_entries(
    params: &[Vec<ParamInfo>],
    growths: &[StackHistory],
    new_layers: &NewLayers,
) -> Vec<LayerEntry> {
    let lineage = lineage(params.len(), growths);
    let place = |identity: usize| lineage.iter().position(|l| l.identity == identity);
    lineage
        .iter()
        .zip(params)
        .map(|(layer, own)| {
            let copied_from = layer.parent.and_then(place);
            let source = copied_from.map(|p| params[p].as_slice()).unwrap_or_default();
            let zero = match layer.stage {
                0 => vec![false; own.len()],
                _ => zeroed(own, new_layers),
            };
            let entry = |(i, (param, zeroed)): (usize, (&ParamInfo, bool))| ParamEntry {
                path: param.path.clone(),
                id: param.id.val().to_string(),
                parent: source.get(i).filter(|_| !zeroed).map(|p| p.id.val().to_string()),
                zeroed,
            };
            let params = own.iter().zip(zero).enumerate().map(entry).collect();
            LayerEntry { stage: layer.stage, copied_from, params }
        })
        .collect()
}

fn lineage(layers_now: usize, growths: &[StackHistory]) -> Vec<Lineage> {
    let originals = |count: usize, stage: usize| -> Vec<Lineage> {
        (0..count).map(|identity| Lineage { identity, stage, parent: None }).collect()
    };
    let first = growths.first().map_or(layers_now, |g| g.map.as_ref().map_or(0, LayerMap::source));
    let mut layers = originals(first, 0);
    let mut fresh = first;
    for &StackHistory { stage, layers: count, ref map } in growths {
        let Some(map) = map else {
            layers = originals(count, stage);
            fresh = count;
            continue;
        };
        let old = layers;
        layers = Vec::with_capacity(map.target());
        for (i, &source) in map.as_slice().iter().enumerate() {
            if map.is_first_copy(i) {
                layers.push(old[source]);
            } else {
                layers.push(Lineage { identity: fresh, stage, parent: Some(old[source].identity) });
                fresh += 1;
            }
        }
    }
    layers
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, stack) in self.stacks.iter().enumerate() {
            let (unique, target) = (stack.layers.len(), stack.target_depth);
            let depth = stack.order.len();
            writeln!(f, "stack {i}: {unique} unique layers of {target}, running at depth {depth}")?;
            writeln!(f, "layer stage copied from  virtual layers           ids")?;
            for (l, layer) in stack.layers.iter().enumerate() {
                let places: Vec<String> =
                    (0..depth).filter(|v| stack.order[*v] == l).map(|v| v.to_string()).collect();
                let from = layer.copied_from.map_or("-".to_owned(), |from| from.to_string());
                let ids: Vec<String> = layer.params.iter().map(ToString::to_string).collect();
                let (stage, places, ids) = (layer.stage, places.join(" "), ids.join(", "));
                writeln!(f, "{l:>5} {stage:>5} {from:>11}  {places:<24} {ids}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ParamEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.id)?;
        match &self.parent {
            Some(parent) => write!(f, " (from {parent})"),
            None if self.zeroed => write!(f, " (zero)"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expand::{Expander, Interpolation};

    #[test]
    fn lineage_through_two_growths() {
        let growth = |stage, from, layers| {
            let map = Some(Interpolation.map(from, layers).unwrap());
            StackHistory { stage, layers, map }
        };
        let growths = [growth(1, 1, 3), growth(2, 3, 6)];
        assert_eq!(ages(6, &growths), [2, 0, 1, 0, 1, 0]);
        let layers = lineage(6, &growths);
        let parents: Vec<Option<usize>> = layers
            .iter()
            .map(|l| l.parent.and_then(|p| layers.iter().position(|o| o.identity == p)))
            .collect();
        // Layers 0, 2, 4 are those of stage 1, the first of them the original; each has one copy.
        assert_eq!(parents, [None, Some(0), Some(0), Some(2), Some(0), Some(4)]);
        assert_eq!(layers.iter().map(|l| l.stage).collect::<Vec<_>>(), [0, 2, 1, 2, 1, 2]);
    }

    #[test]
    fn layers_without_a_source() {
        let layers = lineage(3, &[StackHistory { stage: 1, layers: 3, map: None }]);
        assert!(layers.iter().all(|l| l.stage == 1 && l.parent.is_none()));
        assert_eq!(lineage(2, &[]).len(), 2);
    }
}
