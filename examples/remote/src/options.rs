use std::net::SocketAddr;
use std::path::PathBuf;

use burn_apollo::recipe::Recipe;
use clap::{Args, Parser, Subcommand};

use crate::host::Host;

/// Grows a GPT over the devices of several hosts: `serve` on each of them, `train` on one machine.
#[derive(Parser, Debug)]
#[command(name = "remote", version)]
pub struct Options {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Lends this machine's device to whoever knows the token, until Ctrl-C.
    #[command(args_override_self = true)]
    Serve(ServeOptions),
    /// Trains over the devices of all hosts.
    #[command(args_override_self = true)]
    Train(TrainOptions),
}

#[derive(Args, Debug)]
pub struct ServeOptions {
    /// File with the token that a training must present; all hosts of a training have the same
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// Address and port to listen on; port 0 takes a free one. The default is for this machine alone
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// File with the host's secret key, made if it is not there: with it the host has the same name at every start
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// WebSocket in the place of Iroh: not encrypted, for trusted networks alone
    #[arg(long)]
    pub websocket: bool,
    /// What to lend: flex, or cpu, cuda, rocm, wgpu, vulkan, metal in builds with that feature
    #[arg(long, default_value = "flex")]
    pub device: String,
}

#[derive(Args, Debug, Clone)]
pub struct TrainOptions {
    /// The hosts, as `serve` names them, separated by commas: KEY@ADDRESS:PORT over Iroh, ws://ADDRESS:PORT over WebSocket
    #[arg(long, value_name = "HOST,...", value_delimiter = ',', required = true)]
    pub hosts: Vec<Host>,
    /// File with the token of the hosts
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// Folder for checkpoints, burn-train's metrics and the model
    #[arg(long, value_name = "DIR", default_value = "runs/remote")]
    pub out: PathBuf,
    /// Go on with the run in the folder, or begin one
    #[arg(long)]
    pub resume: bool,
    /// The text
    #[arg(long, value_name = "FILE", default_value = "data/shakespeare.txt", value_parser = apollo_examples::data_file)]
    pub data: PathBuf,
    /// Keep the optimizer's state on all hosts, each with that of some parameters, in the place of the first host alone
    #[arg(long)]
    pub sharded: bool,
    /// When the model grows: a published method by its name; a wrong name lists them
    #[arg(long, value_name = "NAME", default_value = "gradual", value_parser = |name: &str| Recipe::by_name(name).copied())]
    pub recipe: Recipe,
    /// Optimizer steps
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub steps: u64,
    /// Steps between two checkpoints; it must divide --steps
    #[arg(long, value_name = "STEPS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    pub checkpoint_every: u64,
    /// Windows of a step, all hosts together; each has an equal share
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub batch: u32,
    /// Bytes of a window
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub seq: u32,
    /// Layers of the full model
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub layers: u32,
    /// Width of the residual stream
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub width: u32,
    /// Attention heads; must divide the width
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub heads: u32,
    /// Highest learning rate
    #[arg(long, default_value_t = 0.005, value_parser = apollo_examples::options::run::positive_up_to_one)]
    pub lr: f64,
    /// Seed of the weights, the data order and the depths
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
}
