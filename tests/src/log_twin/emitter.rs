//! What stands for a container: numbered lines, as containerd writes them, into a file that is turned over now and then.

use domain::drill::measure::ledger::Emitted;
use model::moment::Moment;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time between two lines.
const PERIOD: Duration = Duration::from_millis(50);

/// Writes until it is ended.
#[derive(Debug)]
pub struct Emitter {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<Result<(), String>>>,
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    file: Mutex<(File, u32)>,
    written: Mutex<Vec<Emitted>>,
    ended: AtomicBool,
}

impl Emitter {
    /// Begins below `pods`, the folder that stands for `/var/log/pods`.
    pub fn start(pods: &Path) -> Result<Self, String> {
        let folder =
            pods.join("monitoring_prometheus-agent-5d9f7c-x2x_0b1c2d3e-1111-2222-3333-444455556666/canary");
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let file = open(&folder)?;
        let shared = Arc::new(Shared {
            folder,
            file: Mutex::new((file, 0)),
            written: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let writing = Arc::clone(&shared);
        let writer = Some(std::thread::spawn(move || writing.write()));
        Ok(Self { shared, writer })
    }

    /// Renames the file and begins another, as the kubelet does.
    pub fn turn_over(&self) -> Result<(), String> {
        let mut file = self.shared.file.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = &self.shared.folder;
        file.1 += 1;
        let old = folder.join(format!("0.log.20260101-00000{}", file.1));
        std::fs::rename(folder.join("0.log"), old).map_err(|e| e.to_string())?;
        file.0 = open(folder)?;
        Ok(())
    }

    /// How many lines are written.
    pub fn count(&self) -> usize {
        self.shared
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Ends it; everything that was written.
    pub fn end(mut self) -> Result<Vec<Emitted>, String> {
        self.shared.ended.store(true, Ordering::Relaxed);
        let writer = self.writer.take().ok_or("it has ended")?;
        writer.join().map_err(|_| "the writer stopped")??;
        Ok(std::mem::take(
            &mut *self.shared.written.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

impl Drop for Emitter {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn write(&self) -> Result<(), String> {
        let begin = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|e| e.to_string())?;
        let first = u64::try_from(begin.as_millis()).map_err(|e| e.to_string())?;
        for number in first.. {
            if self.ended.load(Ordering::Relaxed) {
                break;
            }
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_err(|e| e.to_string())?;
            let at = Moment(i64::try_from(now.as_micros()).map_err(|e| e.to_string())?);
            let line = format!(
                "{} stdout F {number} {}.{:06}\n",
                rfc3339(at),
                now.as_secs(),
                now.subsec_micros()
            );
            {
                let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
                file.0.write_all(line.as_bytes()).map_err(|e| e.to_string())?;
                let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
                written.push(Emitted { number, at });
            }
            std::thread::sleep(PERIOD);
        }
        Ok(())
    }
}

/// With nanoseconds, as containerd has them.
fn rfc3339(at: Moment) -> String {
    let text = domain::drill::measure::stamp::Stamp::from(at).to_string();
    text.replace('Z', "000Z")
}

fn open(folder: &Path) -> Result<File, String> {
    let path = folder.join("0.log");
    let file = File::options().create(true).append(true).open(&path);
    file.map_err(|e| format!("{}: {e}", path.display()))
}
