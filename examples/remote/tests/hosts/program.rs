//! The program as its user runs it: two hosts on this machine, and a training over both.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use apollo_examples_testing::{Program, model, ok, refused, text};

use crate::server::{PROGRAM, Server, token};

const IROH: &[&str] = &[];
const WEBSOCKET: &[&str] = &["--websocket"];

/// 40 steps, a checkpoint every 4, growths before steps 8, 16 and 24.
const TINY: &str =
    "--steps 40 --checkpoint-every 4 --batch 4 --seq 16 --layers 4 --width 16 --heads 2";

fn training(hosts: &[&Server], token: &Path, out: &Path, more: &[&str]) -> Command {
    let hosts: Vec<&str> = hosts.iter().map(|server| server.host.as_str()).collect();
    let mut command = Command::new(PROGRAM);
    command
        .args(["train", "--hosts", &hosts.join(","), "--token-file"])
        .arg(token)
        .arg("--out")
        .arg(out);
    command.args(TINY.split_whitespace()).args(more).stdin(Stdio::null());
    command
}

fn trained(hosts: &[&Server], token: &Path, out: &Path, more: &[&str]) -> String {
    let said = ok(&training(hosts, token, out, more).output().unwrap());
    assert!(said.contains(&format!("finished: 40 steps on {} hosts", hosts.len())), "{said}");
    said
}

/// The losses of each checkpoint, by its number.
fn losses(said: &str) -> Vec<(usize, Vec<f64>)> {
    let of = |line: &str| {
        let (epoch, losses) = line.strip_prefix("epoch ")?.split_once(" of 10: ")?;
        let losses =
            losses.split(", ").map(|loss| loss.rsplit(' ').next().unwrap().parse().unwrap());
        Some((epoch.parse().unwrap(), losses.collect()))
    };
    said.lines().filter_map(of).collect()
}

fn same_losses(found: &[(usize, Vec<f64>)], expected: &[(usize, Vec<f64>)]) {
    assert!(!found.is_empty() && found.len() == expected.len(), "{found:?}, {expected:?}");
    for ((epoch, found), (other, expected)) in found.iter().zip(expected) {
        assert_eq!((epoch, found.len()), (other, 2));
        assert!(
            expected.iter().zip(found).all(|(a, b)| (a - b).abs() < 1e-3),
            "{found:?}, {expected:?}"
        );
    }
}

fn same_model(one: &Path, other: &Path) {
    let (one, other) = (model(one), model(other));
    assert_eq!(one.len(), other.len());
    for ((name, a), (same, b)) in one.iter().zip(&other) {
        assert_eq!((name, a.len()), (same, b.len()));
        let numbers = |bytes: &[u8]| -> Vec<f32> {
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
        };
        for (a, b) in numbers(a).into_iter().zip(numbers(b)) {
            assert!((a - b).abs() < 2e-3, "{name}: {a} against {b}");
        }
    }
}

/// Two hosts train the model that one trains with all rows, through three growths.
fn two_are_as_one(transport: &[&str], more: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let token = token(dir.path(), "token");
    let servers = [Server::start(&token, transport), Server::start(&token, transport)];
    let (both, alone) = (dir.path().join("both"), dir.path().join("alone"));
    let said = trained(&[&servers[0], &servers[1]], &token, &both, more);
    for growth in ["stage 1 from step 8: ", "stage 2 from step 16: ", "stage 3 from step 24: "] {
        assert!(said.contains(growth), "{growth}: {said}");
    }
    let expected = trained(&[&servers[1]], &token, &alone, &[]);
    same_losses(&losses(&said), &losses(&expected));
    same_model(&both, &alone);
}

#[test]
fn over_iroh_two_hosts_are_as_one() {
    two_are_as_one(IROH, &[]);
}

#[test]
fn over_websocket_two_hosts_are_as_one() {
    two_are_as_one(WEBSOCKET, &["--sharded"]);
}

#[test]
fn a_wrong_token_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (right, wrong) = (token(dir.path(), "right"), token(dir.path(), "wrong"));
    for transport in [IROH, WEBSOCKET] {
        let server = Server::start(&right, transport);
        let line =
            refused(&training(&[&server], &wrong, &dir.path().join("out"), &[]).output().unwrap());
        assert!(line.contains("the host refuses the token of --token-file"), "{line}");
        assert!(line.contains(&server.host), "{line}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_before_any_connection() {
    let dir = tempfile::tempdir().unwrap();
    let (token, empty, none) =
        (token(dir.path(), "token"), dir.path().join("empty"), dir.path().join("none"));
    std::fs::write(&empty, "\n").unwrap();
    let [token, empty, none] = [&token, &empty, &none].map(|f| f.to_str().unwrap());
    let ws = "ws://127.0.0.1:1";
    let iroh = format!("{}@127.0.0.1:1", iroh::SecretKey::from_bytes(&[7; 32]).public());
    for (args, word) in [
        (&["serve"][..], "--token-file"),
        (&["serve", "--token-file", empty], "open to everyone"),
        (&["serve", "--token-file", none], "none"),
        (&["serve", "--token-file", token, "--listen", "192.0.2.1:0"], "--listen 192.0.2.1:0"),
        (
            &["serve", "--token-file", token, "--websocket", "--listen", "192.0.2.1:0"],
            "--listen 192.0.2.1:0",
        ),
        (&["serve", "--token-file", token, "--key", token], "not a 32-byte identity"),
        (&["train", "--token-file", token], "--hosts"),
        (&["train", "--hosts", ws], "--token-file"),
        (&["train", "--hosts", "gpu", "--token-file", token], "as `serve` says it"),
        (
            &["train", "--hosts", &format!("{ws},{ws},{ws}"), "--token-file", token],
            "not a multiple of 3 hosts",
        ),
        (
            &["train", "--hosts", ws, "--token-file", token, "--steps", "70"],
            "not a multiple of --checkpoint-every",
        ),
        (&["train", "--hosts", &format!("{ws},{iroh}"), "--token-file", token], "cannot talk"),
    ] {
        let output = Command::new(PROGRAM).args(args).current_dir(dir.path()).output().unwrap();
        let line = refused(&output);
        assert!(line.contains(word), "{args:?}: {line}");
    }
}

/// Waits for something that another process does, at most five minutes.
fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..30_000 {
        if let Some(found) = found() {
            return found;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("waited in vain for {what}");
}

fn end_of(mut child: Child) -> Output {
    wait_for("the end of the training", || child.try_wait().unwrap());
    child.wait_with_output().unwrap()
}

/// A host is killed in the middle of a run: the run ends with an error that names the host, and goes on from its last
/// checkpoint once the host is back.
fn a_lost_host(transport: &[&str], key: bool) {
    let dir = tempfile::tempdir().unwrap();
    let token = token(dir.path(), "token");
    let key_file = dir.path().join("key");
    let mut more = transport.to_vec();
    if key {
        more.extend(["--key", key_file.to_str().unwrap()]);
    }
    let first = Server::start(&token, transport);
    let mut second = Server::start(&token, &more);
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    let expected = trained(&[&first, &second], &token, &whole, &[]);

    let mut command = training(&[&first, &second], &token, &parts, &[]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a checkpoint", || checkpoint(&parts).then_some(()));
    second.kill();
    let output = end_of(run);
    let line = text(&output.stderr);
    assert_eq!((output.status.code(), line.lines().count()), (Some(1), 1), "{line}");
    assert!(line.contains(&format!("lost {}", second.host)), "{line}");
    assert!(!line.contains(&first.host), "{line}");
    assert!(line.contains("the last good checkpoint is that of step "), "{line}");

    let listen = ["--listen", second.address()];
    let again = Server::start(&token, &[&more[..], &listen].concat());
    assert_eq!(again.host, second.host);
    let said = trained(&[&first, &again], &token, &parts, &["--resume"]);
    let (said, mut expected) = (losses(&said), losses(&expected));
    expected.retain(|(epoch, _)| *epoch >= said[0].0);
    same_losses(&said, &expected);
    same_model(&parts, &whole);
}

/// Whether a set of checkpoints is there.
fn checkpoint(out: &Path) -> bool {
    let sets = std::fs::read_dir(out.join("checkpoints"));
    sets.is_ok_and(|sets| {
        sets.flatten().any(|set| set.file_name().to_string_lossy().contains("-step-"))
    })
}

#[test]
fn over_iroh_a_run_goes_on_when_a_lost_host_is_back() {
    a_lost_host(IROH, true);
}

#[test]
fn over_websocket_a_run_goes_on_when_a_lost_host_is_back() {
    a_lost_host(WEBSOCKET, false);
}

#[test]
fn the_options_are_those_of_the_lists() {
    let program = Program { path: PROGRAM, tiny: TINY };
    program.has_options(&["serve"], include_str!("../data/serve-options.txt"));
    program.has_options(&["train"], include_str!("../data/train-options.txt"));
}
