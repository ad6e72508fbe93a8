//! The biases of a model.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Names of the biases of a model, and whether all of their numbers are zero.
pub fn linear_biases(model: &impl Module) -> Vec<(String, bool)> {
    let mut biases = Biases::default();
    model.visit(&mut biases);
    biases.found
}

#[derive(Default)]
struct Biases {
    path: Vec<String>,
    found: Vec<(String, bool)>,
}

impl ModuleVisitor for Biases {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.path.last().is_some_and(|name| name == "bias") {
            let zero = param.val().into_data().iter::<f32>().all(|x| x == 0.0);
            self.found.push((self.path.join("."), zero));
        }
    }
}
