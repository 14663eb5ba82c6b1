//! A process of the agent that is started again whenever it ends, as systemd does.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_agent");

/// A process that is started again whenever it ends, as systemd does.
pub(crate) struct Kept {
    child: Arc<Mutex<Option<Child>>>,
    over: Arc<AtomicBool>,
    pub(crate) lives: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Kept {
    pub(crate) fn start(root: &Path, word: &'static str) -> Self {
        let (child, over, lives) = (Arc::default(), Arc::default(), Arc::default());
        let mut kept = Self {
            child,
            over,
            lives,
            thread: None,
        };
        let (child, over, lives) = (kept.child.clone(), kept.over.clone(), kept.lives.clone());
        let root = root.to_owned();
        kept.thread = Some(std::thread::spawn(move || {
            loop {
                {
                    // Asked and started under one lock: else the end, coming between the two, kills the life before and waits
                    // for ever for the one that starts.
                    let mut slot = lock(&child);
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    *slot = Some(spawn(&root, word));
                    lives.fetch_add(1, Ordering::SeqCst);
                }
                while matches!(lock(&child).as_mut().map(Child::try_wait), Some(Ok(None))) {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        }));
        kept
    }

    /// Kills the present life.
    pub(crate) fn kill(&self) {
        if let Some(child) = lock(&self.child).as_mut() {
            let _ = child.kill();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(child) = lock(&self.child).as_mut() {
            let _ = child.kill();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(mut child) = lock(&self.child).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// What it says goes into `WORD.log` below its root.
fn spawn(root: &Path, word: &str) -> Child {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(root.join(format!("{word}.log")));
    let log = log.expect("a log");
    Command::new(PROGRAM)
        .arg(word)
        .env("DRILLYARD_ROOT", root)
        .env("DRILLYARD_FAILPOINT", root.join("failpoint"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("cloned"))
        .stderr(log)
        .spawn()
        .expect("started")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
