//! One HTTP request on one fresh connection: what a new client would meet.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Most bytes of an answer that are read.
const MAX_BODY: usize = 64 * 1024;

/// Why there was no answer. Texts are short: they go into every bad sample.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection.
    #[error("connect: {0}")]
    Connect(#[source] std::io::Error),
    /// The connection broke, or the answer was no HTTP.
    #[error("http: {0}")]
    Http(#[from] hyper::Error),
    /// The request cannot be made of these parts.
    #[error("request: {0}")]
    Request(#[from] http::Error),
    /// The body is too long or broke off.
    #[error("body: {0}")]
    Body(String),
}

/// GET; the status and the body's text.
pub async fn get(address: SocketAddr, host: &str, path: &str) -> Result<(u16, String), HttpError> {
    let stream = TcpStream::connect(address).await.map_err(HttpError::Connect)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = http::Request::get(path)
        .header(http::header::HOST, host)
        .header(http::header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    // Driven here and not by a task of its own: it ends with this request, also when that is given up.
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        let body = body.map_err(|e| HttpError::Body(e.to_string()))?.to_bytes();
        Ok::<_, HttpError>((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        ended = &mut connection => {
            ended?;
            // The server closed after its last byte; what it sent is there already.
            answer.await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn serve(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 1024];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(answer).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn an_answer_with_and_without_length_is_read_whole() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"[..],
            b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello",
        ] {
            let got = get(serve(answer).await, "web", "/").await.expect("answer");
            assert_eq!(got, (200, "hello".to_owned()));
        }
    }

    #[tokio::test]
    async fn no_server_and_no_http_are_errors() {
        let free = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bind")
            .local_addr()
            .expect("address");
        assert!(matches!(get(free, "web", "/").await, Err(HttpError::Connect(_))));
        assert!(matches!(
            get(serve(b"nonsense\r\n\r\n").await, "web", "/").await,
            Err(HttpError::Http(_))
        ));
    }
}
