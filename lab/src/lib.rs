//! What people do around [`burn_apollo`]: a task, a run of it that resumes bit for bit, and the folder that it writes.
//!
//! A [`Task`] is a model, its data, its loss and its validation. A [`Training`] trains it by a [`RunConfig`], or goes on
//! where the run in a folder stands: every row of its tables and every bit of its model are then those of a run that
//! nothing happened to. There is no command line here and no model.
//!
//! # A task of one's own
//!
//! A residual network of eight layers learns the sum of its inputs, in 40 steps that begin with two of them. The run is
//! stopped once and goes on:
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Distribution, Tensor};
//! use burn_apollo::{Plan, growable, schedule::Schedule, stack::LayerStack};
//! use burn_apollo_lab::{End, Existing, Options, Result, RunConfig, Score, Task, Training};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Module, Debug)]
//! struct Net {
//!     blocks: LayerStack<Linear>,
//! }
//!
//! growable!(Net { blocks });
//!
//! /// What the run is made of beside its plan; `config.json` holds it.
//! #[derive(Clone, PartialEq, Serialize, Deserialize)]
//! struct Sums {
//!     width: usize,
//! }
//!
//! impl Sums {
//!     fn error(&self, net: &Net, x: Tensor<2>) -> Tensor<1> {
//!         let sums = x.clone().sum_dim(1);
//!         let forward = |x: Tensor<2>, block: &Linear| x.clone() + block.forward(x).tanh();
//!         (net.blocks.iter().fold(x, forward).sum_dim(1) - sums.mul_scalar(2.0)).powi_scalar(2).mean()
//!     }
//! }
//!
//! impl Task for Sums {
//!     type Model = Net;
//!     type Batch = Tensor<2>;
//!
//!     fn model(&self, device: &Device) -> Result<Net> {
//!         let (width, on) = (self.width, device.clone());
//!         let layer = move |_| LinearConfig::new(width, width).init(&on);
//!         Ok(Net { blocks: LayerStack::from_fn(8, layer) })
//!     }
//!
//!     /// A function of the number alone: that is what makes a resume exact.
//!     fn batch(&self, number: u64, device: &Device) -> Result<Tensor<2>> {
//!         let values = (0..16 * self.width).map(|i| ((number as usize * 31 + i * 7) as f32).sin());
//!         let values: Vec<f32> = values.collect();
//!         Ok(Tensor::<1>::from_floats(values.as_slice(), device).reshape([16, self.width]))
//!     }
//!
//!     fn items(&self, batch: &Tensor<2>) -> u64 {
//!         batch.dims()[0] as u64
//!     }
//!
//!     fn loss(&self, net: &Net, batch: Tensor<2>) -> Tensor<1> {
//!         self.error(net, batch)
//!     }
//!
//!     fn validate(&self, net: &Net, device: &Device) -> Result<Score> {
//!         let x = self.batch(u64::MAX >> 32, device)?;
//!         Ok(Score { loss: self.error(net, x).try_into_scalar()?, accuracy: None })
//!     }
//! }
//!
//! # let dir = tempfile::tempdir()?;
//! # let folder = dir.path().join("sums");
//! let sums = Sums { width: 4 };
//! // Two layers for the first half of the run, then all eight.
//! let plan = Plan::new(40).with_schedule(Schedule::one_hop(&[2], &[8], 0.5));
//! let config = RunConfig { lr: 0.003, ..RunConfig::new(sums.clone(), plan) };
//! let mut options = Options::new(&folder, Device::flex());
//! options.existing = Existing::Resume;
//!
//! options.stop_after = Some(15);
//! assert_eq!(Training::new(sums.clone(), config.clone()).run(&options)?, End::Stopped { step: 15 });
//! options.stop_after = None;
//! assert_eq!(Training::new(sums, config).run(&options)?, End::Finished);
//!
//! let steps = std::fs::read_to_string(folder.join("steps.csv"))?;
//! assert_eq!(steps.lines().count(), 1 + 40);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a program does with it
//!
//! Errors are [`LabError`]: [`is_usage`](LabError::is_usage) tells what the user gave and cannot be used from a run that
//! failed. An [`End`] is no error, also where a signal brought it about.
//!
//! A run writes its folder and prints nothing: what is to be shown or logged is an [`Observer`]'s, such as [`Progress`] on a
//! terminal and [`TensorBoard`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod config;
pub mod cost;
mod error;
pub mod folder;
mod forecast;
mod observer;
pub mod results;
mod run;
pub mod study;
mod task;
mod terminal;

pub use config::{OnNotFinite, OptimConfig, OptimizerKind, Options, RunConfig};
pub use error::{LabError, Result, RollBack};
pub use folder::{Existing, RunFolder, Table, TensorBoard};
pub use forecast::{Forecast, forecast};
pub use observer::{Observer, Start, StudyObserver};
pub use run::{Branch, End, Gradients, MicroStep, Run, Step, Training};
pub use task::{Baseline, Measure, Measures, Score, Task};
pub use terminal::{Progress, Signal, Signals, StudyProgress, printable};
