//! Costs: floating-point operations of a model at a depth, of a plan before a run, and of a run as it goes.
//!
//! Only the operations of matrix products are counted, two for each multiplication with its addition, as is usual for
//! such figures (and what PyTorch's `torch.utils.flop_counter` counts). A backward pass counts twice a forward pass: each
//! product has two in the backward pass, one for each factor. No tensor is known here.
//!
//! ```
//! use burn_apollo::Plan;
//! use burn_apollo::cost::{ModelCost, PlanCost};
//!
//! // A GPT-2 of 12 layers, with 4,096 tokens a step.
//! let model = ModelCost::transformer(768, 4 * 768, 1024, 50_257);
//! let plan = Plan::new(10_000);
//! let cost = PlanCost::of(&plan, &[12], &model, 4096)?;
//! println!("{cost}");
//! // The paper's schedule and sampler spend 86.4 % of the layers' operations of training from scratch.
//! let layers_alone = PlanCost::of(&plan, &[12], &ModelCost::of_layer(1.0, 0.0), 1)?;
//! assert!((layers_alone.share() - 0.864).abs() < 5e-4);
//! # Ok::<(), burn_apollo::plan::PlanError>(())
//! ```

mod meter;
mod model;
mod plan;

pub use meter::Meter;
pub use model::ModelCost;
pub use plan::{PlanCost, StageCost};
