use core::fmt;
use core::slice;
use std::sync::Arc;

use burn::module::Module;

/// A stack of layers that runs its unique layers in a virtual order: a drop-in for `Vec<L>`.
///
/// Iterating it yields layers in virtual order, each as often as the order names it. On its own, or in
/// a model without [`Apollo`](crate::Apollo), it behaves as the `Vec` did, in records too (the same
/// paths, one per unique layer). The number of layers it is built with is its target depth `L`.
///
/// In training mode it runs at the depth last set for training, after
/// [`valid`](burn::module::Module::valid) at the one last set for inference; both are the unique layers
/// at first.
///
/// A unique layer that is run in several places is one and the same layer: parameters, running statistics and all its
/// fields. What belongs to a place, a key-value cache for one, is to be kept outside, once for each virtual layer:
/// `for (block, cache) in stack.iter().zip(&mut caches)` with [`depth`](Self::depth) caches runs as a plain stack of
/// tied copies does. A growth clones fields that are no parameters, so that an `Arc` in a layer is shared by its
/// copies.
///
/// # As a `Vec`
///
/// What a forward pass does with a `Vec` means the virtual layers: [`iter`](Self::iter), [`len`](Self::len),
/// [`is_empty`](Self::is_empty), indexing, [`first`](Self::first) and [`last`](Self::last). What changes or takes layers
/// means the unique ones, each once: [`iter_mut`](Self::iter_mut), iteration by value, [`layers`](Self::layers).
///
/// Burn's layers initialise lazily: a stack that is built with `L` layers and shortened before they are
/// used costs the memory of the layers that stay.
///
/// ```
/// use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::{Device, Tensor}};
/// use burn_apollo::stack::LayerStack;
///
/// #[derive(Module, Debug)]
/// struct Mlp {
///     blocks: LayerStack<Linear>,
/// }
///
/// impl Mlp {
///     fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
///         for block in &self.blocks {
///             x = block.forward(x);
///         }
///         x
///     }
/// }
///
/// let device = Device::default();
/// let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
/// assert_eq!(mlp.blocks.depth(), 4);
/// assert_eq!(mlp.forward(Tensor::zeros([2, 8], &device)).dims(), [2, 8]);
/// ```
#[derive(Clone)]
pub struct LayerStack<L> {
    pub(super) layers: Vec<L>,
    pub(super) target: usize,
    pub(super) training: Arc<[usize]>,
    pub(super) inference: Arc<[usize]>,
    pub(super) in_training: bool,
    pub(super) initialiser: Option<Initialiser<L>>,
}

/// Makes the layer of the given index.
pub(super) type Initialiser<L> = Arc<dyn Fn(usize) -> L + Send + Sync>;

impl<L> LayerStack<L> {
    /// A stack of `target` layers made by `layer`, which also makes the new layers of a growth from no
    /// layers at all. There the device's random generator is seeded first, from the run's seed.
    pub fn from_fn(target: usize, layer: impl Fn(usize) -> L + Send + Sync + 'static) -> Self {
        let mut stack: Self = (0..target).map(&layer).collect();
        stack.initialiser = Some(Arc::new(layer));
        stack
    }

    /// Layers in virtual order.
    pub fn iter(&self) -> Layers<'_, L> {
        Layers { layers: &self.layers, order: self.order().iter() }
    }

    /// The depth at which the stack runs now.
    pub fn depth(&self) -> usize {
        self.order().len()
    }

    /// The number of virtual layers, as [`depth`](Self::depth): what `len` of the `Vec` was to the forward pass.
    pub fn len(&self) -> usize {
        self.depth()
    }

    /// Whether the stack runs no layer now.
    pub fn is_empty(&self) -> bool {
        self.order().is_empty()
    }

    /// The virtual layer of a place, if there is one.
    pub fn get(&self, place: usize) -> Option<&L> {
        self.order().get(place).and_then(|unique| self.layers.get(*unique))
    }

    /// The first virtual layer.
    pub fn first(&self) -> Option<&L> {
        self.get(0)
    }

    /// The last virtual layer.
    pub fn last(&self) -> Option<&L> {
        self.depth().checked_sub(1).and_then(|place| self.get(place))
    }

    /// The unique layers, each once, to change them in place.
    pub fn iter_mut(&mut self) -> slice::IterMut<'_, L> {
        self.layers.iter_mut()
    }

    /// The unique layer of each virtual layer, in the order in which the stack runs now.
    pub fn order(&self) -> &[usize] {
        match self.in_training {
            true => &self.training,
            false => &self.inference,
        }
    }

    /// The unique layers, each once.
    pub fn layers(&self) -> &[L] {
        &self.layers
    }

    /// The unique layers, each once, to change them in place.
    pub fn layers_mut(&mut self) -> &mut [L] {
        &mut self.layers
    }

    /// The depth `L` of the full model.
    pub fn target_depth(&self) -> usize {
        self.target
    }

    /// Other layers, each run once.
    pub(super) fn replace(&mut self, layers: Vec<L>) {
        self.layers = layers;
        self.run_unique();
    }

    pub(super) fn run_unique(&mut self) {
        self.training = (0..self.layers.len()).collect();
        self.inference = self.training.clone();
    }
}

impl<L> FromIterator<L> for LayerStack<L> {
    fn from_iter<I: IntoIterator<Item = L>>(layers: I) -> Self {
        Self::from(Vec::from_iter(layers))
    }
}

impl<L> From<Vec<L>> for LayerStack<L> {
    fn from(layers: Vec<L>) -> Self {
        let order: Arc<[usize]> = (0..layers.len()).collect();
        Self {
            target: layers.len(),
            layers,
            training: order.clone(),
            inference: order,
            in_training: true,
            initialiser: None,
        }
    }
}

impl<'a, L> IntoIterator for &'a LayerStack<L> {
    type Item = &'a L;
    type IntoIter = Layers<'a, L>;

    fn into_iter(self) -> Layers<'a, L> {
        self.iter()
    }
}

impl<'a, L> IntoIterator for &'a mut LayerStack<L> {
    type Item = &'a mut L;
    type IntoIter = slice::IterMut<'a, L>;

    fn into_iter(self) -> slice::IterMut<'a, L> {
        self.iter_mut()
    }
}

/// The unique layers, each once.
impl<L> IntoIterator for LayerStack<L> {
    type Item = L;
    type IntoIter = std::vec::IntoIter<L>;

    fn into_iter(self) -> std::vec::IntoIter<L> {
        self.layers.into_iter()
    }
}

/// The virtual layer of a place.
///
/// # Panics
///
/// As a `Vec` does, where there is none.
impl<L> core::ops::Index<usize> for LayerStack<L> {
    type Output = L;

    fn index(&self, place: usize) -> &L {
        &self.layers[self.order()[place]]
    }
}

impl<L: Module> fmt::Debug for LayerStack<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerStack")
            .field("layers", &self.layers)
            .field("target", &self.target)
            .field("order", &self.order())
            .finish()
    }
}

/// Layers of a [`LayerStack`] in virtual order.
#[derive(Debug, Clone)]
pub struct Layers<'a, L> {
    layers: &'a [L],
    order: slice::Iter<'a, usize>,
}

impl<'a, L> Iterator for Layers<'a, L> {
    type Item = &'a L;

    fn next(&mut self) -> Option<&'a L> {
        self.order.next().and_then(|i| self.layers.get(*i))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.order.size_hint()
    }
}

impl<L> DoubleEndedIterator for Layers<'_, L> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.order.next_back().and_then(|i| self.layers.get(*i))
    }
}

impl<L> ExactSizeIterator for Layers<'_, L> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_a_vec_of_virtual_layers_and_changes_as_one_of_unique_layers() {
        let mut stack = LayerStack::from(vec!['a', 'b', 'c']);
        stack.training = [0, 0, 1, 2, 2].into();
        assert_eq!((stack.len(), stack.is_empty()), (5, false));
        assert_eq!((stack.first(), stack.last(), stack.get(5)), (Some(&'a'), Some(&'c'), None));
        assert_eq!((0..5).map(|i| stack[i]).collect::<String>(), "aabcc");
        assert_eq!(stack.iter().rev().collect::<String>(), "ccbaa");
        for layer in &mut stack {
            layer.make_ascii_uppercase();
        }
        assert_eq!(stack.iter().collect::<String>(), "AABCC");
        assert_eq!(stack.into_iter().collect::<String>(), "ABC");
        let empty = LayerStack::<char>::from(vec![]);
        assert_eq!(
            (empty.len(), empty.is_empty(), empty.first(), empty.last()),
            (0, true, None, None)
        );
    }
}
