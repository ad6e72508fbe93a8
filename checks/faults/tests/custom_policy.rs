//! `custom_policy` under faults.
#![cfg(unix)]

use apollo_examples_testing::paused::Paused;
use apollo_examples_testing::{Program, ok, text};

/// 24 steps, short validations.
const POLICIES: Program = Program {
    path: env!("CARGO_BIN_EXE_faulty-custom-policy"),
    tiny: "--steps 24 --seed 3 --width 16 --heads 2 --seq 8 --batch 2 --checkpoint-every 7",
};

/// The growth of step 1 has one more candidate later on; all see the same bad number.
#[test]
fn candidates_that_fail_are_not_adopted() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = POLICIES.command(dir.path(), &["--policy", "try-out"]);
    let output = command.env("BURN_APOLLO_FAULT", "nan@8").output().unwrap();
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert!(shown.contains("interpolation: failed: "), "{shown}");
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("every candidate failed"), "{said}");
    // The data is the same in the next attempt; the fault is not.
    ok(&POLICIES.tiny(dir.path(), &["--policy", "try-out", "--resume"]));
}

/// A signal in the last step of a run, which is finished: the next one does not begin.
#[test]
fn a_signal_between_two_runs_ends_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = POLICIES.command(dir.path(), &["--policy", "arithmetic"]);
    let run = Paused::at(&mut command, "micro-batch 23");
    run.signal("INT");
    let (status, said) = run.go_on();
    assert_eq!(status.code(), Some(130), "{said}");
    assert_eq!(said, "stopped by Ctrl-C between two runs; --resume goes on\n");
    assert!(!dir.path().join("arithmetic-fixed").exists());
    ok(&POLICIES.tiny(dir.path(), &["--policy", "arithmetic", "--resume"]));
}
