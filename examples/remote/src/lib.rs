//! Grows a GPT over the devices of several hosts.
//!
//! ```text
//! head -c 32 /dev/urandom | base64 > token
//! cargo run -p remote -- serve --token-file token                      # on each host; it says what --hosts takes
//! cargo run -p remote -- train --token-file token --hosts HOST,HOST
//! ```
//!
//! Hosts talk over Iroh (encrypted, every host known by its key), or with `--websocket` over WebSocket, for trusted networks.
//! `docs/distributed.md` says what Burn can and cannot do over several hosts.

mod batches;
mod host;
#[path = "../../adopt/src/lines.rs"]
mod lines;
mod model;
mod options;
mod serve;
mod train;
mod watch;

use apollo_examples::Failure;

pub use batches::StepBatches;
pub use host::{Host, Token};
pub use model::Share;
pub use options::Options;

/// Does what the options ask for.
pub fn run(options: Options) -> Result<(), Failure> {
    match &options.command {
        options::Command::Serve(options) => serve::serve(options),
        options::Command::Train(options) => train::train(options),
    }
}
