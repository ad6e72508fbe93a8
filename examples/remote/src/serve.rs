//! A host: lends its device to trainings that know the token.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use apollo_examples::{Failure, device, run_error, usage};
use burn::remote::IrohIdentity;
use burn::server::{BURN_REMOTE_ALPN, RemoteServer, WebSocketTransport};
use iroh::endpoint::{QuicTransportConfig, presets};
use iroh::protocol::Router;
use iroh::{Endpoint, RelayMode, SecretKey};
use tokio::runtime::Runtime;
use tokio::signal::ctrl_c;
use tokio::sync::Notify;

use crate::host::{Host, Token};
use crate::options::ServeOptions;

/// Serves until Ctrl-C.
pub fn serve(options: &ServeOptions) -> Result<(), Failure> {
    let token = Token::read(&options.token_file)?;
    let server =
        RemoteServer::new([device::by_name(&options.device)?]).with_authorizer(token.authorizer());
    match options.websocket {
        true => over_websocket(&server, options),
        false => over_iroh(server, options),
    }
}

fn over_websocket(server: &RemoteServer, options: &ServeOptions) -> Result<(), Failure> {
    let listener = TcpListener::bind(options.listen).map_err(|e| not_bound(options.listen, &e))?;
    let address = listener.local_addr().map_err(|e| not_bound(options.listen, &e))?;
    let runtime = Runtime::new().map_err(run_error)?;
    let broken = session_panics();
    say(options, &Host::WebSocket(format!("ws://{address}")));
    runtime.block_on(async {
        loop {
            let listener = listener.try_clone().map_err(run_error)?;
            tokio::select! {
                served = server.serve_async(WebSocketTransport::from_listener(listener)) => {
                    return served.map_err(run_error);
                }
                stopped = ctrl_c() => return stopped.map_err(run_error),
                () = broken.notified() => {}
            }
        }
    })
}

/// Tells of sessions that broke, by a lost host for one. Burn keeps the connections between hosts, broken ones too, for as long
/// as it serves (0.22.1), so the host then begins to serve anew.
fn session_panics() -> Arc<Notify> {
    let (broken, hook) = (Arc::new(Notify::new()), std::panic::take_hook());
    let notify = broken.clone();
    std::panic::set_hook(Box::new(move |panic| {
        hook(panic);
        notify.notify_one();
    }));
    broken
}

fn over_iroh(server: RemoteServer, options: &ServeOptions) -> Result<(), Failure> {
    let key = match &options.key {
        Some(file) => IrohIdentity::load_or_create(file)
            .map_err(|e| usage(format!("--key {}: {e}", file.display())))?,
        None => IrohIdentity::random(),
    };
    let runtime = Runtime::new().map_err(run_error)?;
    runtime.block_on(async {
        let endpoint = bind(&key, options.listen).await?;
        let address = endpoint.bound_sockets().into_iter().next().unwrap_or(options.listen);
        let protocol = server.into_protocol(&endpoint).map_err(run_error)?;
        let router = Router::builder(endpoint).accept(BURN_REMOTE_ALPN, protocol).spawn();
        say(options, &Host::Iroh(key.id(), address.to_string()));
        ctrl_c().await.map_err(run_error)?;
        router.shutdown().await.map_err(run_error)
    })
}

/// An endpoint on this one address, known to no relay.
async fn bind(key: &IrohIdentity, listen: SocketAddr) -> Result<Endpoint, Failure> {
    let builder = Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .secret_key(SecretKey::from_bytes(&key.to_bytes()))
        // As burn-remote binds its own.
        .transport_config(QuicTransportConfig::builder().enable_segmentation_offload(false).build())
        .clear_ip_transports();
    let builder = builder.bind_addr(listen).map_err(|e| not_bound(listen, &e))?;
    builder.bind().await.map_err(|e| not_bound(listen, &e))
}

fn not_bound(listen: SocketAddr, error: &dyn std::fmt::Display) -> Failure {
    usage(format!("--listen {listen}: {error}"))
}

fn say(options: &ServeOptions, host: &Host) {
    // It serves where nobody reads it, too.
    let mut out = std::io::stdout();
    let _ =
        writeln!(out, "lending {} to --hosts {host}", options.device).and_then(|()| out.flush());
}
