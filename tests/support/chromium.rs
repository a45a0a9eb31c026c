//! Headless Chromium for tests, driven over a pipe.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The most that Chromium may take to answer: two busy cores start it in a few seconds.
const ANSWER: Duration = Duration::from_secs(30);

/// A browser with one page. Ends with everything it started when dropped.
#[derive(Debug)]
pub(crate) struct Chromium {
    child: Child,
    to_browser: ChildStdin,
    from_browser: Receiver<Value>,
    page: String,
    last_id: u64,
    _profile: TempDir,
}

impl Chromium {
    /// Starts a browser whose page is `width` × `height`.
    #[track_caller]
    pub(crate) fn launch(width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().expect("making a profile directory");
        let mut command = Command::new("sh");
        // Chromium takes commands on descriptor 3 and answers on 4.
        command
            .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "sh"])
            .args(["chromium", "--headless=new", "--remote-debugging-pipe"])
            .args(["--no-first-run", "--disable-gpu", "--hide-scrollbars"])
            .arg("--autoplay-policy=no-user-gesture-required")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--window-size={width},{height}"));
        if rustix::process::geteuid().is_root() {
            // Chromium refuses to run as root with its sandbox; the pages here are our own.
            command.arg("--no-sandbox");
        }
        let mut child = command
            .arg("about:blank")
            // A killed Chromium leaves its sockets' directory behind.
            .env("TMPDIR", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("starting chromium");
        let to_browser = child.stdin.take().expect("the pipe to chromium");
        let answers = BufReader::new(child.stdout.take().expect("the pipe from chromium"));
        let (to_test, from_browser) = mpsc::channel();
        thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else {
                    break;
                };
                if to_test.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            child,
            to_browser,
            from_browser,
            page: String::new(),
            last_id: 0,
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let target = target["targetId"].clone();
        let attached =
            browser.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        browser.page = attached["sessionId"].as_str().unwrap_or_default().into();
        browser.call("Page.enable", &json!({}));
        browser.resize(width, height);
        browser
    }

    /// Makes the page this large.
    #[track_caller]
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
    }

    /// Whether the page's user likes it `light` or `dark`, and nothing that moves: what is looked at next is not
    /// to be on its way from one to the other.
    #[track_caller]
    pub(crate) fn prefer(&mut self, scheme: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Opens `url` in the page; its scripts may still be loading afterwards.
    #[track_caller]
    pub(crate) fn navigate(&mut self, url: &str) {
        let answer = self.call("Page.navigate", &json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "opening {url}: {}", answer["errorText"]);
    }

    /// What `expression` comes to in the page, promises awaited.
    #[track_caller]
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let mut answer = self.call(
            "Runtime.evaluate",
            &json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].take()
    }

    /// The page as a PNG.
    #[track_caller]
    pub(crate) fn screenshot(&mut self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        let data = answer["data"].as_str().expect("a screenshot's data");
        STANDARD.decode(data).expect("a screenshot is base64")
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.page.is_empty() {
            message["sessionId"] = json!(self.page);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.to_browser.write_all(&bytes).expect("asking chromium");
        let deadline = Instant::now() + ANSWER;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.from_browser.recv_timeout(left) {
                Ok(mut answer) if answer["id"] == id => {
                    assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                    return answer["result"].take();
                }
                Ok(_event) => {}
                Err(RecvTimeoutError::Timeout) => panic!("{method}: no answer in {ANSWER:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("{method}: chromium has ended"),
            }
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The group, because Chromium's own children outlive a killed parent for a while.
        if let Some(group) =
            i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        drop(self.child.wait());
    }
}
