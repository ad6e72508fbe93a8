//! How a host and a token are written.

use remote::{Host, Token};

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
    assert!(Token::read(file.path()).is_ok());
}
