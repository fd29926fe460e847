//! What a client's bytes go through: its socket, or TLS on it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

/// For whom the benchmark's certificates are.
const NAME: &str = "localhost";

/// A connection's bytes.
pub(crate) enum Channel {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Trusts who is certified by this file's authority; every handshake is a full one, unless it `resumes`.
pub(crate) fn config(authority: &Path, resumes: bool) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(authority).with_context(|| authority.display().to_string())?;
    roots.add_parsable_certificates(certificates.collect::<Result<Vec<_>, _>>()?);
    ensure!(!roots.is_empty(), "no certificate in {}", authority.display());
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

impl Channel {
    /// Shakes hands, where it is a socket alone.
    pub(crate) fn encrypt(self, config: &Arc<ClientConfig>) -> anyhow::Result<Self> {
        let connection = ClientConnection::new(Arc::clone(config), ServerName::try_from(NAME)?)?;
        let mut stream = StreamOwned::new(connection, self.into_socket());
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).context("shaking hands")?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }

    /// Whether its handshake has gone on from an earlier one.
    pub(crate) fn is_resumed(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.conn.handshake_kind() == Some(HandshakeKind::Resumed))
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref(),
        }
    }

    /// The socket alone, of a connection that is to be idle.
    pub(crate) fn into_socket(self) -> TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.into_parts().1,
        }
    }
}

impl Read for Channel {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(room),
            // Servers close without a word of TLS's.
            Self::Tls(stream) => match stream.read(room) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
