//! An API server for tests: plain HTTP, one request per connection, answers by a function.

use super::kube::Cluster;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Request lines with their bodies, in order.
pub(crate) type Seen = Arc<Mutex<Vec<(String, Value)>>>;

/// A cluster whose API server answers each request (its first line and its body) with what `answers` says.
pub(crate) async fn serve(
    folder: &Path,
    answers: impl Fn(&str, &Value) -> (u16, Value) + Send + 'static,
) -> (Cluster, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let port = listener.local_addr().expect("an address").port();
    let seen = Seen::default();
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some((line, body)) = request(&mut stream).await else {
                continue;
            };
            let (status, answer) = answers(&line, &body);
            kept.lock().expect("whole").push((line, body));
            let text = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                text.len()
            );
            // A client that went away is the test's own affair.
            let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
        }
    });
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let path = folder.join("kubeconfig");
    std::fs::write(&path, config.to_string()).expect("written");
    (Cluster::open("c", &path).await.expect("opened"), seen)
}

async fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let line = head.lines().next().unwrap_or_default().to_owned();
            return Some((line, serde_json::from_str(body).unwrap_or_default()));
        }
    }
}
