//! What a training step reads from the device: every read makes the host wait for it.

use std::sync::Arc;

use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Device;
use burn_apollo::{Apollo, Plan, apollo::NonFiniteGradients};
use remote::Token;

use crate::proxy::{Moved, counted};
use crate::server::{Server, connected, token};
use crate::support::{Net, batch, stages};

/// Bytes that a device sends in ten steps.
fn answered(device: &Device, moved: &Moved, non_finite: NonFiniteGradients) -> u64 {
    let plan = Plan::new(40).with_schedule(stages(&[(3, 20)], 6));
    let apollo = Apollo::new(Net::new(6, device), plan).unwrap();
    let mut apollo = apollo.with_non_finite_gradients(non_finite);
    let mut optim = AdamWConfig::new().init();
    let mut before = 0;
    for step in 0..12 {
        if step == 2 {
            device.sync().unwrap();
            before = moved.answered();
        }
        let loss = apollo.model().loss(batch(step, device));
        let grads = GradientsParams::from_grads(loss.backward(), apollo.model());
        apollo.update(&mut optim, 0.01, grads).unwrap();
    }
    moved.answered() - before
}

#[test]
fn a_step_reads_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let token = token(scratch.path(), "token");
    let server = Server::start(&token, &["--websocket"]);
    let token = Token::read(&token).unwrap();
    let moved = Arc::new(Moved::default());
    let device = connected(&counted(server.address().to_owned(), moved.clone()), &token);
    assert_eq!(answered(&device, &moved, NonFiniteGradients::Allow), 0);
    // The counter counts: a look at the gradients is a read a step.
    let looked_at = answered(&device, &moved, NonFiniteGradients::Error);
    assert!(looked_at >= 10 * 4, "{looked_at} bytes");
}
