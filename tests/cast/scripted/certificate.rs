//! Certificates as only TVs have them.

use std::{
    path::Path,
    process::Command,
    sync::{Arc, LazyLock},
};

use tokio_rustls::rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

/// One certificate for all TVs of a test run: making an RSA key takes a while.
pub(super) static CONFIG: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("making a directory");
    make_certificate(directory.path(), "rsa:2048", "-sha1", Validity::Now);
    let key = PrivateKeyDer::from_pem_file(directory.path().join("key.pem")).expect("a key");
    let certificate =
        CertificateDer::from_pem_file(directory.path().join("certificate.pem")).expect("one");
    let provider = ring::default_provider();
    let key = provider.key_provider.load_private_key(key).expect("a key that ring can use");
    let certified = Arc::new(CertifiedKey::new(vec![certificate], key));
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(certified)));
    Arc::new(config)
});

/// rustls would look into a certificate that it is to present, and refuse version 1.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Now,
    Past,
}

/// Makes `key.pem` and `certificate.pem`: X.509 version 1, signed with its own key, as TVs do it.
#[track_caller]
pub(crate) fn make_certificate(directory: &Path, key: &str, digest: &str, validity: Validity) {
    let run = |arguments: &str| openssl(directory, arguments);
    run(&format!("req -new -newkey {key} -nodes -keyout key.pem -subj /CN=tv -out request.pem"));
    let sign = if run("version").starts_with("OpenSSL 3.0.") {
        let days = if validity == Validity::Now { "2" } else { "-1" };
        format!("x509 -req -in request.pem -signkey key.pem -days {days}")
    } else {
        // Later ones make version 3 unless told otherwise, and with the extensions of the usual
        // configuration even then; and they refuse a number of days below zero.
        let dates = match validity {
            Validity::Now => "-days 2",
            Validity::Past => "-not_before 20240101000000Z -not_after 20240102000000Z",
        };
        format!("req -x509 -x509v1 -config /dev/null -key key.pem -subj /CN=tv {dates}")
    };
    run(&format!("{sign} {digest} -out certificate.pem"));
    let made = run("x509 -in certificate.pem -noout -text");
    assert!(made.contains("Version: 1 "), "{made}");
}

/// Runs it to its end and gives what it printed.
#[track_caller]
fn openssl(directory: &Path, arguments: &str) -> String {
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .output()
        .expect("running openssl: apt install openssl");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {words}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
