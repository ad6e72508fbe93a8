//! Random numbers and branches.

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Distribution, Tensor};
use burn_apollo::{ApolloError, GrowthRequest, Plan};

use crate::kind::turn;
use crate::support::{Run, adamw, apollo, batch, device, parameters, stages};

/// Steps whose input is disturbed by noise that the device draws, as dropout is.
fn noisy_steps<R: Run>(mut run: R, optim: &mut ModuleOptimizer, steps: u64) -> R {
    for _ in 0..steps {
        let x = batch(run.steps_done(), &device());
        let noise = Tensor::random(x.dims(), Distribution::Normal(0.0, 0.1), &device());
        let grads = GradientsParams::from_grads(run.net().loss(x + noise).backward(), run.net());
        run.take_step(optim, 0.01, grads).unwrap();
    }
    run
}

#[test]
fn branches_and_the_run_draw_what_they_would_have_drawn() {
    let _turn = turn();
    let start = apollo(6, Plan::new(40).with_schedule(stages(&[(2, 30)], 6)));
    let mut straight_optim = adamw();
    let early = noisy_steps(start.clone(), &mut straight_optim, 4);
    let (mut run, mut optim) = (early.clone(), straight_optim.clone());
    let straight = noisy_steps(early, &mut straight_optim, 6);

    // Two equal branches see the same noise, and the run that goes on without them what it would have seen.
    run.try_out(|run| {
        let mut tried = Vec::new();
        for _ in 0..2 {
            let (mut branch, mut optim) = (run.branch(), optim.clone());
            branch.grow(&mut optim, &GrowthRequest::next())?;
            tried.push(parameters(noisy_steps(branch, &mut optim, 3).model()));
        }
        assert_eq!(tried[0], tried[1]);
        Ok::<_, ApolloError>((None, ()))
    })
    .unwrap();
    run.try_out(|run| Ok::<_, ApolloError>((Some(run.branch()), ()))).unwrap();
    let run = noisy_steps(run, &mut optim, 6);
    assert_eq!(parameters(run.model()), parameters(straight.model()));
}
