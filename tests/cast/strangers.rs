//! What is no TV, or no TV yet; and certificates such as only TVs have.

use std::{
    error::Error as _,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use dashboard_cast::cast::google::{self, ConnectError, Lost, Timing};

use crate::{
    core::{Core, timing},
    scripted::{
        Faults, ScriptedTv,
        certificate::{Validity, make_certificate},
    },
};

const SHORT: Duration = Duration::from_millis(500);

async fn error(address: SocketAddr) -> ConnectError {
    let timing = Timing { request: SHORT, ..timing() };
    google::connect(address, timing).await.expect_err("not a TV")
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let error = error(address).await;
    assert!(matches!(error, ConnectError::Tcp { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("connecting to {address}"));
    assert!(error.source().is_some_and(|cause| cause.to_string().contains("refused")));
}

#[tokio::test]
async fn a_port_that_never_answers() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let begin = Instant::now();
    let timing = Timing { connect: SHORT, ..timing() };
    let error = google::connect(address, timing).await.expect_err("not a TV");
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error:?}");
    assert!(begin.elapsed() >= SHORT);
}

#[tokio::test]
async fn a_port_that_speaks_something_else() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let mut hello = [0; 16];
        socket.read_exact(&mut hello).expect("a hello");
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("an answer");
        // Until the client has gone.
        drop(socket.read_to_end(&mut Vec::new()));
    });
    let error = error(address).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    server.join().expect("the server");
}

#[tokio::test]
async fn a_tv_that_dies_in_the_middle_of_the_handshake() {
    let tv = ScriptedTv::start_with(Faults { dies_in_handshake: true, ..Faults::default() });
    let error = error(tv.address()).await;
    assert!(matches!(error, ConnectError::Tls { .. }), "{error:?}");
    tv.set_faults(|faults| faults.dies_in_handshake = false);
    Core::connect(&tv).await;
    assert_eq!(tv.connections(), 2);
}

#[tokio::test]
async fn a_tv_that_does_not_say_what_runs_on_it() {
    let tv = ScriptedTv::start_with(Faults { ignores: Some("GET_STATUS"), ..Faults::default() });
    let error = error(tv.address()).await;
    let first_look = matches!(error, ConnectError::FirstLook { source: Lost::NoStatus(_), .. });
    assert!(first_look, "{error:?}");
    tv.set_faults(|faults| (faults.ignores, faults.refuses) = (None, Some("GET_STATUS")));
    let refused = self::error(tv.address()).await;
    assert!(matches!(refused, ConnectError::FirstLook { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_server_of_https() {
    let server = Server::start("rsa:2048", "-sha256", Validity::Now, "-www");
    // It takes the frame for a request and answers in its own way, or waits for the rest of one.
    let error = error(server.address).await;
    assert!(matches!(error, ConnectError::FirstLook { .. }), "{error:?}");
}

/// A handshake is over when the error is about what comes after it.
async fn check_handshake(key: &str, digest: &str, validity: Validity, options: &str) {
    let server = Server::start(key, digest, validity, options);
    let error = error(server.address).await;
    let passed = matches!(error, ConnectError::FirstLook { source: Lost::NoStatus(_), .. });
    assert!(passed, "{key} {digest} {validity:?} {options}: {error:?}");
}

#[tokio::test]
async fn a_certificate_of_version_1_with_sha1() {
    check_handshake("rsa:2048", "-sha1", Validity::Now, "-tls1_2").await;
    check_handshake("rsa:2048", "-sha1", Validity::Now, "-tls1_3").await;
}

#[tokio::test]
async fn a_certificate_with_a_key_of_1024_bits() {
    check_handshake("rsa:1024", "-sha1", Validity::Now, "-tls1_2").await;
    check_handshake("rsa:1024", "-sha256", Validity::Now, "-tls1_3").await;
}

#[tokio::test]
async fn a_certificate_that_has_expired() {
    check_handshake("rsa:2048", "-sha256", Validity::Past, "-tls1_2").await;
}

#[tokio::test]
async fn a_tv_that_signs_its_handshake_with_sha1() {
    check_handshake("rsa:2048", "-sha1", Validity::Now, "-tls1_2 -sigalgs RSA+SHA1").await;
}

/// A TLS server that is no TV, with whatever certificate.
struct Server {
    server: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Server {
    #[track_caller]
    fn start(key: &str, digest: &str, validity: Validity, options: &str) -> Self {
        let directory = tempfile::tempdir().expect("making a directory");
        make_certificate(directory.path(), key, digest, validity);
        let (server, address) = Self::spawn(directory.path(), options);
        Self { server, address, _directory: directory }
    }

    fn spawn(directory: &Path, options: &str) -> (Child, SocketAddr) {
        let mut server = Command::new("openssl")
            // Distributions forbid short keys and SHA-1 by default.
            .args("s_server -accept 127.0.0.1:0 -cipher DEFAULT@SECLEVEL=0".split(' '))
            .args("-key key.pem -cert certificate.pem".split(' '))
            .args(options.split(' '))
            .current_dir(directory)
            // It says what it hears on its input, and would end with it.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("running openssl: apt install openssl");
        let mut words = BufReader::new(server.stdout.take().expect("openssl's output"));
        let address = words
            .by_ref()
            .lines()
            .find_map(|line| Some(line.ok()?.strip_prefix("ACCEPT ")?.to_owned()))
            .expect("an address from openssl");
        // Read to its end, or the server would be stopped by what it says.
        thread::spawn(move || std::io::copy(&mut words, &mut std::io::sink()));
        (server, address.parse().expect("an address"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
