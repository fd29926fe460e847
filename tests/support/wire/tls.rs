//! The same client in TLS.

use std::{
    fs,
    io::{self, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::Arc,
};

use mysql_common::constants::CapabilityFlags;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, ProtocolVersion, RootCertStore,
    SignatureScheme, StreamOwned, SupportedProtocolVersion,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};

use super::{Login, Wire, WireError, malformed};

/// What the wire's bytes go through.
#[derive(Debug)]
pub(super) enum Channel {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// How a client wants to be encrypted, and whom it trusts. Connections made with the same one resume its sessions.
#[derive(Debug, Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts the authorities of this file, and `localhost` that one of them has certified.
    pub(crate) fn trusting(authorities: &Path) -> Self {
        Self::new(authorities, None, rustls::ALL_VERSIONS)
    }

    /// Takes whatever certificate it is shown.
    pub(crate) fn credulous() -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(rustls::ALL_VERSIONS).unwrap().dangerous();
        Self(Arc::new(builder.with_custom_certificate_verifier(Arc::new(Credulous)).with_no_client_auth()))
    }

    /// Trusts as [`Tls::trusting`] does, and shows a certificate of its own.
    pub(crate) fn showing(authorities: &Path, identity: &Identity) -> Self {
        Self::new(authorities, Some(identity), rustls::ALL_VERSIONS)
    }

    /// Trusts the same, in one version alone.
    pub(crate) fn only(authorities: &Path, version: &'static SupportedProtocolVersion) -> Self {
        Self::new(authorities, None, &[version])
    }

    fn new(authorities: &Path, identity: Option<&Identity>, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(authorities));
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        Self(Arc::new(match identity {
            Some(Identity { cert, key }) => {
                builder.with_client_auth_cert(certificates(cert), PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
            }
            None => builder.with_no_client_auth(),
        }))
    }
}

/// Verifies nothing.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
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
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(&fs::read(path).unwrap()).collect::<Result<_, _>>().unwrap()
}

impl Wire {
    /// Asks for TLS after the greeting, and shakes hands.
    pub(crate) fn encrypt(mut self, login: &Login, tls: &Tls) -> Result<Self, WireError> {
        if !self.greeting.capabilities.contains(CapabilityFlags::CLIENT_SSL) {
            return malformed("TLS is not offered");
        }
        self.send_payload(1, &login.tls_request(&self.greeting))?;
        self.handshake(tls)?;
        Ok(self)
    }

    /// Shakes hands now.
    pub(crate) fn handshake(&mut self, tls: &Tls) -> Result<(), WireError> {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream =
            StreamOwned::new(ClientConnection::new(Arc::clone(&tls.0), name).unwrap(), self.stream().try_clone()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.stream = Channel::Tls(Box::new(stream));
        Ok(())
    }

    /// Whether it is in TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(self.stream, Channel::Tls(_))
    }

    /// What was agreed on.
    pub(crate) fn agreed(&self) -> Option<(ProtocolVersion, HandshakeKind)> {
        match &self.stream {
            Channel::Tls(stream) => Some((stream.conn.protocol_version()?, stream.conn.handshake_kind()?)),
            Channel::Plain(_) => None,
        }
    }

    /// The certificate that the server has shown.
    pub(crate) fn shown(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Channel::Tls(stream) => Some(stream.conn.peer_certificates()?.first()?.to_vec()),
            Channel::Plain(_) => None,
        }
    }

    /// Says in TLS's words that no more comes, and still reads.
    pub(crate) fn close_notify(&mut self) {
        if let Channel::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
    }
}

impl Channel {
    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Channel {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(room),
            Self::Tls(stream) => stream.read(room),
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
