use burn::tensor::{Device, Tensor};
use burn_apollo::cost::ModelCost;
use burn_apollo_lab::{Baseline, Measures, Result, Score, Task};

use crate::fault::{pause, poison};

/// A task that pauses in the micro-batches, or spoils the losses, that are asked for.
pub struct FaultyTask<T>(pub T);

impl<T: Task> Task for FaultyTask<T> {
    type Model = T::Model;
    type Batch = (u64, T::Batch);

    const ITEMS: &'static str = T::ITEMS;
    const FILES: &'static [&'static str] = T::FILES;

    fn model(&self, device: &Device) -> Result<T::Model> {
        self.0.model(device)
    }

    fn batch(&self, number: u64, device: &Device) -> Result<(u64, T::Batch)> {
        Ok((number, self.0.batch(number, device)?))
    }

    fn items(&self, (_, batch): &(u64, T::Batch)) -> u64 {
        self.0.items(batch)
    }

    fn cost(&self, model: &T::Model) -> ModelCost {
        self.0.cost(model)
    }

    fn loss(&self, model: &T::Model, (number, batch): (u64, T::Batch)) -> Tensor<1> {
        let loss = poison(self.0.loss(model, batch), number);
        pause(&format!("micro-batch {number}"));
        loss
    }

    fn validate(&self, model: &T::Model, device: &Device) -> Result<Score> {
        self.0.validate(model, device)
    }

    fn unit(&self) -> String {
        self.0.unit()
    }

    fn measures(&self, model: &T::Model, device: &Device) -> Result<Measures> {
        self.0.measures(model, device)
    }

    fn files(&self) -> Vec<(&'static str, &str)> {
        self.0.files()
    }

    fn baseline(&self, device: &Device) -> Result<Option<Baseline>> {
        self.0.baseline(device)
    }

    fn show(&self, model: &T::Model, device: &Device) -> Result<Option<String>> {
        self.0.show(model, device)
    }
}
