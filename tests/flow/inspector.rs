//! Looks into the page of a session from the side, as a developer would.

use std::{fs, net::TcpStream, os::unix::fs::PermissionsExt as _, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::{
    stage::{PATIENCE, Stage, files},
    support::{clock::Picture, wait::wait_for},
};

/// A daemon whose browser can be driven by the test as well.
#[track_caller]
pub(crate) fn stage() -> Stage {
    let directory = tempfile::tempdir().expect("making a directory");
    let program = directory.path().join("chromium");
    fs::write(&program, "#!/bin/sh\nexec chromium \"$@\" --remote-debugging-port=0\n")
        .expect("writing a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("making it one");
    let config = format!("[browser]\nprogram = \"{}\"\n", program.display());
    Stage::set_in(directory, &config)
}

/// Chromium's developer tools, attached to a page.
pub(crate) struct Inspector {
    socket: WebSocket<TcpStream>,
    last_id: u64,
}

impl Inspector {
    /// Attaches to the page whose address begins with `url`.
    #[track_caller]
    pub(crate) fn attach(runtime: &Path, url: &str) -> Self {
        let port = wait_for("Chromium's port", PATIENCE, || {
            let name =
                files(runtime).into_iter().find(|name| name.ends_with("DevToolsActivePort"))?;
            let text = fs::read_to_string(runtime.join(name)).ok()?;
            text.lines().next()?.parse::<u16>().ok()
        });
        let list = format!("http://127.0.0.1:{port}/json/list");
        let mut answer = ureq::get(&list).call().expect("Chromium's list of pages");
        let targets: Vec<Value> = answer.body_mut().read_json().expect("a list of pages");
        let target = targets
            .iter()
            .find(|target| target["url"].as_str().is_some_and(|at| at.starts_with(url)))
            .unwrap_or_else(|| panic!("{url} is not among {targets:?}"));
        let address = target["webSocketDebuggerUrl"].as_str().expect("an address");
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connecting to Chromium");
        stream.set_read_timeout(Some(PATIENCE)).expect("limiting the wait for an answer");
        let (socket, _) = tungstenite::client(address, stream).expect("attaching to the page");
        Self { socket, last_id: 0 }
    }

    #[track_caller]
    pub(crate) fn click(&mut self, x: u32, y: u32) {
        for kind in ["mousePressed", "mouseReleased"] {
            self.call(
                "Input.dispatchMouseEvent",
                &json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 }),
            );
        }
    }

    /// What `expression` comes to in the page.
    #[track_caller]
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let mut answer = self
            .call("Runtime.evaluate", &json!({ "expression": expression, "returnByValue": true }));
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].take()
    }

    /// The page as it draws itself, without anything that the browser or a display would add.
    #[track_caller]
    pub(crate) fn screenshot(&mut self) -> Picture {
        let answer = self.call("Page.captureScreenshot", &json!({ "format": "png" }));
        let data = answer["data"].as_str().expect("a screenshot's data");
        Picture::from_png(&STANDARD.decode(data).expect("a screenshot is base64"))
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let call = json!({ "id": self.last_id, "method": method, "params": params });
        self.socket.send(Message::text(call.to_string())).expect("asking Chromium");
        loop {
            let message = self.socket.read().expect("an answer of Chromium");
            let mut answer: Value = serde_json::from_str(message.to_text().unwrap_or_default())
                .expect("an answer is JSON");
            if answer["id"] == self.last_id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }
}
