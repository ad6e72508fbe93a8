use burn::module::Module;

use super::LayerStack;
use super::sealed::{Key, Stack};

/// A model whose depth can grow: it names its layer stacks.
///
/// # Contract
///
/// [`stacks`](Self::stacks) and [`stacks_mut`](Self::stacks_mut) name every stack that takes part in the growth, the
/// same ones and always in the same order: schedules, depth draws and saved runs know a stack by its place. A stack
/// that is left out stays as it was built. [`growable!`](crate::growable) writes both for a model whose stacks are
/// fields.
///
/// A model may name any number of stacks, those in a `Vec<LayerStack<L>>` for one. A layer may itself hold a stack.
/// Either the outer stack grows, and copies of its layers hold copies of the inner stacks, whole and with parameter
/// ids of their own; or the inner stacks are named, one by one, and the outer one stays as it was built. Both at once
/// cannot be named: Rust lends a layer out once, and a model whose number of stacks changes in a run is refused.
///
/// # Layers of several kinds
///
/// Layer `i` of a growing stack must always be a layer like the one that the model was built with in place `i`: of
/// the same parameters, by path, shape and type. A model whose kinds take turns grows by
/// [`Stacking`](crate::expand::Stacking) from whole turns; other maps are refused.
///
/// # Shared parameters
///
/// A parameter that is trained must be held in one place. Burn's optimizers update the first holder of an id alone, so
/// clones of a parameter part at the first step; where a stack is involved, they are refused. Tie weights by passing the one parameter along in the forward pass: `x.matmul(embedding.weight.val().transpose())`.
/// Frozen parameters may be clones of each other.
///
/// # Example
///
/// ```
/// use burn::{module::Module, nn::Linear};
/// use burn_apollo::{growable, stack::{Growable, GrowableStack, LayerStack}};
///
/// #[derive(Module, Debug)]
/// struct Translator {
///     encoder: LayerStack<Linear>,
///     decoder: LayerStack<Linear>,
/// }
///
/// growable!(Translator { encoder, decoder });
///
/// /// A model with as many stacks as it is built with names them by hand.
/// #[derive(Module, Debug)]
/// struct Pyramid {
///     levels: Vec<LayerStack<Linear>>,
/// }
///
/// impl Growable for Pyramid {
///     fn stacks(&self) -> Vec<&dyn GrowableStack> {
///         self.levels.iter().map(|level| level as _).collect()
///     }
///
///     fn stacks_mut(&mut self) -> Vec<&mut dyn GrowableStack> {
///         self.levels.iter_mut().map(|level| level as _).collect()
///     }
/// }
/// ```
pub trait Growable: Module {
    /// The model's layer stacks.
    fn stacks(&self) -> Vec<&dyn GrowableStack>;

    /// The same stacks, to change them.
    fn stacks_mut(&mut self) -> Vec<&mut dyn GrowableStack>;
}

/// Implements [`Growable`](crate::stack::Growable) for a model whose layer stacks are fields of its own or of its
/// parts.
///
/// ```
/// use burn::{module::{Module, ModuleDisplay}, nn::Linear};
/// use burn_apollo::{growable, stack::LayerStack};
///
/// #[derive(Module, Debug)]
/// struct Encoder {
///     blocks: LayerStack<Linear>,
/// }
///
/// #[derive(Module, Debug)]
/// struct Net {
///     encoder: Encoder,
///     decoder: LayerStack<Linear>,
/// }
///
/// growable!(Net { encoder.blocks, decoder });
///
/// /// A generic model, whose bounds are traits in scope.
/// #[derive(Module, Debug)]
/// struct Stacked<B: Module + ModuleDisplay> {
///     blocks: LayerStack<B>,
/// }
///
/// growable!(impl<B: Module + ModuleDisplay> Stacked<B> { blocks });
/// ```
#[macro_export]
macro_rules! growable {
    (
        impl<$($param:ident $(: $bound:ident $(+ $more:ident)*)?),+ $(,)?>
        $model:ty { $($($field:ident).+),+ $(,)? }
    ) => {
        $crate::growable!(@ [$($param $(: $bound $(+ $more)*)?),+] $model { $($($field).+),+ });
    };
    (@ [$($generics:tt)*] $model:ty { $($($field:ident).+),+ }) => {
        impl<$($generics)*> $crate::stack::Growable for $model {
            fn stacks(&self) -> ::std::vec::Vec<&dyn $crate::stack::GrowableStack> {
                ::std::vec![$(&self.$($field).+),+]
            }

            fn stacks_mut(&mut self) -> ::std::vec::Vec<&mut dyn $crate::stack::GrowableStack> {
                ::std::vec![$(&mut self.$($field).+),+]
            }
        }
    };
    ($model:ty { $($($field:ident).+),+ $(,)? }) => {
        $crate::growable!(@ [] $model { $($($field).+),+ });
    };
}

/// A [`LayerStack`] of any layer type, as [`Apollo`](crate::Apollo) sees it.
///
/// Implemented by [`LayerStack`] alone.
///
/// ```
/// use burn::{nn::{Linear, LinearConfig}, tensor::Device};
/// use burn_apollo::stack::{GrowableStack, LayerStack};
///
/// let device = Device::default();
/// let stack: LayerStack<Linear> = (0..6).map(|_| LinearConfig::new(4, 4).init(&device)).collect();
/// let stack: &dyn GrowableStack = &stack;
/// assert_eq!((stack.unique_layers(), stack.target_depth(), stack.order().len()), (6, 6, 6));
/// ```
pub trait GrowableStack {
    /// The number of unique layers now.
    fn unique_layers(&self) -> usize;

    /// The depth `L` of the full model.
    fn target_depth(&self) -> usize;

    /// The unique layer of each virtual layer, in the order in which the stack runs now.
    fn order(&self) -> &[usize];

    /// Parameters (numbers, not tensors) of a unique layer, on average; 0 without layers.
    fn layer_params(&self) -> usize;

    #[doc(hidden)]
    fn inner(&self, key: Key) -> &dyn Stack;

    #[doc(hidden)]
    fn inner_mut(&mut self, key: Key) -> &mut dyn Stack;
}

impl<L: Module> GrowableStack for LayerStack<L> {
    fn unique_layers(&self) -> usize {
        self.layers().len()
    }

    fn target_depth(&self) -> usize {
        LayerStack::target_depth(self)
    }

    fn order(&self) -> &[usize] {
        LayerStack::order(self)
    }

    fn layer_params(&self) -> usize {
        let all: usize = self.layers().iter().map(Module::num_params).sum();
        all.checked_div(self.layers().len()).unwrap_or(0)
    }

    fn inner(&self, _key: Key) -> &dyn Stack {
        self
    }

    fn inner_mut(&mut self, _key: Key) -> &mut dyn Stack {
        self
    }
}
