use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use dashboard_cast::http::{App, Limits, serve};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::fake::{FakeCore, FakeLive, FakeMedia, INIT, SEGMENT, app, app_with};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Server {
    async fn start(app: App<FakeCore, FakeMedia>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, told) = oneshot::channel();
        let running = tokio::spawn(serve(listener, app, async move {
            let _ = told.await;
        }));
        Self { address, shutdown, running }
    }

    async fn connect(&self) -> Client {
        Client(BufReader::new(TcpStream::connect(self.address).await.unwrap()))
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    async fn request(&mut self, method: &str, path: &str, headers: &str) {
        self.send(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await;
    }

    /// Lines up to the empty one, in lower case.
    async fn head(&mut self) -> String {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("an answer");
            if read.unwrap() == 0 || line == "\r\n" {
                return head.to_lowercase();
            }
            head.push_str(&line);
        }
    }

    async fn body(&mut self, length: usize) -> Vec<u8> {
        let mut body = vec![0; length];
        timeout(PATIENCE, self.0.read_exact(&mut body)).await.expect("a body").unwrap();
        body
    }

    /// All that comes until the server closes.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let end = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await.expect("an end");
        // A reset is an end too.
        drop(end);
        rest
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = Server::start(app()).await;
    let mut client = server.connect().await;
    client.request("OPTIONS", "/media/t0k3n/7.m4s", "").await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 204"), "{head}");
    assert!(!head.contains("\r\ncontent-length:"), "{head}");
    client.request("HEAD", "/media/t0k3n/7.m4s", "").await;
    let head = client.head().await;
    assert!(head.contains("content-length: 10\r\n"), "{head}");
    assert!(head.contains("\r\ndate: "), "{head}");
    client.request("HEAD", "/media/t0k3n/stream.mp4", "").await;
    let head = client.head().await;
    assert!(!head.contains("\r\ncontent-length:"), "{head}");
    client.request("GET", "/media/t0k3n/7.m4s", "Range: bytes=8-\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 206"), "{head}");
    assert_eq!(client.body(2).await, b"89");
    client.request("GET", "/media/t0k3n/7.m4s", "").await;
    client.head().await;
    assert_eq!(client.body(SEGMENT.len()).await, SEGMENT);
}

#[tokio::test]
async fn the_endless_file_comes_in_chunks_as_they_are_made() {
    let server = Server::start(app()).await;
    let mut client = server.connect().await;
    client.request("GET", "/media/t0k3n/stream.mp4", "").await;
    let head = client.head().await;
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    for chunk in [INIT, SEGMENT] {
        let expected = format!("{:X}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk));
        assert_eq!(client.body(expected.len()).await, expected.as_bytes());
    }
}

#[tokio::test]
async fn a_caller_who_sends_too_much_reads_why() {
    let server = Server::start(app()).await;
    let mut client = server.connect().await;
    let body = "x".repeat(500_000);
    client.request("POST", "/start", &format!("Content-Length: {}\r\n", body.len())).await;
    client.send(&body).await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 413"), "{head}");
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let server = Server::start(app()).await;
    let mut client = server.connect().await;
    client.send("\x16\x03\x01 hello\r\n\r\n").await;
    assert!(client.head().await.starts_with("http/1.1 400"));
    let mut client = server.connect().await;
    let padding = "x".repeat(32 * 1024);
    client.request("GET", "/", &format!("X-Padding: {padding}\r\n")).await;
    assert!(client.head().await.starts_with("http/1.1 431"));
}

fn hasty(mut app: App<FakeCore, FakeMedia>) -> App<FakeCore, FakeMedia> {
    app.limits = Limits {
        request_read: Duration::from_millis(300),
        write_stall: Duration::from_millis(300),
        shutdown: Duration::from_millis(300),
        ..app.limits
    };
    app
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    let server = Server::start(hasty(app())).await;
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: local").await;
    assert!(!client.rest().await.starts_with(b"HTTP/1.1 200"));
    let mut idle = server.connect().await;
    idle.request("GET", "/page/icon.svg", "").await;
    assert!(idle.rest().await.starts_with(b"HTTP/1.1 200"), "and then closed");
}

#[tokio::test]
async fn a_reader_that_stopped_makes_room_for_others() {
    let live =
        FakeLive { chunks: vec![Bytes::from(vec![7; 32 * 1024 * 1024])], ..FakeLive::default() };
    let mut app = hasty(app_with(live, dashboard_cast::http::Access::new(None, false, [])));
    app.limits.connections = 1;
    let server = Server::start(app).await;
    let mut stuck = server.connect().await;
    stuck.request("GET", "/media/t0k3n/stream.mp4", "").await;
    stuck.head().await;
    let mut next = server.connect().await;
    next.request("GET", "/page/icon.svg", "").await;
    assert!(next.head().await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let mut app = app();
    app.limits.connections = 1;
    let server = Server::start(app).await;
    let mut first = server.connect().await;
    first.request("GET", "/page/icon.svg", "").await;
    first.head().await;
    let mut second = server.connect().await;
    second.request("GET", "/page/icon.svg", "").await;
    let early = timeout(Duration::from_millis(200), second.0.fill_buf()).await;
    assert!(early.is_err(), "answered while the first connection was open");
    drop(first);
    assert!(second.head().await.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn shutdown_lets_answers_end_and_cuts_endless_ones() {
    let server = Server::start(hasty(app())).await;
    let mut endless = server.connect().await;
    endless.request("GET", "/media/t0k3n/stream.mp4", "").await;
    endless.head().await;
    let mut idle = server.connect().await;
    idle.request("GET", "/page/icon.svg", "").await;
    idle.head().await;
    let begun = Instant::now();
    server.shutdown.send(()).unwrap();
    timeout(PATIENCE, server.running).await.expect("an end").unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300), "the endless one was given its time");
    assert!(!endless.rest().await.ends_with(b"0\r\n\r\n"), "a cut stream is not a whole one");
    idle.rest().await;
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_idle_connections() {
    let mut app = app();
    app.limits.shutdown = PATIENCE * 3;
    let server = Server::start(app).await;
    let mut idle = server.connect().await;
    idle.request("GET", "/page/icon.svg", "").await;
    idle.head().await;
    server.shutdown.send(()).unwrap();
    timeout(PATIENCE, server.running).await.expect("an end").unwrap();
}
