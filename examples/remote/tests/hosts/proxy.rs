//! A way to a host's WebSocket that counts what goes over it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::spawn;

/// Bytes that went over counted ways.
#[derive(Default)]
pub struct Moved {
    /// Between the training and the hosts: operations, data, losses.
    sessions: AtomicU64,
    /// Of these, from a host to the training: what was read.
    answers: AtomicU64,
    /// From host to host: parameters and gradients.
    tensors: AtomicU64,
}

impl Moved {
    /// To and from the training, and from host to host.
    pub fn now(&self) -> [u64; 2] {
        [self.sessions.load(Ordering::SeqCst), self.tensors.load(Ordering::SeqCst)]
    }

    /// To the training.
    pub fn answered(&self) -> u64 {
        self.answers.load(Ordering::SeqCst)
    }
}

/// A way to a host's WebSocket that counts what goes over it; gives its URL.
pub fn counted(address: String, moved: Arc<Moved>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    spawn(move || {
        for client in listener.incoming() {
            let (client, host) = (client.unwrap(), TcpStream::connect(&address).unwrap());
            let moved = moved.clone();
            spawn(move || forward(client, host, moved));
        }
    });
    url
}

fn forward(mut client: TcpStream, mut host: TcpStream, moved: Arc<Moved>) {
    client.set_nodelay(true).unwrap();
    host.set_nodelay(true).unwrap();
    let (back, to) = (host.try_clone().unwrap(), client.try_clone().unwrap());
    // The request's first line says what the connection is for.
    let mut first = [0; 5];
    client.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"GET /");
    let mut kind = [0; 4];
    client.read_exact(&mut kind).unwrap();
    let tensors = &kind == b"data";
    host.write_all(&[&first[..], &kind[..]].concat()).unwrap();
    let other = moved.clone();
    spawn(move || match tensors {
        true => copy(back, to, &[&other.tensors]),
        false => copy(back, to, &[&other.sessions, &other.answers]),
    });
    copy(client, host, &[if tensors { &moved.tensors } else { &moved.sessions }]);
}

fn copy(mut from: TcpStream, mut to: TcpStream, counts: &[&AtomicU64]) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        for count in counts {
            count.fetch_add(n as u64, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
