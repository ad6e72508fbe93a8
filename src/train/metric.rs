//! Metrics for burn-train: the virtual depth and the unique layers of every training step.

use core::fmt;
use std::sync::Arc;

use burn::tensor::TensorReadError;
use burn::train::metric::state::{FormatOptions, NumericMetricState};
use burn::train::metric::{
    Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};

use super::Trainable;
use super::monitor::{StepInfo, StepLog, lock};
use crate::stack::Growable;

/// What a [`Trainable`] ran its training steps at, as a metric of burn-train.
///
/// Register it with `metric_train_numeric`: it sees training steps alone. burn-train computes metrics
/// behind the training, so the metric reads a log of its own, in order. burn-train's own learning-rate metric
/// shows the scheduler's rate, without the plan's factor ([`Apollo::lr_factor`](crate::Apollo::lr_factor)).
///
/// ```
/// # use burn::{module::Module, nn::{Linear, LinearConfig}, tensor::Device};
/// # use burn::train::Interrupter;
/// # use burn_apollo::{Apollo, Plan, growable, stack::LayerStack};
/// # use burn_apollo::train::{StepMetric, Trainable};
/// # #[derive(Module, Debug)]
/// # struct Mlp { blocks: LayerStack<Linear> }
/// # growable!(Mlp { blocks });
/// # let device = Device::default().autodiff();
/// # let mlp = Mlp { blocks: (0..4).map(|_| LinearConfig::new(8, 8).init(&device)).collect() };
/// # let interrupter = Interrupter::new();
/// let model = Trainable::new(Apollo::new(mlp, Plan::new(100))?, interrupter);
/// let metrics = [StepMetric::virtual_depth(&model), StepMetric::unique_layers(&model)];
/// // training.metric_train_numeric(metrics[0].clone())…
/// # Ok::<(), burn_apollo::apollo::ApolloError>(())
/// ```
#[derive(Clone)]
pub struct StepMetric {
    name: MetricName,
    unit: Option<&'static str>,
    log: Arc<StepLog>,
    read: fn(&StepInfo) -> f64,
    state: NumericMetricState,
}

/// The unit of depths.
const LAYERS: Option<&str> = Some("layers");

impl StepMetric {
    /// The virtual depth, over all stacks.
    pub fn virtual_depth<M: Growable>(model: &Trainable<M>) -> Self {
        Self::new("Virtual Depth", model, LAYERS, |step| step.depth as f64)
    }

    /// The unique layers, over all stacks.
    pub fn unique_layers<M: Growable>(model: &Trainable<M>) -> Self {
        Self::new("Unique Layers", model, LAYERS, |step| step.unique_layers as f64)
    }

    /// The plan's factor on the learning rate.
    pub fn lr_factor<M: Growable>(model: &Trainable<M>) -> Self {
        Self::new("Learning Rate Factor", model, None, |step| step.lr_factor)
    }

    fn new<M: Growable>(
        name: &str,
        model: &Trainable<M>,
        unit: Option<&'static str>,
        read: fn(&StepInfo) -> f64,
    ) -> Self {
        let (name, state) = (Arc::new(name.to_owned()), NumericMetricState::new());
        Self { name, unit, log: model.monitor.subscribe(), read, state }
    }

    fn format(&self) -> FormatOptions {
        FormatOptions::new(self.name.clone()).precision(2)
    }
}

impl Metric for StepMetric {
    type Input = ();

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes { unit: self.unit.map(str::to_owned), higher_is_better: true }.into()
    }

    fn update(
        &mut self,
        _item: &(),
        _metadata: &MetricMetadata,
    ) -> Result<SerializedEntry, TensorReadError> {
        let step = lock(&self.log).pop_front();
        match step {
            Some(step) => {
                self.state.update((self.read)(&step), 1);
                Ok(self.state.compute_update(self.format()))
            }
            None => Ok(SerializedEntry::not_available(self.unit)),
        }
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.state.compute_final(self.format()))
    }

    fn clear(&mut self) {
        self.state.reset();
    }
}

impl Numeric for StepMetric {
    fn value(&self) -> Option<NumericEntry> {
        Some(self.state.current_value())
    }

    fn running_value(&self) -> Option<NumericEntry> {
        Some(self.state.running_value())
    }

    fn final_value(&self) -> NumericEntry {
        self.state.final_value()
    }
}

impl fmt::Debug for StepMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepMetric").field("name", &self.name).finish_non_exhaustive()
    }
}
