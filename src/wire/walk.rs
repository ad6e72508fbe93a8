//! A walk over a module's parameters that knows their paths, as Burn's records and parameter groups write them.

use burn::module::{Flag, Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};

/// What is done at each parameter.
pub(crate) trait PathVisitor {
    fn float<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>);

    fn int<const D: usize>(&mut self, _path: &str, _param: &Param<Tensor<D, Int>>) {}

    fn bool<const D: usize>(&mut self, _path: &str, _param: &Param<Tensor<D, Bool>>) {}

    fn flag(&mut self, _path: &str, _flag: &Param<Flag>) {}
}

/// Shows `visitor` every parameter of `module`, and gives it back.
pub(crate) fn walk<M: Module, V: PathVisitor>(module: &M, visitor: V) -> V {
    let mut walk = Walk { path: Vec::new(), visitor };
    module.visit(&mut walk);
    walk.visitor
}

struct Walk<V> {
    path: Vec<String>,
    visitor: V,
}

impl<V: PathVisitor> ModuleVisitor for Walk<V> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.visitor.float(&self.path.join("."), param);
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.visitor.int(&self.path.join("."), param);
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.visitor.bool(&self.path.join("."), param);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.visitor.flag(&self.path.join("."), flag);
    }
}
