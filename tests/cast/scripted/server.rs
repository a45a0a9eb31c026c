//! The TV on the network.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use prost::Message as _;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Order, Shared,
    certificate::CONFIG,
    wire::{Envelope, HEARTBEAT},
};

pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(16)
}

/// Serves until the test has dropped the TV.
pub(super) async fn serve(
    listener: TcpListener,
    shared: &Arc<Mutex<Shared>>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let mut listener = Some(listener);
    let mut tasks = JoinSet::new();
    let mut outlets: Vec<mpsc::UnboundedSender<Vec<u8>>> = Vec::new();
    loop {
        let accept = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accept => {
                let (socket, _) = accepted.expect("a connection");
                let (outlet, outgoing) = mpsc::unbounded_channel();
                let (number, dies) = {
                    let mut shared = shared.lock().expect("the test");
                    shared.connections += 1;
                    (shared.connections, shared.faults.dies_in_handshake)
                };
                if dies {
                    tasks.spawn(die(socket));
                } else {
                    outlets.push(outlet);
                    tasks.spawn(talk(number, socket, Arc::clone(shared), outgoing));
                }
            }
            order = orders.recv() => match order {
                None => return,
                Some(Order::Send(bytes)) => {
                    outlets.retain(|outlet| outlet.send(bytes.clone()).is_ok());
                }
                Some(Order::Cut) => {
                    tasks.shutdown().await;
                    outlets.clear();
                }
                Some(Order::Off(done)) => {
                    listener = None;
                    tasks.shutdown().await;
                    outlets.clear();
                    done.send(()).expect("the test");
                }
                Some(Order::On(address, done)) => {
                    let again = listen(address);
                    let result = again.map(|again| listener = Some(again));
                    done.send(result).expect("the test");
                }
            },
        }
    }
}

/// Hears the client out, says half a word of TLS and is gone.
async fn die(mut socket: TcpStream) {
    let mut hello = [0; 64];
    drop(socket.read(&mut hello).await);
    drop(socket.write_all(b"\x16\x03\x03\x00\x40\x02").await);
}

/// One sender. It ends when the sender goes; what the sender does to it is not its business.
async fn talk(
    number: usize,
    socket: TcpStream,
    shared: Arc<Mutex<Shared>>,
    mut outgoing: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let acceptor = TlsAcceptor::from(Arc::clone(&CONFIG));
    let Ok(socket) = acceptor.accept(socket).await else {
        return;
    };
    let (mut reading, mut writing) = tokio::io::split(socket);
    let (to_answer, mut heard) = mpsc::channel::<Envelope>(64);
    let read = async move {
        while let Ok(envelope) = receive(&mut reading).await {
            if to_answer.send(envelope).await.is_err() {
                return;
            }
        }
    };
    let answer = async {
        let mut open = Vec::new();
        loop {
            let bytes = tokio::select! {
                envelope = heard.recv() => {
                    let Some(envelope) = envelope else { return };
                    let mut shared = shared.lock().expect("the test");
                    let answers = shared.answer(number, &mut open, &envelope);
                    let mut bytes: Vec<u8> = answers.iter().flat_map(Envelope::frame).collect();
                    if shared.faults.coalesces && !bytes.is_empty() {
                        let ping = json!({"type": "PING"});
                        let ping = Envelope::new("receiver-0", "*", HEARTBEAT, &ping).frame();
                        bytes = [&ping[..], &bytes, &ping].concat();
                    }
                    bytes
                }
                bytes = outgoing.recv() => match bytes {
                    Some(bytes) => bytes,
                    None => return,
                },
            };
            let splits = shared.lock().expect("the test").faults.splits_frames;
            let piece = if splits { 1 } else { bytes.len().max(1) };
            for piece in bytes.chunks(piece) {
                if writing.write_all(piece).await.is_err() || writing.flush().await.is_err() {
                    return;
                }
            }
        }
    };
    // What was heard is answered even when no more is heard.
    tokio::select! {
        () = async { read.await; std::future::pending().await } => {}
        () = answer => {}
    }
}

async fn receive(socket: &mut tokio::io::ReadHalf<TlsStream<TcpStream>>) -> io::Result<Envelope> {
    let length = socket.read_u32().await?;
    let mut message = vec![0; length.try_into().expect("a length")];
    socket.read_exact(&mut message).await?;
    Envelope::decode(&message[..]).map_err(io::Error::other)
}
