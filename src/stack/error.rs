use thiserror::Error;

/// What is wrong with a change to a layer stack.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StackError {
    /// A layer map starts from another number of layers than the stack has.
    #[error("a map from {found} layers cannot be used on a stack of {unique} unique layers")]
    Map {
        /// Source layers of the map.
        found: usize,
        /// Unique layers of the stack.
        unique: usize,
    },
    /// A stack cannot be shortened to more layers than it has.
    #[error("cannot shorten a stack of {unique} unique layers to {asked}")]
    Shorten {
        /// Layers asked for.
        asked: usize,
        /// Unique layers of the stack.
        unique: usize,
    },
    /// Layers with no source were asked for, but the stack cannot make any.
    #[error(
        "stack {stack} has no initialiser for layers without a source: build it with `LayerStack::from_fn`"
    )]
    NoInitialiser {
        /// Place of the stack in its model.
        stack: usize,
    },
    /// A model names no stack.
    #[error("the model's `Growable::stacks` names no layer stack")]
    NoStack,
    /// A model names more stacks than depths can be drawn for.
    #[error("a model may name at most 65536 layer stacks, found {found}")]
    TooManyStacks {
        /// Stacks found.
        found: usize,
    },
    /// A stack was built without layers.
    #[error("stack {stack} was built without layers: its target depth would be 0")]
    Empty {
        /// Place of the stack in its model.
        stack: usize,
    },
}
