//! One question to the local API server, over TLS with the cluster's own authority: is it ready?
//!
//! `kubeadm init phase wait-control-plane` reads no configuration and waits for the controllers too, which nothing after
//! it needs; and starting kubectl for each look would cost more than what is looked at.

use super::{Context, StepError, systemd, until};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(240);
const ANSWER: Duration = Duration::from_secs(5);

/// Waits until the server is ready; says what it sees when that changes.
pub(crate) fn await_ready(context: &Context, server: SocketAddrV4) -> Result<(), StepError> {
    let ca = context.paths.kubernetes().join("pki/ca.crt");
    let client = client(&ca).map_err(StepError::io("read", &ca))?;
    let mut shown = String::new();
    let mut kubelet_looked = Instant::now();
    until("the API server is ready", PATIENCE, LOOK, || {
        let last = match readyz(&client, server) {
            Ok(()) => return Ok(None),
            Err(error) => error.to_string(),
        };
        if last != shown {
            context.say(&format!("waiting for the API server: {last}"));
            shown.clone_from(&last);
        }
        if kubelet_looked.elapsed() > Duration::from_secs(20) {
            kubelet_looked = Instant::now();
            if !systemd::is_active("kubelet.service") {
                context.say("waiting for the API server: kubelet does not run");
            }
        }
        Ok(Some(last))
    })
}

/// Asks once.
pub(crate) fn is_ready(ca: &Path, server: SocketAddrV4) -> io::Result<()> {
    readyz(&client(ca)?, server)
}

fn client(ca: &Path) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(io::Error::other)? {
        roots
            .add(certificate.map_err(io::Error::other)?)
            .map_err(io::Error::other)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn readyz(client: &Arc<ClientConfig>, server: SocketAddrV4) -> io::Result<()> {
    let tcp = TcpStream::connect_timeout(&SocketAddr::V4(server), ANSWER)?;
    tcp.set_read_timeout(Some(ANSWER))?;
    tcp.set_write_timeout(Some(ANSWER))?;
    let name = ServerName::IpAddress((*server.ip()).into());
    let connection = ClientConnection::new(client.clone(), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, tcp);
    // In one piece: a server may answer and close after the first record.
    let request = format!("GET /readyz HTTP/1.0\r\nHost: {server}\r\nUser-Agent: drillyard-agent\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(in_words)?;
    let mut answer = Vec::new();
    // The server may cut the connection without a TLS goodbye; what came before it counts.
    let ended = stream.take(4096).read_to_end(&mut answer);
    let line = String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    match line.split_whitespace().nth(1) {
        Some("200") => Ok(()),
        Some(_) => Err(io::Error::other(format!("it answers {line:?}"))),
        None => Err(ended
            .err()
            .map(in_words)
            .unwrap_or_else(|| io::Error::other("it answers nothing"))),
    }
}

/// The kernel says of a time that ran out only that something is temporarily unavailable.
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "it accepts connections and answers nothing for {} s",
                ANSWER.as_secs()
            ),
        ),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use std::net::{Ipv4Addr, TcpListener};

    /// A TLS server that answers each connection with the next of `answers`.
    fn serve(answers: &'static [&'static str]) -> (SocketAddrV4, String) {
        let key = KeyPair::generate().expect("key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("params");
        let cert = params.self_signed(&key).expect("signed");
        let pem = cert.pem();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("key");
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("config");
        let config = Arc::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bound");
        let port = listener.local_addr().expect("address").port();
        std::thread::spawn(move || {
            for answer in answers {
                let (tcp, _) = listener.accept().expect("accepted");
                let mut tls =
                    StreamOwned::new(rustls::ServerConnection::new(config.clone()).expect("tls"), tcp);
                let mut head = [0u8; 512];
                let _ = tls.read(&mut head);
                let _ = tls.write_all(answer.as_bytes());
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        });
        (SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), pem)
    }

    #[test]
    fn a_time_that_ran_out_is_told_in_words() {
        for kind in [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut] {
            let told = in_words(kind.into()).to_string();
            assert_eq!(told, "it accepts connections and answers nothing for 5 s");
        }
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(in_words(refused).kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn only_200_from_a_server_of_our_authority_is_ready() {
        let (server, pem) = serve(&[
            "HTTP/1.0 500 no\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nok",
            "HTTP/1.0 200 OK\r\n\r\nok",
        ]);
        let dir = tempfile::tempdir().expect("temp");
        let (ours, other) = (dir.path().join("ca.crt"), dir.path().join("other.crt"));
        std::fs::write(&ours, pem).expect("written");
        std::fs::write(&other, serve(&[]).1).expect("written");
        assert!(
            is_ready(&ours, server)
                .expect_err("500")
                .to_string()
                .contains("500")
        );
        assert!(is_ready(&ours, server).is_ok());
        assert!(
            is_ready(&other, server).is_err(),
            "a foreign authority was trusted"
        );
    }
}
