//! A run's progress among its model's parameters, so that Burn's own records of the model carry it.

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Int, Shape, Tensor, TensorData};

/// The module whose only parameter is `apollo.progress`: an integer tensor `[2 · words]` of the words'
/// 32-bit halves, low half first, which every backend can hold.
#[derive(Module, Debug)]
pub(crate) struct ProgressRecord {
    apollo: ApolloRecord,
}

#[derive(Module, Debug)]
struct ApolloRecord {
    progress: Param<Tensor<1, Int>>,
}

/// "apollo" in ASCII.
const PARAM_ID: u64 = 0x61_70_6f_6c_6c_6f;

impl ProgressRecord {
    /// A record whose tensor is only made when somebody reads it.
    pub(crate) fn new(words: Vec<u64>, device: &Device) -> Self {
        let shape = Shape::from([2 * words.len()]);
        let init = move |device: &Device, _require_grad: bool| {
            let halves: Vec<i32> =
                words.iter().flat_map(|w| [*w as u32 as i32, (*w >> 32) as u32 as i32]).collect();
            Tensor::from_data(TensorData::from(halves.as_slice()), (device, DType::I32))
        };
        let id = ParamId::from(PARAM_ID);
        let progress = Param::uninitialized(id, init, device.clone(), false, shape);
        Self { apollo: ApolloRecord { progress } }
    }
}

/// Where a record holds the progress.
pub(crate) const PROGRESS_PATH: &str = "apollo.progress";

/// The words of the progress, from the integers of its tensor.
pub(crate) fn join_halves(halves: &[i64]) -> Vec<u64> {
    let (pairs, _) = halves.as_chunks();
    let word = |[low, high]: &[i64; 2]| u64::from(*low as u32) | (u64::from(*high as u32) << 32);
    pairs.iter().map(word).collect()
}

/// A model and its progress as one module: what a record holds.
#[derive(Debug, Clone)]
pub(crate) struct WithProgress<M> {
    pub(crate) model: M,
    pub(crate) progress: ProgressRecord,
}

/// As the model in all but its parameters.
impl<M: Module> Module for WithProgress<M> {
    fn collect_devices(&self, devices: Devices) -> Devices {
        self.model.collect_devices(devices)
    }

    fn fork(self, device: &Device) -> Self {
        Self { model: self.model.fork(device), ..self }
    }

    fn to_device(self, device: &Device) -> Self {
        Self { model: self.model.to_device(device), ..self }
    }

    fn train(self) -> Self {
        Self { model: self.model.train(), ..self }
    }

    fn valid(&self) -> Self {
        Self { model: self.model.valid(), progress: self.progress.clone() }
    }

    fn materialize(self) -> Self {
        Self { model: self.model.materialize(), ..self }
    }

    /// The model's parameters under its own paths, then the progress.
    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        self.model.visit(visitor);
        self.progress.visit(visitor);
    }

    fn map<T: ModuleMapper>(self, mapper: &mut T) -> Self {
        let progress = self.progress.map(mapper);
        Self { model: self.model.map(mapper), progress }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        let words = vec![0, 1, u64::MAX, 1 << 40, f64::NAN.to_bits()];
        let record = ProgressRecord::new(words.clone(), &Device::default());
        let halves = record.apollo.progress.val().into_data();
        assert_eq!(join_halves(&halves.iter::<i64>().collect::<Vec<_>>()), words);
    }
}
