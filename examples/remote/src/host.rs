//! Where a host is, and the way to its device.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::str::FromStr;

use apollo_examples::{Failure, run_error, usage};
use burn::remote::{ConnectError, EndpointId, IrohHost, IrohRelays, RemoteHost};
use burn::server::{AuthorizationRequest, PeerAuthorizer, TokenAuthorizer};
use burn::tensor::Device;

/// What a host asks for.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The first line of a file.
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let failed =
            |why: &dyn fmt::Display| usage(format!("--token-file {}: {why}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|e| failed(&e))?;
        match text.lines().next().map(str::trim) {
            Some(token) if !token.is_empty() => Ok(Self(token.to_owned())),
            _ => Err(failed(
                &"its first line is empty, and a host without a token is open to everyone",
            )),
        }
    }

    /// Lets in who presents the token, and says who is refused.
    pub(crate) fn authorizer(&self) -> impl PeerAuthorizer {
        let token = TokenAuthorizer::new(self.0.as_str()).expect("not empty");
        move |request: AuthorizationRequest<'_>| {
            token.authorize(request).inspect_err(|why| eprintln!("refused: {why}"))
        }
    }
}

/// A host as `serve` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// Its key, and an address with a port.
    Iroh(EndpointId, String),
    /// A URL.
    WebSocket(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iroh(key, address) => write!(f, "{key}@{address}"),
            Self::WebSocket(url) => f.write_str(url),
        }
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.strip_prefix("ws://").is_some_and(|address| address.contains(':')) {
            return Ok(Self::WebSocket(text.to_owned()));
        }
        let iroh = text.split_once('@').filter(|(_, address)| address.contains(':'));
        let Some((key, address)) = iroh else {
            return Err(
                "a host is KEY@ADDRESS:PORT or ws://ADDRESS:PORT, as `serve` says it".to_owned()
            );
        };
        let key = key.parse().map_err(|e| format!("{key}: no key of a host: {e}"))?;
        Ok(Self::Iroh(key, address.to_owned()))
    }
}

impl Host {
    /// Opens a session with the host.
    pub fn connect(&self, token: &Token) -> Result<Device, Failure> {
        let remote = self.remote(token)?;
        Device::remote_options(&remote).init().map_err(|error| match error {
            ConnectError::Unauthorized => {
                usage(format!("--hosts {self}: the host refuses the token of --token-file"))
            }
            ConnectError::InvalidConfiguration { .. } | ConnectError::NoAddress => {
                usage(format!("--hosts {self}: {error}"))
            }
            _ => run_error(format!("--hosts {self}: {error}")),
        })
    }

    /// Whether the host still answers a training that knows the token.
    pub fn answers(&self, token: &Token) -> bool {
        // A session of its own, whatever became of the training's: no host has so many devices.
        let device = u16::MAX as usize;
        self.remote(token).is_ok_and(|remote| {
            // A handshake may break off where the host begins to serve anew.
            (0..3).any(|_| {
                let asked = Device::remote_options(&remote).device_index(device).init();
                matches!(asked, Ok(_) | Err(ConnectError::NoSuchDevice { .. }))
            })
        })
    }

    /// Whether hosts can pass tensors to each other.
    pub fn same_transport(&self, other: &Self) -> bool {
        matches!(self, Self::Iroh(..)) == matches!(other, Self::Iroh(..))
    }

    fn remote(&self, token: &Token) -> Result<RemoteHost, Failure> {
        let host = match self {
            Self::WebSocket(url) => RemoteHost::websocket(url),
            Self::Iroh(key, address) => {
                let unknown = |e| usage(format!("--hosts {self}: {e}"));
                let addresses = address.to_socket_addrs().map_err(unknown)?;
                let host = IrohHost::new(*key).with_relays(IrohRelays::Disabled);
                RemoteHost::iroh(
                    addresses.fold(host, |host: IrohHost, a: SocketAddr| host.with_address(a)),
                )
            }
        };
        Ok(host.with_credential(token.0.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_as_it_is_written() {
        let key = iroh::SecretKey::from_bytes(&[7; 32]).public();
        for host in [
            Host::Iroh(key, "127.0.0.1:4000".to_owned()),
            Host::Iroh(key, "[::1]:4000".to_owned()),
            Host::WebSocket("ws://127.0.0.1:4000".to_owned()),
        ] {
            assert_eq!(host.to_string().parse(), Ok(host));
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for (text, word) in [
            ("", "as `serve` says it"),
            ("127.0.0.1:4000", "as `serve` says it"),
            ("ws://gpu", "as `serve` says it"),
            ("wss://gpu:4000", "as `serve` says it"),
            ("abc@127.0.0.1:4000", "abc: no key"),
        ] {
            let error = text.parse::<Host>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn a_token_is_never_empty() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "\n", "  \nsecret"] {
            std::fs::write(file.path(), text).unwrap();
            assert!(Token::read(file.path()).is_err(), "{text:?}");
        }
        std::fs::write(file.path(), "secret\n").unwrap();
        assert_eq!(Token::read(file.path()).unwrap().0, "secret");
    }
}
