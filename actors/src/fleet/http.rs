//! One connection to an etcd, over HTTP/1.1, in clear or in TLS.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::settings::EtcdAddress;

/// How long etcd may take to answer anything. One that takes longer is as good as gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// No answer to what is asked here is longer.
const LONGEST: usize = 16 << 20;

/// What etcd's gateway says of a token that it does not know, or no more.
const NO_TOKEN: &str = "invalid auth token";

/// Why etcd could not be asked, or what it refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It could not be reached, or broke off.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
    /// It does not know who asks.
    #[error("etcd does not accept the token any more")]
    NoToken,
    /// It will not.
    #[error("etcd refuses: {0}")]
    Refused(String),
}

impl Fault {
    /// Whether etcd was there, and would not.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::NoToken | Self::Refused(_))
    }
}

impl From<hyper::Error> for Fault {
    fn from(error: hyper::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(error.to_string())
    }
}

/// A connection.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    /// Sends and receives; ends with the connection.
    _driver: Driver,
}

/// A task that ends when nobody needs it any more.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Waits no longer than etcd may take.
async fn patiently<T>(what: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    tokio::time::timeout(PATIENCE, what).await.unwrap_or(Err(Fault::Late))
}

impl Link {
    /// Connects.
    pub(super) async fn open(address: &EtcdAddress) -> Result<Self, Fault> {
        patiently(async {
            let socket = TcpStream::connect((address.host.as_str(), address.port)).await?;
            socket.set_nodelay(true)?;
            let host = address.authority();
            match address.tls.dialer() {
                None => Self::over(socket, host).await,
                Some(dialer) => {
                    let connector = TlsConnector::from(dialer.config().clone());
                    Self::over(connector.connect(dialer.server_name().clone(), socket).await?, host).await
                }
            }
        })
        .await
    }

    async fn over(socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, host: String) -> Result<Self, Fault> {
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        let driver = tokio::spawn(async move {
            // Whoever sends or receives hears of it.
            let _ = connection.await;
        });
        Ok(Self { sender, host, _driver: Driver(driver) })
    }

    /// Asks, and waits for the whole answer.
    pub(super) async fn ask(&mut self, path: &str, token: Option<&str>, question: &Value) -> Result<Value, Fault> {
        patiently(async {
            let response = self.send(path, token, question).await?;
            let whole = Limited::new(response.into_body(), LONGEST).collect().await;
            let whole = whole.map_err(|error| Fault::Unreachable(error.to_string()))?.to_bytes();
            serde_json::from_slice(&whole).map_err(|error| Fault::Unreachable(format!("it is no etcd: {error}")))
        })
        .await
    }

    /// Asks for what is answered bit by bit.
    pub(super) async fn follow(
        &mut self,
        path: &str,
        token: Option<&str>,
        question: &Value,
    ) -> Result<Incoming, Fault> {
        patiently(self.send(path, token, question)).await.map(Response::into_body)
    }

    async fn send(&mut self, path: &str, token: Option<&str>, question: &Value) -> Result<Response<Incoming>, Fault> {
        self.sender.ready().await?;
        let body = Full::new(Bytes::from(question.to_string()));
        let mut request = Request::post(path).header(HOST, &self.host).header(CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(body).map_err(|error| Fault::Unreachable(error.to_string()))?;
        let response = self.sender.send_request(request).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let whole = Limited::new(response.into_body(), LONGEST).collect().await;
        let whole = whole.map(|whole| whole.to_bytes()).unwrap_or_default();
        let said: Value = serde_json::from_slice(&whole).unwrap_or_default();
        match said["error"].as_str() {
            Some(text) if text.contains(NO_TOKEN) => Err(Fault::NoToken),
            // Without a leader, or with too much to do, it cannot; that is not that it will not.
            text if !status.is_client_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Fault::Unreachable(text.map_or_else(|| status.to_string(), str::to_owned)))
            }
            Some(text) => Err(Fault::Refused(text.to_owned())),
            None => Err(Fault::Refused(status.to_string())),
        }
    }
}
