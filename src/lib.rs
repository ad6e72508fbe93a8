#![deny(missing_docs)]
#![forbid(unsafe_code)]
//! Progressive depth training for any [Burn](https://burn.dev) model.
//!
//! A model begins with few *unique* layers, runs every training step at a sampled *virtual depth* by
//! sharing their weights, and grows in stages until it is the full model. The method is Apollo (Pan, Yuan
//! et al., "Preparing Lessons for Progressive Training on Language Models", AAAI 2024, arXiv 2401.09192);
//! its relatives are configurations of the same traits.
//!
//! | idea | what it is | where |
//! |---|---|---|
//! | growable stack | a [`LayerStack`] in the place of a `Vec` of layers; [`Growable`] says which stacks a model has | [`stack`] |
//! | depth sampling | a [`DepthSampler`] gives the distribution of each step's virtual depth | [`depth`] |
//! | shared weights | a step at a greater depth runs layers several times over; who shares what, the registry says | [`stack`], [`registry`] |
//! | expansion | an [`Expander`] maps layers to their copies when a [`GrowthPolicy`] lets the model grow | [`expand`], [`policy`] |
//!
//! A [`Plan`] puts them together for a run, a [`Recipe`] is a published plan by its name, and [`Apollo`] is the model that
//! trains by one.
//!
//! # Adoption
//!
//! Three edits to a model and its training:
//!
//! 1. `blocks: Vec<Block>` becomes `blocks: LayerStack<Block>`; `for block in &self.blocks` stays.
//! 2. [`growable!`] names the stacks.
//! 3. `Apollo::new(model, plan)` takes the model. A hand-written loop calls [`Apollo::update`] where it called the
//!    optimizer's `step`, and gets a [`StepReport`](apollo::StepReport) or an error; in burn-train a `Trainable` goes where the model went.
//!
//! [`Apollo`] shows the whole of it; the example `adopt` marks the changed lines.
//!
//! # Rooms
//!
//! | module | holds |
//! |---|---|
//! | [`depth`] | distributions of the virtual depth and the reproducible draw |
//! | [`expand`] | layer maps: interpolation, stacking, middle stacking, your own; what new layers begin as |
//! | [`schedule`] | stages as data, the learning rate over the run, at a growth and of each layer |
//! | [`policy`] | when to grow, and what a policy sees |
//! | [`plan`] | [`Plan`]: all of the above as one serialisable value |
//! | [`recipe`] | published methods by name, each a plan for any depth |
//! | [`cost`] | operations of a model by depth, of a plan before a run, of a run as it goes |
//! | [`stack`] | [`LayerStack`](stack::LayerStack), the growable drop-in for `Vec`, and [`Growable`](stack::Growable) |
//! | [`registry`] | which weights are shared and where every parameter comes from |
//! | [`optim`] | optimizer state through a growth, Burn's schedulers of a plan |
//! | [`apollo`] | [`Apollo`], the model with its plan and its position: step, depth, growth |
//! | [`branch`] | branches of a run: growths that are tried before one is adopted |
//! | [`checkpoint`] | checkpoints as whole, checked sets: exact resume |
#![cfg_attr(
    feature = "train",
    doc = "| [`data`] | shuffled batches in an order that a resumed run repeats, and their position for a checkpoint |"
)]
#![cfg_attr(
    feature = "train",
    doc = "| [`train`] | burn-train: [`Trainable`](train::Trainable), metrics, checkpoints as sets |"
)]
//! | [`contract`] | a test kit for samplers, expanders, policies and zeroed layers of your own |
//!
//! Rooms further down use those above them. The first seven know no tensor.
//!
//! # Published methods as plans
//!
//! | method | schedule | sampler | expander | moments |
//! |---|---|---|---|---|
//! | Apollo | [`paper`](schedule::Schedule::paper) | [`Lvps`](depth::Lvps) | [`Interpolation`](expand::Interpolation) | any |
//! | training from scratch | [`from_scratch`](schedule::Schedule::from_scratch) | [`ConstantLow`](depth::ConstantLow) | any | any |
//! | StackBERT (Gong 2019) | doubling stages | [`ConstantLow`](depth::ConstantLow) | [`Stacking`](expand::Stacking) | [`Reset`](optim::MomentPolicy::Reset) |
//! | G_stack (Du 2024) | [`one_hop`](schedule::Schedule::one_hop) from a quarter | [`ConstantLow`](depth::ConstantLow) | [`Stacking`](expand::Stacking) | [`Reset`](optim::MomentPolicy::Reset) |
//! | zero/one-layer expansion (Bu 2025) | [`one_hop`](schedule::Schedule::one_hop) from 0 or 1 | [`ConstantLow`](depth::ConstantLow) | any | any |
//! | share-then-unshare (Yang 2021) | [`one_hop`](schedule::Schedule::one_hop) from 1, when the gradients of [`Untied`](stack::Untied) layers part | [`ConstantHigh`](depth::ConstantHigh) | any | any |
//! | landscape-aware growing (Karp 2024) | any; each growth the best of several [branches](Apollo::branch) | any | one per [candidate](apollo::GrowthRequest) | any |
//! | MIDAS (Saunshi 2024) | many stages | [`ConstantLow`](depth::ConstantLow) | [`MiddleStacking`](expand::MiddleStacking) | [`Copy`](optim::MomentPolicy::Copy) |
//! | Net2Net, LEMON (Wang 2024), in depth | any | [`ConstantLow`](depth::ConstantLow) | any, with [`NewLayers::zeroed`](expand::NewLayers::zeroed) | new layers start without |
//! | LLaMA-Pro (Wu 2024), all layers trained | [`one_hop`](schedule::Schedule::one_hop) | [`ConstantLow`](depth::ConstantLow) | [`Interpolation`](expand::Interpolation), with [`NewLayers::zeroed`](expand::NewLayers::zeroed) | new layers start without |
//!
//! # Kinds of models
//!
//! A layer may be any Burn module: with running statistics, dropout, adapters on frozen or quantised weights, experts,
//! stacks of its own, or an enum of several kinds, as long as copies go where their kind belongs. A model may have
//! several stacks ([`Growable`](stack::Growable)). What cannot work is refused by [`Apollo::new`](Apollo::new) with
//! an error that says what would: a trained parameter that is held in two places, a growth that would put a copy where
//! the model has another kind of layer, a precision in which Burn cannot load optimizer state. What a layer keeps from
//! call to call is up to the model: see [`LayerStack`](stack::LayerStack).
//!
//! The example `custom_policy` has share-then-unshare, landscape-aware growing and a formula as policies of a user's own.
//!
//! # Devices
//!
//! No code here names a backend: everything runs on the device of the model's parameters. The features
//! `flex` (default), `cpu`, `cuda`, `rocm`, `wgpu`, `vulkan` and `metal` switch Burn's backends on. Burn
//! loads optimizer state through `Device::default()`, which is the GPU where a GPU feature is on: set the
//! environment variable `BURN_DEVICE` (to `flex`, say) to run such a build on a machine without one.

pub mod apollo;
pub mod branch;
pub mod checkpoint;
pub mod contract;
pub mod cost;
mod custom;
#[cfg(feature = "train")]
pub mod data;
pub mod depth;
pub mod expand;
mod generator;
pub mod optim;
pub mod plan;
mod plan_error;
pub mod policy;
pub mod recipe;
pub mod registry;
pub mod schedule;
pub mod stack;
#[cfg(feature = "train")]
pub mod train;
mod wire;

pub use apollo::Apollo;
pub use depth::DepthSampler;
pub use expand::Expander;
pub use plan::Plan;
pub use policy::GrowthPolicy;
pub use recipe::Recipe;
pub use stack::{Growable, LayerStack};
