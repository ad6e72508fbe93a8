use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

use super::ApolloError;

/// What to do with a step whose gradients hold a NaN or an infinity.
///
/// The check reads one value from the device at every step, so the host waits for the step to end; on a GPU that may
/// cost some speed. Whatever is chosen here, a [`checkpoint`](crate::checkpoint) never replaces good weights by ones
/// that are not finite.
///
/// ```
/// use burn_apollo::{ApolloConfig, NotFinite};
///
/// let config = ApolloConfig::new(1000).with_not_finite(NotFinite::Stop);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotFinite {
    /// Do not look. The default.
    #[default]
    Ignore,
    /// Count the step, but leave parameters and optimizer as they are; [`Apollo::skipped`](crate::Apollo::skipped)
    /// says so. The next step has other data, another depth and another rate.
    Skip,
    /// Leave everything as it is, the step's number too, and take no further step: a hand-written loop sees the error of
    /// [`Apollo::growth`](crate::Apollo::growth), burn-train stops if it has the model's
    /// interrupter (`Apollo::with_interrupter`). The loop may then load the last good checkpoint and go on from
    /// there with other data.
    Stop,
}

/// The path of a parameter whose gradient is not finite, if there is one.
pub(super) fn not_finite<'a>(
    model: &impl Module,
    grads: impl IntoIterator<Item = &'a GradientsParams>,
) -> Result<Option<String>, ApolloError> {
    let mut all = Gradients::default();
    for grads in grads {
        model.visit(&mut OfModel { grads, path: Vec::new(), all: &mut all });
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
    path: Vec<String>,
    all: &'a mut Gradients,
}

impl ModuleVisitor for OfModel<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let finite = grad.is_finite().all();
            // Gradients of several devices meet on the first one's.
            let finite = match self.all.finite.first() {
                Some(first) => finite.to_device(&first.device()),
                None => finite,
            };
            self.all.finite.push(finite);
            self.all.paths.push(self.path.join("."));
        }
    }
}
