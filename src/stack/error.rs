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
    /// A model names another number of stacks than when the run was set up.
    #[error("the model's `Growable::stacks` named {before} stacks at first and names {now} now")]
    StacksChanged {
        /// Stacks named when the run was set up.
        before: usize,
        /// Stacks named now.
        now: usize,
    },
    /// A stack was built without layers.
    #[error("stack {stack} was built without layers: its target depth would be 0")]
    Empty {
        /// Place of the stack in its model.
        stack: usize,
    },
    /// A growth would copy a layer to a place where the model was built with another kind of layer.
    #[error(
        "layer {layer} of stack {stack} would be a copy of layer {source_layer}, but was built with {built} where \
         that has {copied}: choose a layer map that puts copies where their kind belongs (stacking, for a \
         repeating pattern), let the whole pattern be one layer, or use one stack for each kind"
    )]
    Unlike {
        /// Place of the stack in its model.
        stack: usize,
        /// The layer of the grown stack.
        layer: usize,
        /// The layer it would be a copy of.
        source_layer: usize,
        /// The first parameter that differs, as built.
        built: String,
        /// The first parameter that differs, as copied.
        copied: String,
    },
    /// Two parameters that are trained have one id.
    ///
    /// Burn's optimizers update the first of them and leave the others as they were, so they are not tied; and a
    /// growth could not tell them apart.
    #[error(
        "`{first}` and `{second}` are one parameter by id, and Burn would train only the first: hold it in one \
         place and pass it to the other's forward pass, or give the other an id of its own"
    )]
    Tied {
        /// Path of the first parameter.
        first: String,
        /// Path of the second parameter.
        second: String,
    },
    /// A parameter to be zero in new layers that no layer has.
    #[error("`new_layers`: `{name}` is no parameter of a layer; there are {}", known.join(", "))]
    UnknownName {
        /// The name.
        name: String,
        /// Paths of the parameters that there are.
        known: Vec<String>,
    },
    /// A layer that would not begin as the identity, since no parameter of it becomes zero.
    #[error(
        "`new_layers`: none of the names is a parameter of layer {layer} of stack {stack}, so a copy of it would \
         not begin as the identity; it has {}",
        known.join(", ")
    )]
    NothingZeroed {
        /// Place of the stack in its model.
        stack: usize,
        /// The layer.
        layer: usize,
        /// Paths of the layer's parameters.
        known: Vec<String>,
    },
    /// A quantised parameter cannot be made zero.
    #[error(
        "`new_layers`: `{name}` means the quantised parameter `{param}`, which cannot be made zero: grow before \
         quantising, or leave it out and begin with copies"
    )]
    Quantised {
        /// The name.
        name: String,
        /// Path of the parameter within its layer.
        param: String,
    },
}
