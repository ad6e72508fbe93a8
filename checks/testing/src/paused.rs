//! Programs that wait at a point of their run, as those of `apollo-examples-faults` can.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

/// A process that waits at a point of its run.
pub struct Paused {
    pub child: Child,
    lines: BufReader<ChildStderr>,
}

impl Paused {
    pub fn at(command: &mut Command, point: &str) -> Self {
        Self::under(command, "", point)
    }

    /// Waits at a point of a run with other faults.
    pub fn under(command: &mut Command, faults: &str, point: &str) -> Self {
        let mut child = command
            .env("BURN_APOLLO_FAULT", format!("{faults},pause@{point}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), format!("paused at {point}"));
        Self { child, lines }
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Lets it go on, to its end; gives its exit and what it said.
    pub fn go_on(mut self) -> (ExitStatus, String) {
        drop(self.child.stdin.take());
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.lines.read_to_string(&mut said).unwrap();
        (status, said)
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
