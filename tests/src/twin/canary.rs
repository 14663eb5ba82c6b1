//! A scrape target whose value counts up with every scrape, with a log of what it served and filler to make volume.

use super::http::read_head;
use domain::drill::measure::ledger::Emitted;
use model::moment::Moment;
use std::fmt::Write as _;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Series per scrape: each carries the same number.
pub const SHARDS: u64 = 2;
/// Samples that a scrape appends beside the filler: the shards and the five that Prometheus adds by itself.
pub const PER_SCRAPE: u64 = SHARDS + 5;
/// Bytes of one filler series' label; a scrape of filler is some of these.
const PAD: usize = 8 << 10;

/// The target.
#[derive(Debug, Clone)]
pub struct Canary {
    address: SocketAddr,
    served: Arc<Mutex<Vec<Emitted>>>,
}

impl Canary {
    /// On a free port of loopback; every scrape has `filler` bytes of new series beside the canary's own.
    pub fn start(filler: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let canary = Self {
            address: listener.local_addr()?,
            served: Arc::default(),
        };
        let serving = canary.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.answer(client, filler));
            }
        });
        Ok(canary)
    }

    /// Where it is scraped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything served so far, per shard the same.
    pub fn log(&self) -> Vec<Emitted> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn answer(&self, client: TcpStream, filler: u64) {
        let Ok(mut writer) = client.try_clone() else {
            return;
        };
        let mut reader = BufReader::new(client);
        while read_head(&mut reader) {
            let page = self.page(filler);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
                page.len()
            );
            if writer
                .write_all(head.as_bytes())
                .and_then(|()| writer.write_all(page.as_bytes()))
                .is_err()
            {
                return;
            }
        }
    }

    fn page(&self, filler: u64) -> String {
        let number = {
            let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
            let number = served.last().map_or(1, |e| e.number + 1);
            served.push(Emitted { number, at: now() });
            number
        };
        let mut page = String::new();
        for shard in 0..SHARDS {
            let _ = writeln!(page, "canary_sequence{{shard=\"{shard}\"}} {number}");
        }
        let pad = "x".repeat(PAD);
        let mut written = 0;
        while written < filler {
            let _ = writeln!(page, "filler{{id=\"{number}-{written}\",pad=\"{pad}\"}} 1");
            written += u64::try_from(PAD).unwrap_or(u64::MAX);
        }
        page
    }
}

/// Wall time.
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
