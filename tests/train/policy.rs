//! A growth policy that looks at gradients: inside burn-train as in a loop.

use burn::data::dataloader::DataLoaderBuilder;
use burn::data::dataset::InMemDataset;
use burn::lr_scheduler::constant::ConstantLr;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::train::{InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep};
use burn_apollo::depth::ConstantHigh;
use burn_apollo::stack::Untied;
use burn_apollo::train::{LossRecorder, Trainable};
use burn_apollo::{Apollo, growable};

use crate::support::burn_train::Rows;
use crate::support::measured::measured_plan;
use crate::support::{Net, adamw, bits, device};

/// A net whose training step measures how alike the gradients of the first two uses are.
#[derive(Module, Debug)]
struct Watched {
    net: Net,
    #[module(skip)]
    numbers: LossRecorder,
}

growable!(Watched { net.blocks });

impl Watched {
    /// The gradients of a step, and what is measured at it.
    fn gradients(&self, x: Tensor<2>) -> (GradientsParams, f64) {
        let untied = Untied::new(self);
        let grads = untied.model().net.loss(x).backward();
        let grads = GradientsParams::from_grads(grads, untied.model());
        let uses = untied.gradients(&grads).remove(0);
        let dot = (uses[0].clone() * uses[1].clone()).sum().into_scalar::<f64>();
        (untied.tie(grads), if dot.is_finite() { 1.0 } else { 0.0 })
    }
}

impl TrainStep for Watched {
    type Input = Tensor<2>;
    type Output = <Net as TrainStep>::Output;

    fn step(&self, x: Tensor<2>) -> TrainOutput<Self::Output> {
        let item = TrainStep::step(&self.net, x.clone()).item;
        let (grads, measured) = self.gradients(x);
        self.numbers.measure("push", measured);
        TrainOutput { grads, item }
    }
}

impl InferenceStep for Watched {
    type Input = Tensor<2>;
    type Output = <Net as InferenceStep>::Output;

    fn step(&self, x: Tensor<2>) -> Self::Output {
        InferenceStep::step(&self.net, x)
    }
}

#[test]
fn a_policy_that_looks_at_gradients_works_in_burn_train_as_in_a_loop() {
    let numbers = LossRecorder::default();
    let start = || {
        let net = Net::new(6, &device());
        let watched = Watched { net, numbers: numbers.clone() };
        Apollo::new(watched, measured_plan().with_sampler(ConstantHigh)).unwrap()
    };
    let loader = || {
        let rows = InMemDataset::new((0..40).collect());
        DataLoaderBuilder::new(Rows).batch_size(4).build(rows)
    };
    let dir = tempfile::tempdir().unwrap();
    let training = SupervisedTraining::new(dir.path(), loader(), loader())
        .with_application_logger(None)
        .num_epochs(1);
    let model = Trainable::new(start(), training.interrupter()).with_losses(&numbers);
    let result = training.launch(Learner::new(model, adamw(), ConstantLr::new(0.01)));
    assert!(result.error.is_none(), "{:?}", result.error);
    let trained = result.model.into_apollo().unwrap();
    assert_eq!(trained.growths().collect::<Vec<_>>(), [(3, 1), (6, 3)]);

    let (mut by_hand, mut optim) = (start(), adamw());
    for x in loader().to_device(&device()).iter() {
        let (grads, measured) = by_hand.model().gradients(x.unwrap());
        by_hand.record("push", measured);
        by_hand.update(&mut optim, 0.01, grads).unwrap();
    }
    assert_eq!(bits(by_hand.model()), bits(trained.model()));
}
