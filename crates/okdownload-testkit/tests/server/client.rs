//! A client that hides nothing: it sends what it is told, and shows what came.

use std::io;
use std::sync::Arc;

use okdownload_testkit::server::Server;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

pub(crate) struct Client {
    stream: Box<dyn Stream>,
    inbox: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status_line: String,
    pub(crate) status: u16,
    pub(crate) lines: Vec<String>,
}

impl Head {
    /// The values of a header, joined.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .lines
            .iter()
            .filter_map(|line| line.split_once(':'))
            .filter(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

/// A secure connection, with these protocols on offer.
pub(crate) async fn tls(server: &Server, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let tcp = TcpStream::connect(server.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}

impl Client {
    pub(crate) async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        Self { stream: Box::new(stream), inbox: Vec::new() }
    }

    pub(crate) async fn connect_tls(server: &Server) -> Self {
        Self { stream: Box::new(tls(server, &[]).await), inbox: Vec::new() }
    }

    pub(crate) async fn send_raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.send_raw(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")).await;
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.inbox).await
    }

    pub(crate) async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.inbox.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.inbox.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub(crate) async fn head(&mut self) -> io::Result<Head> {
        let status_line = self.line().await?;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok(Head { status_line, status, lines })
    }

    /// Exactly so many bytes.
    pub(crate) async fn bytes(&mut self, len: usize) -> io::Result<Vec<u8>> {
        while self.inbox.len() < len {
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.inbox.drain(..len).collect())
    }

    /// All until the end of the connection, and how it ended.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, io::Result<()>) {
        let end = loop {
            match self.fill().await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        (std::mem::take(&mut self.inbox), end)
    }

    /// One chunk of a chunked body: the line before it, and its data. Empty data is the end of the body.
    pub(crate) async fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let line = self.line().await?;
        let len = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
        let data = self.bytes(len).await?;
        match self.line().await?.is_empty() {
            true => Ok(data),
            false => Err(io::Error::other("no line end after the data")),
        }
    }

    /// All of a chunked body that can be read, and how it ended.
    pub(crate) async fn chunks(&mut self) -> (Vec<u8>, io::Result<()>) {
        let mut body = Vec::new();
        loop {
            match self.chunk().await {
                Ok(data) if data.is_empty() => return (body, Ok(())),
                Ok(data) => body.extend(data),
                Err(error) => return (body, Err(error)),
            }
        }
    }

    /// Sends a request, and reads an answer whose length is given.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (Head, Vec<u8>) {
        self.send(method, path, headers).await;
        let head = self.head().await.unwrap();
        let len = head.get("content-length").map_or(0, |len| len.parse().unwrap());
        let body = if method == "HEAD" { Vec::new() } else { self.bytes(len).await.unwrap() };
        (head, body)
    }
}

/// A GET over a connection of its own, answered with a length.
pub(crate) async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> (Head, Vec<u8>) {
    Client::connect(server).await.ask("GET", path, headers).await
}

/// Sends a GET over a connection of its own, and reads the head of the answer.
pub(crate) async fn open(server: &Server, path: &str) -> (Client, Head) {
    let mut client = Client::connect(server).await;
    client.send("GET", path, &[]).await;
    let head = client.head().await.unwrap();
    (client, head)
}
