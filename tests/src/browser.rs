//! A real Chromium without a window, spoken to over its DevTools pipe: no port is opened and no library is needed.
//!
//! Messages are JSON with a zero byte behind each. The browser reads them from descriptor 3 and writes to 4, which a shell
//! makes of its own stdin and stdout.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Longest wait for the answer to a command.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where distributions put it.
const PROGRAMS: [&str; 4] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/usr/bin/google-chrome-stable",
];

/// The browser's program, or why there is none.
pub fn program() -> Result<&'static str, String> {
    let found = PROGRAMS.iter().find(|path| Path::new(path).is_file());
    found
        .copied()
        .ok_or_else(|| format!("no Chromium is installed: none of {}", PROGRAMS.join(", ")))
}

/// Whether there is a browser to test with; says why not. With `DRILLYARD_REQUIRE_LAB` set there must be one.
pub fn fit() -> bool {
    let Err(reason) = program() else { return true };
    assert!(
        std::env::var_os("DRILLYARD_REQUIRE_LAB").is_none(),
        "the page must be tested here, but: {reason}"
    );
    eprintln!("SKIPPED: {reason}");
    false
}

/// A browser with one page.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// Everything that the page told of itself: requests, log entries, exceptions.
    pub told: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it with a profile of its own.
    pub fn start() -> Result<Self, String> {
        let program = program()?;
        let profile = tempfile::tempdir().map_err(|e| e.to_string())?;
        let mut child = Command::new("/bin/sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1", program])
            .args([
                "--headless=new",
                // Chromium refuses to run as root otherwise; it shows nothing but a page of ours.
                "--no-sandbox",
                "--disable-gpu",
                // Shared memory, of which a container may have little.
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("{program}: {e}"))?;
        let commands = child.stdin.take().ok_or("no stdin")?;
        let output = child.stdout.take().ok_or("no stdout")?;
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for part in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&part) else {
                    continue;
                };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            commands,
            messages,
            session: None,
            last: 0,
            told: Vec::new(),
            _profile: profile,
        };
        browser.attach()?;
        Ok(browser)
    }

    fn attach(&mut self) -> Result<(), String> {
        let targets = self.call("Target.getTargets", json!({}))?;
        let page = targets["targetInfos"]
            .as_array()
            .and_then(|all| all.iter().find(|target| target["type"] == "page"))
            .ok_or("the browser has no page")?;
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", attach)?;
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(())
    }

    /// A command of the DevTools protocol, and its result.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.last += 1;
        let id = self.last;
        let mut command = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands
            .write_all(&bytes)
            .and_then(|()| self.commands.flush())
            .map_err(|e| format!("{method}: {e}"))?;
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut message = match self.messages.recv_timeout(left) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => return Err(format!("{method}: no answer")),
                Err(RecvTimeoutError::Disconnected) => return Err(format!("{method}: the browser ended")),
            };
            if message["id"] != id {
                self.told.push(message);
                continue;
            }
            if message["error"].is_object() {
                return Err(format!("{method}: {}", message["error"]));
            }
            return Ok(message["result"].take());
        }
    }

    /// Goes to an address.
    pub fn open(&mut self, url: &str) -> Result<(), String> {
        let answer = self.call("Page.navigate", json!({"url": url}))?;
        match answer["errorText"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(()),
        }
    }

    /// The value of an expression in the page; promises are waited for.
    pub fn eval(&mut self, expression: &str) -> Result<Value, String> {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", params)?;
        if answer["exceptionDetails"].is_object() {
            return Err(answer["exceptionDetails"]["exception"]["description"].to_string());
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression of the page is true; what it was at last is in the failure.
    pub fn until(&mut self, what: &str, expression: &str) -> Result<(), String> {
        crate::patience::until(what, PATIENCE, || match self.eval(expression)? {
            Value::Bool(true) => Ok(()),
            other => Err(other.to_string()),
        })
    }

    /// Size of the window in CSS pixels, and `light` or `dark`.
    pub fn look(&mut self, width: u32, height: u32, scheme: &str) -> Result<(), String> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size)?;
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", scheme).map(|_| ())
    }

    /// A key, as if it was pressed.
    pub fn key(&mut self, key: &str) -> Result<(), String> {
        for kind in ["keyDown", "keyUp"] {
            let code = match key {
                "Enter" => 13,
                "ArrowDown" => 40,
                _ => 0,
            };
            let params = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", params)?;
        }
        Ok(())
    }

    /// Addresses of all requests so far.
    pub fn requests(&self) -> Vec<&str> {
        let sent = self
            .told
            .iter()
            .filter(|m| m["method"] == "Network.requestWillBeSent");
        sent.filter_map(|m| m["params"]["request"]["url"].as_str())
            .collect()
    }

    /// Exceptions, and what the console has of errors and violations; broken connections are none of these.
    pub fn complaints(&self) -> Vec<String> {
        let wanted = self.told.iter().filter(|m| match m["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled") => true,
            Some("Log.entryAdded") => m["params"]["entry"]["source"] != "network",
            _ => false,
        });
        wanted.map(|m| m["params"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
