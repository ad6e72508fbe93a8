//! [`Apollo`] as a Burn module.

use core::fmt;

use burn::module::{
    Content, Devices, DisplaySettings, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper,
    ModuleVisitor,
};
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Device;

use super::Apollo;
use crate::stack::Growable;

impl<M: Growable> Module for Apollo<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.model.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self { model: self.model.fork(device), device: device.clone(), ..self }
    }

    fn to_device(self, device: &Device) -> Self {
        Self { model: self.model.to_device(device), device: device.clone(), ..self }
    }

    fn train(self) -> Self {
        Self { model: self.model.train(), device: self.device.autodiff(), ..self }
    }

    fn valid(&self) -> Self {
        Self { model: self.model.valid(), device: self.device.clone().inner(), ..self.clone() }
    }

    fn materialize(self) -> Self {
        Self { model: self.model.materialize(), ..self }
    }

    /// The model's parameters under its own paths, then the progress. The progress tensor is only made
    /// for visitors that read it.
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.model.visit(visitor);
        self.progress_record().visit(visitor);
    }

    fn map<T: ModuleMapper>(self, mapper: &mut T) -> Self {
        // The progress is told to the mapper, but changes only by `optimize` and `try_load_record`.
        let _ = self.progress_record().map(mapper);
        Self { model: self.model.map(mapper), ..self }
    }

    /// Loads the record of any stage: the progress first, then the layers of its stage, then the parameters.
    fn try_load_record(self, record: ModuleRecord) -> Result<Self, RecordError> {
        self.load(record)
    }
}

impl<M: Growable + ModuleDisplay> ModuleDisplayDefault for Apollo<M> {
    fn content(&self, content: Content) -> Option<Content> {
        content
            .set_top_level_type("Apollo")
            .add("model", &self.model)
            .add_debug_attribute("step", &self.progress.step)
            .add_debug_attribute("stage", &self.stage())
            .optional()
    }
}

impl<M: Growable + ModuleDisplay> ModuleDisplay for Apollo<M> {}

impl<M: Growable + ModuleDisplay> fmt::Display for Apollo<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ModuleDisplay::format(self, DisplaySettings::default()))
    }
}
