//! Hosts on this machine.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use burn::tensor::Device;
use remote::{Host, Token};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_remote");

/// A process that lends a CPU device, until it is dropped.
pub struct Server {
    child: Child,
    /// What `--hosts` takes.
    pub host: String,
}

impl Server {
    /// Starts it and waits for the line that says where it is.
    pub fn start(token: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--token-file"]).arg(token).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let host = lines.by_ref().find_map(|line| {
            line.unwrap().split_once("--hosts ").map(|(_, host)| host.trim_end().to_owned())
        });
        // Its log is read on, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, host: host.expect("it says where it is") }
    }

    /// Its address with its port.
    pub fn address(&self) -> &str {
        self.host.rsplit(['@', '/']).next().unwrap()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The device of a host, for training.
pub fn connected(host: &str, token: &Token) -> Device {
    host.parse::<Host>().unwrap().connect(token).unwrap().autodiff()
}

/// A file with a token.
pub fn token(dir: &Path, name: &str) -> PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, format!("the token of {name}\n")).unwrap();
    file
}
