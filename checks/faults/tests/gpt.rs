//! The `gpt` example under faults: killed at any instant, refused room on the disk, interrupted, started twice. Taken
//! up again by the same command, it ends as the run that nothing happened to, bit for bit.
#![cfg(unix)]

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use apollo_examples_testing::paused::Paused;
use apollo_examples_testing::{Program, model, ok, read, refused, same_run, text};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A run with all that must be resumed exactly: dropout, gradient accumulation, a loss-driven policy, two growths.
const GPT: Program = Program {
    path: env!("CARGO_BIN_EXE_faulty-gpt"),
    tiny: "--recipe apollo --optimizer adamw --layers 4 --width 16 --heads 2 --steps 40 --batch 2 --accumulate 2 --seq 8 \
           --checkpoint-every 1 --dropout 0.1 --policy plateau --resume",
};

fn command(out: &Path, more: &[&str]) -> Command {
    GPT.command(out, more)
}

fn gpt(out: &Path, more: &[&str]) -> Output {
    command(out, more).output().unwrap()
}

/// The run that nothing happens to.
fn undisturbed(more: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    ok(&gpt(dir.path(), more));
    dir
}

/// Where kills fell.
#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    in_a_checkpoint: u32,
    in_a_growth: u32,
    in_a_micro_batch: u32,
    runs: u32,
}

impl Tally {
    /// Counts a kill; a set half written or half removed that was not there `before` tells that it fell there.
    fn count(&mut self, out: &Path, before: &[String]) {
        self.kills += 1;
        self.in_a_checkpoint += u32::from(half_sets(out).iter().any(|set| !before.contains(set)));
    }
}

/// Sets half written or half removed.
fn half_sets(out: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(out.join("checkpoints")) else { return Vec::new() };
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".writing") || name.starts_with(".removing")).collect()
}

/// Kills runs `kills` times, in a growth, within a step, and at random instants; every run must end as the
/// undisturbed one did.
fn torture(kills: u32, seed: u64) -> Tally {
    let begun = Instant::now();
    let whole = undisturbed(&[]);
    let whole_time = begun.elapsed().as_micros() as u64;
    let (mut rng, mut tally) = (ChaCha8Rng::seed_from_u64(seed), Tally::default());
    while tally.kills < kills {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        Paused::at(&mut command(out, &[]), "growth").kill();
        tally.in_a_growth += 1;
        tally.count(out, &[]);
        Paused::at(&mut command(out, &[]), &format!("micro-batch {}", rng.random_range(20..70)))
            .kill();
        tally.in_a_micro_batch += 1;
        tally.count(out, &[]);
        // Ever longer, so that the run comes to its end also where a start takes long.
        for waits in 3.. {
            let before = half_sets(out);
            let mut child = command(out, &[]).stdout(Stdio::null()).spawn().unwrap();
            let longest = whole_time * waits / 20;
            std::thread::sleep(Duration::from_micros(rng.random_range(0..longest)));
            child.kill().unwrap();
            if child.wait().unwrap().success() {
                break;
            }
            tally.count(out, &before);
        }
        same_run(whole.path(), out, &format!("run {} after {} kills", tally.runs, tally.kills));
        tally.runs += 1;
    }
    println!("{tally:?}");
    tally
}

#[test]
fn a_hundred_kills_change_nothing() {
    let tally = torture(100, 1);
    assert!(tally.in_a_checkpoint + tally.in_a_growth >= 20, "{tally:?}");
    assert!(tally.in_a_checkpoint > 0 && tally.in_a_growth > 0, "{tally:?}");
}

#[test]
#[ignore = "kills the example a thousand times, for some minutes"]
fn a_thousand_kills_change_nothing() {
    let tally = torture(1000, 2);
    assert!(tally.in_a_checkpoint >= 100 && tally.in_a_growth >= 20, "{tally:?}");
}

/// Killed at every single system call by which a run changes its folder.
#[test]
#[ignore = "runs the example under strace some hundred times; needs strace"]
fn a_kill_at_any_system_call_changes_nothing() {
    let short = ["--steps", "9", "--checkpoint-every", "3", "--keep", "1"];
    let whole = undisturbed(&short);
    let mut kills = Vec::new();
    for call in ["mkdir", "write", "fsync", "fdatasync", "rename", "unlink", "unlinkat"] {
        for when in 1.. {
            let dir = tempfile::tempdir().unwrap();
            let inject = format!("inject={call}:signal=SIGKILL:when={when}");
            let gpt = command(dir.path(), &short);
            let traced = Command::new("strace")
                .args(["-f", "-qq", "-o", "/dev/null", "-e"])
                .args([&format!("trace={call}"), "-e", &inject])
                .arg(gpt.get_program())
                .args(gpt.get_args())
                .output()
                .expect("strace is installed");
            if traced.status.success() {
                kills.push((call, when - 1));
                break;
            }
            let signal = traced.status.signal();
            assert_eq!(signal, Some(9), "{}", text(&traced.stderr));
            ok(&command(dir.path(), &short).output().unwrap());
            same_run(whole.path(), dir.path(), &format!("killed at {call} {when}"));
        }
    }
    println!("{kills:?}");
    let least = [("fsync", 20), ("rename", 8), ("unlinkat", 4)];
    assert!(
        least.iter().all(|(call, n)| kills.iter().any(|(c, k)| c == call && k >= n)),
        "{kills:?}"
    );
}

#[test]
fn a_signal_ends_the_run_after_its_step() {
    let whole = undisturbed(&["--checkpoint-every", "9"]);
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let dir = tempfile::tempdir().unwrap();
        // In the second micro-batch of step 14, between two checkpoints.
        let more = ["--checkpoint-every", "9"];
        let run = Paused::at(&mut command(dir.path(), &more), "micro-batch 29");
        run.signal(signal);
        let (status, said) = run.go_on();
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(
            said.contains("after step 15; the checkpoint is written, --resume goes on"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(read(dir.path(), "steps.csv").lines().count(), 1 + 15);
        let resumed = ok(&gpt(dir.path(), &more));
        assert!(resumed.contains("resumed before step 15"), "{resumed}");
        same_run(whole.path(), dir.path(), signal);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let run = Paused::at(&mut command(dir.path(), &[]), "micro-batch 29");
    run.signal("INT");
    std::thread::sleep(Duration::from_millis(100)); // two signals at once would be one
    run.signal("INT");
    let mut run = run;
    assert_eq!(run.child.wait().unwrap().code(), Some(130));
    assert_eq!(read(dir.path(), "steps.csv").lines().count(), 1 + 14, "step 14 was not finished");
    let whole = undisturbed(&[]);
    ok(&gpt(dir.path(), &[]));
    same_run(whole.path(), dir.path(), "after two signals");
}

#[test]
fn a_folder_serves_one_process_and_a_crash_sets_it_free() {
    let dir = tempfile::tempdir().unwrap();
    let first = Paused::at(&mut command(dir.path(), &[]), "micro-batch 9");
    let before = read(dir.path(), "steps.csv");
    let line = refused(&gpt(dir.path(), &[]));
    assert!(line.contains(&format!("already in use by process {}", first.child.id())), "{line}");
    let other = command(dir.path(), &[]).args(["--overwrite"]).output().unwrap();
    assert_eq!(other.status.code(), Some(2));
    assert_eq!(read(dir.path(), "steps.csv"), before);
    first.kill();
    ok(&gpt(dir.path(), &[]));
    same_run(undisturbed(&[]).path(), dir.path(), "after two processes");
}

#[test]
fn damaged_checkpoints_are_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    ok(&gpt(dir.path(), &["--keep", "3", "--stop-after", "30"]));
    let sets = dir.path().join("checkpoints");
    let flip = |set: &str| {
        let file = sets.join(set).join("optim.bpk");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[777] ^= 4;
        std::fs::write(&file, bytes).unwrap();
    };
    flip("000030-step-30");
    flip("000029-step-29");
    let shown = ok(&gpt(dir.path(), &["--keep", "3", "--stop-after", "29"]));
    let told = shown.lines().filter(|l| l.starts_with("stepped over: checkpoint")).count();
    assert!(told == 2 && shown.contains("resumed before step 28"), "{shown}");
    ok(&gpt(dir.path(), &["--keep", "3"]));
    same_run(undisturbed(&[]).path(), dir.path(), "over damaged checkpoints");

    for set in std::fs::read_dir(&sets).unwrap() {
        let sums = set.unwrap().path().join("SHA256SUMS");
        if sums.exists() {
            std::fs::write(sums, "").unwrap();
        }
    }
    let line = refused(&gpt(dir.path(), &["--keep", "3"]));
    assert!(line.contains("none of the 3 checkpoints is good"), "{line}");
}

/// Runs a shell script with a small disk of its own at `$disk`, `$gpt` for the program and its options.
fn on_a_small_disk(out: &Path, script: &str) -> Option<Output> {
    let mount = "mount -t tmpfs -o size=400k none \"$disk\"";
    let sh = |namespace: &[&str], script: &str| {
        let disk = out.join("disk");
        std::fs::create_dir_all(&disk).unwrap();
        let gpt = format!("{} {} --out {}/run", GPT.path, GPT.tiny, disk.display());
        let mut command = Command::new("unshare");
        command.args(namespace).args(["sh", "-c", script]);
        command.env("disk", disk).env("gpt", gpt).env("out", out).output().unwrap()
    };
    // A namespace of the user's own, or, for root where there are none, one of mounts alone.
    let namespaces = [&["--user", "--map-root-user", "--mount"][..], &["--mount"]];
    let Some(namespace) = namespaces.into_iter().find(|n| sh(n, mount).status.success()) else {
        println!("skipped: this system lets nobody mount a small disk");
        return None;
    };
    Some(sh(namespace, &format!("{mount} && {script}")))
}

/// The disk fills up in the middle of a run; with more room, the same command goes on.
#[test]
fn a_full_disk_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let script = "$gpt; echo \"exit $?\"; ls $disk/run/checkpoints; mount -o remount,size=8m \"$disk\"; \
                  $gpt; echo \"exit $?\"; cp -r $disk/run $out/result";
    let Some(output) = on_a_small_disk(dir.path(), script) else { return };
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert!(said.contains("No space left on device") && said.lines().count() == 1, "{said}");
    let (full, after) = shown.split_once("exit 1\n").expect(&shown);
    assert!(!full.contains("written:"), "{full}");
    assert!(after.contains("-step-") && !after.contains("writing"), "{after}");
    assert!(after.contains("resumed before step") && after.contains("exit 0"), "{after}");
    same_run(undisturbed(&[]).path(), &dir.path().join("result"), "after a full disk");
}

/// Without a file system of its own: the optimizer's file outgrows the largest file that the process may write.
#[test]
fn a_file_that_may_not_grow_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("trap '' XFSZ; ulimit -f 250; exec {} {} --out $out", GPT.path, GPT.tiny);
    let output = Command::new("sh").args(["-c", &script]).env("out", dir.path()).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("optim.bpk: cannot be written: File too large"), "{said}");
    let sets = std::fs::read_dir(dir.path().join("checkpoints")).unwrap();
    assert!(sets.map(|e| e.unwrap().file_name()).all(|n| !n.to_string_lossy().contains("writing")));
    assert!(ok(&gpt(dir.path(), &[])).contains("resumed before step"));
    same_run(undisturbed(&[]).path(), dir.path(), "after files that were too large");
}

/// A folder that turns read-only is refused before anything is trained.
#[test]
fn a_read_only_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -o remount,size=8m \"$disk\"; $gpt --stop-after 7 >/dev/null; \
                  mount -o remount,ro \"$disk\"; $gpt; echo \"exit $?\"; \
                  mount -o remount,rw \"$disk\"; $gpt; cp -r $disk/run $out/result";
    let Some(output) = on_a_small_disk(dir.path(), script) else { return };
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert!(said.contains("Read-only file system") && said.lines().count() == 1, "{said}");
    let (before, after) = shown.split_once("exit 2\n").expect(&shown);
    assert!(before.is_empty() && after.contains("resumed before step 7"), "{shown}");
    same_run(undisturbed(&[]).path(), &dir.path().join("result"), "after a read-only folder");
}

fn with_fault(fault: &str, out: &Path, more: &[&str]) -> Output {
    command(out, more).env("BURN_APOLLO_FAULT", fault).output().unwrap()
}

#[test]
fn bad_numbers_stop_skip_or_roll_back() {
    let dir = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        (dir.path().join(name), with_fault("nan@41", &dir.path().join(name), more))
    };

    // Stop: the last good checkpoint is kept, and the run goes on once its data are good.
    let (out, stopped) = run("stop", &[]);
    let said = text(&stopped.stderr);
    assert_eq!((stopped.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(
        said.contains("step 20: the gradient of") && said.contains("checkpoint of step 20 is kept")
    );
    ok(&gpt(&out, &[]));
    same_run(undisturbed(&[]).path(), &out, "after a stop");

    // Skip: the step counts, its update is left out.
    let (out, skipped) = run("skip", &["--not-finite", "skip"]);
    assert!(ok(&skipped).contains("skipped: step 20: the gradient of"));
    assert!(read(&out, "steps.csv").lines().nth(21).unwrap().contains(",NaN,"));

    // Roll back: from the checkpoint on with other data; killed and taken up again, it does the same.
    let roll_back = ["--not-finite", "roll-back", "--checkpoint-every", "6"];
    let (out, rolled) = run("roll-back", &roll_back);
    let shown = ok(&rolled);
    assert!(shown.contains("rolled back to step 18, goes on with other data"), "{shown}");
    let steps = read(&out, "steps.csv");
    assert!(steps.lines().count() == 41 && !steps.contains("NaN"));
    // Data that are bad in two places are left out in both.
    let out = dir.path().join("twice");
    let shown = ok(&with_fault("nan@41,nan@47", &out, &roll_back));
    assert_eq!(shown.matches("rolled back to step 18").count(), 2, "{shown}");
    assert!(!read(&out, "steps.csv").contains("NaN"));

    let (out, other) = (dir.path().join("roll-back"), dir.path().join("again"));
    Paused::under(&mut command(&other, &roll_back), "nan@41", "micro-batch 39").kill();
    Paused::under(&mut command(&other, &roll_back), "nan@41", "micro-batch 45").kill();
    ok(&with_fault("nan@41", &other, &roll_back));
    assert_eq!(read(&other, "steps.csv"), steps);
    assert!(model(&out) == model(&other), "rolling back is reproducible");
}
