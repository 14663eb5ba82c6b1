use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const FRESH: Duration = Duration::from_secs(8);

fn selector() -> String {
    LinesWatch::selector(&ClusterName::new("app1").expect("a name"), "canary")
}

/// Answers every request with `answer`, and says what was asked for.
async fn serve(answer: &'static str) -> (NodePort, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).await.unwrap_or(0);
            let _ = asked.send(String::from_utf8_lossy(&buffer[..length]).into_owned());
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let host = "log-receiver".to_owned();
    (NodePort { address, host }, requests)
}

async fn seen(answer: &'static str, now: f64) -> Seen {
    let (store, _) = serve(answer).await;
    newest(&store, &selector(), FRESH, || now).await
}

// As VictoriaLogs 1.52.1 answers.
const ONE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/stream+json\r\nconnection: close\r\n\r\n{\"_msg\":\"1795595539243 1795595603.250000\"}\n";
const NONE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn the_newest_line_says_up_to_when_lines_have_arrived() {
    let young = seen(ONE, 1_795_595_611.25).await;
    assert!(young.good, "{}", young.detail);
    assert_eq!(young.values.get(STORED_UNTIL), Some(&1_795_595_603.25));
    let old = seen(ONE, 1_795_595_611.35).await;
    assert!(!old.good && old.detail.contains("8.1 s old"), "{}", old.detail);
    assert_eq!(old.values.get(STORED_UNTIL), Some(&1_795_595_603.25));
}

#[tokio::test]
async fn a_store_without_lines_answers_and_one_in_trouble_does_not() {
    let empty = seen(NONE, 0.0).await;
    assert!(!empty.good);
    assert_eq!(empty.values.get(STORED_UNTIL), Some(&0.0));
    for trouble in [
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>",
    ] {
        let seen = seen(trouble, 0.0).await;
        assert!(!seen.good && seen.values.is_empty(), "{trouble}: {}", seen.detail);
    }
}

#[tokio::test]
async fn the_query_names_the_canarys_stream_and_nothing_else() {
    let (store, mut requests) = serve(ONE).await;
    newest(&store, &selector(), FRESH, || 0.0).await;
    let request = requests.recv().await.expect("a request");
    let query = "GET /select/logsql/query?query=%7Bcluster%3D%22app1%22%2C%22k8s.container.name%22%3D%22canary%22%7D%20_time%3A5m%20%7C%20";
    assert!(request.starts_with(query), "{request}");
    assert!(all(&selector(), Duration::from_secs(90)).contains("_time%3A90s"));
}

#[test]
fn every_line_is_kept_with_how_often_it_is_there() {
    let text = "{\"_msg\":\"1002 1795595602.000000\"}\n{\"_msg\":\"1001 1795595601.000000\"}\n{\"_msg\":\"1002 1795595602.000000\"}\n{\"_msg\":\"usage: canary PORT SHARDS\"}\n";
    let seen = numbers(text);
    let expected = [("log/1001".to_owned(), 1.0), ("log/1002".to_owned(), 2.0)];
    assert_eq!(seen.values.into_iter().collect::<Vec<_>>(), expected);
    assert!(seen.good);
    assert!(!numbers("cannot parse `query` arg").good);
    assert!(numbers("").good);
}
