//! A TCP gate between sender and receiver: open, it copies; closed, it cuts what is open and ends whatever comes.

use std::io::copy;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The gate; open when made.
#[derive(Debug, Clone)]
pub struct Gate {
    address: SocketAddr,
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    closed: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Gate {
    /// In front of `target`, on a free port of loopback.
    pub fn before(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let gate = Self {
            address: listener.local_addr()?,
            inside: Arc::new(Inside {
                closed: AtomicBool::new(false),
                open: Mutex::new(Vec::new()),
            }),
        };
        let inside = Arc::clone(&gate.inside);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                inside.admit(client, target);
            }
        });
        Ok(gate)
    }

    /// Where the sender sends to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The outage begins: nothing passes any more.
    pub fn close(&self) {
        let mut open = self.inside.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.inside.closed.store(true, Ordering::SeqCst);
        for stream in open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// The outage ends.
    pub fn open(&self) {
        self.inside.closed.store(false, Ordering::SeqCst);
    }
}

impl Inside {
    fn admit(&self, client: TcpStream, target: SocketAddr) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(target) else {
            return;
        };
        let pair = |a: &TcpStream, b: &TcpStream| Some((a.try_clone().ok()?, b.try_clone().ok()?));
        let (Some(there), Some(back), Some(kept)) = (
            pair(&client, &server),
            pair(&server, &client),
            pair(&client, &server),
        ) else {
            return;
        };
        open.extend([kept.0, kept.1]);
        for (mut from, mut to) in [there, back] {
            std::thread::spawn(move || {
                let _ = copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    }
}
