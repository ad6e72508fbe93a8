//! Random numbers and branches.

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Distribution, Tensor};
use burn_apollo::branch::Role;
use burn_apollo::{Apollo, Plan, apollo::GrowthRequest};

use crate::kind::turn;
use crate::support::{Net, adamw, apollo, batch, device, parameters, stages};

/// Steps whose input is disturbed by noise that the device draws, as dropout is.
fn noisy_steps<R: Role>(
    mut run: Apollo<Net, R>,
    optim: &mut ModuleOptimizer,
    steps: u64,
) -> Apollo<Net, R> {
    for _ in 0..steps {
        let x = batch(run.step_count(), &device());
        let noise = Tensor::random(x.dims(), Distribution::Normal(0.0, 0.1), &device());
        let loss = run.model().loss(x + noise);
        let grads = GradientsParams::from_grads(loss.backward(), run.model());
        run.update(optim, 0.01, grads).unwrap();
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
    let mut tried = Vec::new();
    for _ in 0..2 {
        let (mut branch, mut optim) = (run.branch(), optim.clone());
        branch.grow(&mut optim, &GrowthRequest::next()).unwrap();
        tried.push(parameters(noisy_steps(branch, &mut optim, 3).model()));
    }
    assert_eq!(tried[0], tried[1]);
    let late = run.branch();
    let (mut tried, mut tried_optim) = (run.branch(), optim.clone());
    tried = noisy_steps(tried, &mut tried_optim, 1);
    drop(tried);
    run.adopt(run.branch()).unwrap();
    let run = noisy_steps(run, &mut optim, 3);
    // A branch that outlived its moment disturbs nobody.
    drop(late);
    let run = noisy_steps(run, &mut optim, 3);
    assert_eq!(parameters(run.model()), parameters(straight.model()));
}
