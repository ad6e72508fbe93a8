//! [`LayerStack`] as a Burn module, laid out in records as `Vec<L>` is.

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::Device;

use super::LayerStack;

impl<L: Module> LayerStack<L> {
    fn map_layers(self, f: impl FnMut(L) -> L) -> Self {
        Self { layers: self.layers.into_iter().map(f).collect(), ..self }
    }
}

impl<L: Module> Module for LayerStack<L> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.layers.iter().fold(devices, |devices, layer| layer.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        self.map_layers(|layer| layer.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.map_layers(|layer| layer.to_device(device))
    }

    fn train(self) -> Self {
        Self { in_training: true, ..self.map_layers(Module::train) }
    }

    fn valid(&self) -> Self {
        let layers = self.layers.iter().map(Module::valid).collect();
        Self { layers, in_training: false, ..self.clone() }
    }

    fn materialize(self) -> Self {
        self.map_layers(Module::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.layers.visit(visitor);
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        Self { layers: self.layers.map(mapper), ..self }
    }
}

impl<L: ModuleDisplay + Module> ModuleDisplayDefault for LayerStack<L> {
    fn content(&self, content: Content) -> Option<Content> {
        self.layers
            .iter()
            .enumerate()
            .fold(content, |content, (i, layer)| content.add(&i.to_string(), layer))
            .set_top_level_type(&format!("LayerStack<0..{} of {}>", self.layers.len(), self.target))
            .optional()
    }
}

impl<L: ModuleDisplay + Module> ModuleDisplay for LayerStack<L> {}
