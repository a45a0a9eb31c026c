//! TLS as TVs speak it.

use std::sync::Arc;

use tokio_rustls::rustls::{
    self, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version,
};

/// TLS 1.2 and 1.3, with any certificate.
///
/// # Errors
/// The two versions and the ciphers do not go together.
pub(crate) fn client() -> Result<ClientConfig, rustls::Error> {
    // Named, because the default is whichever provider some other crate has switched on, or a panic.
    let provider = Arc::new(ring::default_provider());
    let verifier = AnyCertificate { provider: Arc::clone(&provider) };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // A configuration serves one connection.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Takes what real TVs present: certificates that they sign themselves, anew every two days, as
/// X.509 version 1, with SHA-1, from RSA keys of 1024 bits, past their date.
///
/// No authority vouches for such a certificate, and none stays long enough to be remembered, so
/// there is nothing to check it against. Even the handshake's signature is not checked: that needs
/// the public key out of the certificate, and rustls, rightly, reads neither version 1 nor short
/// keys. What a signature would prove here is only that the peer has the key that it has just made up.
///
/// The price: whoever can put himself between us and the TV on the local network can read and change
/// what we say to it, such as the address of the stream. The protocol's own answer, device
/// authentication, proves that *a* genuine device is at the end, not which; senders are never
/// authenticated at all. So TLS keeps out listeners only, and nothing secret but the stream's address
/// is ever told to a TV.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.provider.signature_verification_algorithms.supported_schemes();
        // A TV that signs with SHA-1 only would otherwise not even begin.
        schemes.extend([SignatureScheme::RSA_PKCS1_SHA1, SignatureScheme::ECDSA_SHA1_Legacy]);
        schemes
    }
}
