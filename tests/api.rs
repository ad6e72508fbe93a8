//! What users may expect of the types: threads, `{:?}`, errors.

mod support;

use std::error::Error;
use std::fmt::Debug;

use burn_apollo::branch::Branch;
use burn_apollo::checkpoint::{
    CheckpointError, CheckpointSet, CheckpointStore, FoundSet, Retention, SaveReport, Snapshot,
};
use burn_apollo::cost::{Meter, ModelCost, PlanCost};
use burn_apollo::data::{BatchStream, DataPosition, ShuffledLoader};
use burn_apollo::depth::{DepthPmf, DepthSamplerConfig};
use burn_apollo::expand::{ExpanderConfig, LayerMap, NewLayers};
use burn_apollo::optim::StateReport;
use burn_apollo::plan::PlanError;
use burn_apollo::policy::{GrowthPolicyConfig, Measurement};
use burn_apollo::recipe::{Recipe, Setting};
use burn_apollo::registry::Registry;
use burn_apollo::schedule::{LayerRates, LrShape, Schedule, Timeline};
use burn_apollo::stack::{LayerStack, Untied};
use burn_apollo::train::{KeepError, LossRecorder, SetCheckpointers, StepMetric, Trainable};
use burn_apollo::{
    Apollo, Plan,
    apollo::{ApolloError, GrowthReport, StepReport},
};
use support::{Block, Net};

macro_rules! all {
    ($bounds:ident: $($type:ty),* $(,)?) => { $($bounds::<$type>();)* };
}

/// What a training thread or a thread that saves in the background needs.
fn goes_to_a_thread<T: Send + Sync + Debug>() {}

/// What `?` into `anyhow` or `Box<dyn Error + Send + Sync>` needs.
fn is_an_error<T: Error + Send + Sync + 'static>() {}

#[test]
fn runs_and_data_go_to_threads_and_can_be_printed() {
    all!(goes_to_a_thread:
        Apollo<Net>, Trainable<Net>, Branch<Net>, LayerStack<Block>, Untied<Net>, Plan, DepthSamplerConfig, ExpanderConfig, GrowthPolicyConfig, Schedule,
        Timeline, LrShape, LayerRates, LayerMap, NewLayers, DepthPmf, Measurement, Recipe, Setting, Registry, StateReport,
        StepReport, GrowthReport, CheckpointSet, CheckpointStore, FoundSet, Retention, SaveReport, Snapshot, Meter,
        ModelCost, PlanCost, DataPosition, KeepError, LossRecorder, SetCheckpointers, StepMetric,
    );
}

#[test]
fn data_loaders_can_be_printed() {
    fn printed<T: Debug>() {}
    printed::<BatchStream<(), ()>>();
    printed::<ShuffledLoader<(), ()>>();
}

#[test]
fn errors_are_errors_everywhere() {
    all!(is_an_error:
        ApolloError, PlanError, CheckpointError,
    );
}
