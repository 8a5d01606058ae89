//! One connection of one person.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{Result, work::Sent};

/// A request that takes longer has failed.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection, which is opened again if it was closed.
pub struct Connection {
    address: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

/// A reply that was read to its end.
pub struct Read {
    pub status: StatusCode,
    pub body: Bytes,
}

impl Connection {
    /// `url`: such as `http://127.0.0.1:7300`.
    pub fn new(url: &str) -> Result<Self> {
        let address = url.strip_prefix("http://").ok_or("the address must begin with http://")?;
        Ok(Self { address: address.trim_end_matches('/').to_owned(), sender: None })
    }

    /// Sends a request and reads its reply.
    ///
    /// # Errors
    /// No connection, or no complete reply within 30 s.
    pub async fn send(&mut self, sent: &Sent, token: &str) -> Result<Read> {
        let result = tokio::time::timeout(TIMEOUT, self.try_send(sent, token)).await;
        let result = result.unwrap_or_else(|_| Err("no reply within 30 s".into()));
        if result.is_err() {
            self.sender = None;
        }
        result
    }

    async fn try_send(&mut self, sent: &Sent, token: &str) -> Result<Read> {
        let request = self.request(sent, token)?;
        let sender = self.open().await?;
        let reply = sender.send_request(request).await?;
        let status = reply.status();
        Ok(Read { status, body: reply.into_body().collect().await?.to_bytes() })
    }

    /// Opens an event stream and reads it until it ends. Calls `opened` with the first message.
    pub async fn stream(&mut self, token: &str, opened: impl FnOnce(StatusCode)) -> Result {
        let sent = Sent {
            method: hyper::Method::GET,
            path: "/api/sync/events".to_owned(),
            body: None,
            sender: crate::work::Sender::Student,
        };
        let request = self.request(&sent, token)?;
        let reply = self.open().await?.send_request(request).await?;
        let status = reply.status();
        let mut body = reply.into_body();
        let first = body.frame().await.transpose()?;
        opened(if first.is_some() { status } else { StatusCode::BAD_GATEWAY });
        while body.frame().await.transpose()?.is_some() {}
        Ok(())
    }

    fn request(&self, sent: &Sent, token: &str) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(&sent.method)
            .uri(&sent.path)
            .header("host", &self.address)
            .header("authorization", format!("Bearer {token}"));
        if sent.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = sent.body.clone().map(Bytes::from).unwrap_or_default();
        Ok(request.body(Full::new(body))?)
    }

    async fn open(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        let sender = self.sender.as_mut().ok_or("no connection")?;
        sender.ready().await?;
        Ok(sender)
    }
}
