//! What a page opens above itself is part of the picture, though it is a surface of its own.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::{
    pages::{COLOUR, Pages, plain},
    stage::{PATIENCE, Stage, files, turn},
    support::{clock::Picture, wait::wait_for},
};

/// No colour of Chromium's own.
const CHOICES: [u8; 3] = [0xd0, 0x10, 0x90];

#[test]
fn an_open_select_is_in_the_picture() {
    let _turn = turn();
    let pages = Pages::serve();
    let [red, green, blue] = CHOICES;
    pages.put_page(
        "board",
        format!(
            "{}<style>option {{ background: rgb({red},{green},{blue}); font-size: 40px }}</style>
             <select style='position:absolute;left:200px;top:100px;width:300px;height:40px'>
             {}</select>",
            plain(""),
            "<option>A choice</option>".repeat(6),
        ),
    );
    let directory = tempfile::tempdir().expect("making a directory");
    let program = directory.path().join("chromium");
    // Pages cannot open a select without a click, and there is nobody to click: this browser can be
    // driven by the test as well.
    fs::write(&program, "#!/bin/sh\nexec chromium \"$@\" --remote-debugging-port=0\n")
        .expect("writing a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("making it one");
    let config = format!("[browser]\nprogram = \"{}\"\n", program.display());
    let stage = Stage::set_in(directory, &config);
    let session = stage.open(&pages.url("board"));
    session.wait_live();
    assert_eq!(choices(&session.picture()), None, "it is still closed");

    let mut page = Inspector::attach(&stage.runtime(), &pages.url("board"));
    page.click(350, 120);
    let (left, top, right, bottom) =
        wait_for("select's choices in the picture", PATIENCE, || choices(&session.picture()));
    assert!((195..=215).contains(&left) && (485..=520).contains(&right), "{left} to {right}");
    assert!((135..=150).contains(&top) && bottom > top + 150, "{top} to {bottom}");

    page.click(900, 600);
    wait_for("closed select", PATIENCE, || {
        let picture = session.picture();
        (choices(&picture).is_none() && picture.pixel(350, 300) == COLOUR).then_some(())
    });
    assert_eq!(session.state(), "live");
}

/// What the choices cover: left, top, right, bottom.
fn choices(picture: &Picture) -> Option<(u32, u32, u32, u32)> {
    let width = picture.width;
    let pixels = picture.rgb.chunks_exact(3).zip(0_u32..);
    let places =
        pixels.filter(|(pixel, _)| *pixel == CHOICES).map(|(_, at)| (at % width, at / width));
    places.fold(None, |found, (x, y)| {
        let (left, top, right, bottom) = found.unwrap_or((x, y, x, y));
        Some((left.min(x), top.min(y), right.max(x), bottom.max(y)))
    })
}

/// Chromium's developer tools, attached to a page.
struct Inspector {
    socket: WebSocket<TcpStream>,
    last_id: u64,
}

impl Inspector {
    #[track_caller]
    fn attach(runtime: &Path, url: &str) -> Self {
        let port = wait_for("Chromium's port", PATIENCE, || {
            let name =
                files(runtime).into_iter().find(|name| name.ends_with("DevToolsActivePort"))?;
            let text = fs::read_to_string(runtime.join(name)).ok()?;
            text.lines().next()?.parse::<u16>().ok()
        });
        let connect = || {
            let stream = TcpStream::connect(("127.0.0.1", port)).expect("connecting to Chromium");
            stream.set_read_timeout(Some(PATIENCE)).expect("limiting the wait for an answer");
            stream
        };
        let mut list = connect();
        write!(list, "GET /json/list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .expect("asking Chromium");
        let mut answer = String::new();
        list.read_to_string(&mut answer).expect("an answer of Chromium");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        let targets: Vec<Value> = serde_json::from_str(body).expect("a list of pages");
        let target = targets
            .iter()
            .find(|target| target["url"] == url)
            .unwrap_or_else(|| panic!("{url} is not among {targets:?}"));
        let address = target["webSocketDebuggerUrl"].as_str().expect("an address");
        let (socket, _) = tungstenite::client(address, connect()).expect("attaching to the page");
        Self { socket, last_id: 0 }
    }

    #[track_caller]
    fn click(&mut self, x: u32, y: u32) {
        for kind in ["mousePressed", "mouseReleased"] {
            self.last_id += 1;
            let call = json!({
                "id": self.last_id,
                "method": "Input.dispatchMouseEvent",
                "params": { "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 },
            });
            self.socket.send(Message::text(call.to_string())).expect("clicking");
            loop {
                let message = self.socket.read().expect("an answer of Chromium");
                let answer: Value = serde_json::from_str(message.to_text().unwrap_or_default())
                    .expect("an answer is JSON");
                if answer["id"] == self.last_id {
                    assert!(answer["error"].is_null(), "{answer}");
                    break;
                }
            }
        }
    }
}
