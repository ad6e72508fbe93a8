use burn::module::Param;
use burn::optim::{GradientsParams, MultiGradientsParams};
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

/// The gradients of a step, of one device or of several.
pub(crate) trait Gradients {
    fn of_devices(&mut self) -> Vec<&mut GradientsParams>;
}

impl Gradients for GradientsParams {
    fn of_devices(&mut self) -> Vec<&mut GradientsParams> {
        vec![self]
    }
}

impl Gradients for MultiGradientsParams {
    fn of_devices(&mut self) -> Vec<&mut GradientsParams> {
        self.grads.iter_mut().map(|(grads, _)| grads).collect()
    }
}

/// The path of a parameter whose gradient is not finite, if there is one.
pub(super) fn not_finite(
    model: &impl Growable,
    grads: &[&mut GradientsParams],
) -> Result<Option<String>, ApolloError> {
    let read = |finite: Tensor<1, Bool>| {
        finite.try_into_scalar::<bool>().map_err(|e| ApolloError::Device(e.to_string()))
    };
    let all = walk(model, Finite { grads, found: Vec::new() }).found;
    // One read where all is well; which gradient it is matters only when one is not.
    let finite: Vec<_> = all.iter().map(|(_, finite)| finite.clone()).collect();
    if finite.is_empty() || read(Tensor::cat(finite, 0).all())? {
        return Ok(None);
    }
    for (path, finite) in all {
        if !read(finite)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

struct Finite<'a> {
    grads: &'a [&'a mut GradientsParams],
    /// Paths, and whether each gradient is finite.
    found: Vec<(String, Tensor<1, Bool>)>,
}

impl PathVisitor for Finite<'_> {
    fn float<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) {
        for grad in self.grads.iter().filter_map(|grads| grads.get::<D>(param.id)) {
            let finite = grad.is_finite().all();
            // Gradients of several devices meet on the first one's.
            let finite = match self.found.first() {
                Some((_, first)) => finite.to_device(&first.device()),
                None => finite,
            };
            self.found.push((path.to_owned(), finite));
        }
    }
}
