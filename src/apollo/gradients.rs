use burn::module::Param;
use burn::optim::GradientsParams;
use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

use super::ApolloError;
use crate::stack::Growable;
use crate::wire::{PathVisitor, walk};

/// What to do with a step whose gradients hold a NaN or an infinity.
///
/// The check reads one value from the device at every step, so the host waits for the step to end; on a GPU that may
/// cost some speed. Whatever is chosen here, a [`checkpoint`](crate::checkpoint) never replaces good weights by ones
/// that are not finite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NonFiniteGradients {
    /// Do not look. The default.
    #[default]
    Allow,
    /// Count the step, but leave parameters and optimizer as they are; the [`StepReport`](super::StepReport) says so. The
    /// next step has other data, another depth and another rate.
    Skip {
        /// So many steps in a row may be skipped; the next is [`ApolloError::Skipped`], for a model that has gone bad
        /// would skip every step to the end.
        in_a_row: u32,
    },
    /// [`ApolloError::Gradient`]: everything stays as it is, the step's number too. The loop may try other data, or load
    /// the last good checkpoint and go on from there.
    Error,
}

/// The path of a parameter whose gradient is not finite, if there is one.
pub(super) fn not_finite<'a>(
    model: &impl Growable,
    grads: impl IntoIterator<Item = &'a GradientsParams>,
) -> Result<Option<String>, ApolloError> {
    let mut all = Gradients::default();
    for grads in grads {
        all = walk(model, OfModel { grads, all }).all;
    }
    let device_error = |e: burn::tensor::TensorReadError| ApolloError::Device(e.to_string());
    if all.finite.is_empty() {
        return Ok(None);
    }
    // One read where all is well; which gradient it is matters only when one is not.
    let together = Tensor::cat(all.finite.clone(), 0).all();
    if together.try_into_scalar::<bool>().map_err(device_error)? {
        return Ok(None);
    }
    for (path, finite) in all.paths.into_iter().zip(all.finite) {
        if !finite.try_into_scalar::<bool>().map_err(device_error)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[derive(Default)]
struct Gradients {
    paths: Vec<String>,
    /// Whether each gradient is finite, `[1]`.
    finite: Vec<Tensor<1, Bool>>,
}

struct OfModel<'a> {
    grads: &'a GradientsParams,
    all: Gradients,
}

impl PathVisitor for OfModel<'_> {
    fn float<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let finite = grad.is_finite().all();
            // Gradients of several devices meet on the first one's.
            let finite = match self.all.finite.first() {
                Some(first) => finite.to_device(&first.device()),
                None => finite,
            };
            self.all.finite.push(finite);
            self.all.paths.push(path.to_owned());
        }
    }
}
