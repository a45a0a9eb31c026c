//! The Chrome DevTools Protocol over two pipes: JSON messages, each ended by a NUL byte.

use std::{collections::VecDeque, io, os::fd::OwnedFd, time::Duration};

use serde_json::{Value, json};
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::pipe,
    time::{Instant, timeout, timeout_at},
};

/// A reply that takes longer comes from a Chromium that is stuck. Pages cannot delay the replies
/// that are waited for.
const ANSWER: Duration = Duration::from_secs(10);

/// A longer message is skipped: none that we need is near it, and a page can make Chromium send
/// messages as long as the URLs it invents.
const LONGEST: usize = 1024 * 1024;

/// Events that arrive while a reply is awaited; the oldest goes first. That happens only before the
/// page is opened, when nothing is told of it.
const HELD_EVENTS: usize = 256;

const CHUNK: usize = 64 * 1024;

/// Why there is no talking to Chromium.
#[derive(Debug, Error)]
pub enum CdpError {
    /// Chromium closed its end, which it does when it ends.
    #[error("Chromium closed its control pipe")]
    Closed,
    #[error("using Chromium's control pipe")]
    Pipe(#[from] io::Error),
    /// No answer in time.
    #[error("Chromium did not answer {method} within {} s", ANSWER.as_secs())]
    NoAnswer { method: &'static str },
    /// Chromium does not read its pipe.
    #[error("Chromium did not take {method} within {} s", ANSWER.as_secs())]
    NotTaken { method: &'static str },
    /// Chromium said no.
    #[error("Chromium refused {method}: {message}")]
    Refused { method: &'static str, message: String },
}

/// One method with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Value,
}

impl Call {
    pub(super) const fn new(method: &'static str, params: Value) -> Self {
        Self { method, params }
    }
}

/// Something happened in Chromium.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) method: String,
    pub(super) params: Value,
}

impl Event {
    /// A text deep inside the parameters; empty when it is not there.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.params.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Event(Event),
    /// The result, or Chromium's reason why there is none.
    Reply {
        id: u64,
        result: Result<Value, String>,
    },
}

/// Events that somebody here looks at. The others cost a comparison, not a parser: a busy page sends
/// hundreds in a second.
const WANTED: &[&str] = &[
    "Fetch.authRequired",
    "Fetch.requestPaused",
    "Inspector.targetCrashed",
    "Network.loadingFailed",
    "Network.responseReceived",
    "Page.frameNavigated",
    "Page.frameStartedNavigating",
    "Page.javascriptDialogOpening",
    "Page.lifecycleEvent",
    "Page.navigatedWithinDocument",
    "Security.certificateError",
    "Target.targetCrashed",
    "Target.targetCreated",
    "Target.targetDestroyed",
];

/// Of these only those about documents.
const DOCUMENTS_ONLY: &[&str] = &["Network.loadingFailed", "Network.responseReceived"];

/// Returns what a message says, or `None` when it is nothing for us or makes no sense.
fn parse(message: &[u8]) -> Option<Message> {
    if let Some(rest) = message.strip_prefix(br#"{"method":""#) {
        let name = rest.split(|&byte| byte == b'"').next()?;
        let wanted = |names: &[&str]| names.iter().any(|wanted| wanted.as_bytes() == name);
        if !wanted(WANTED)
            || (wanted(DOCUMENTS_ONLY) && !contains(message, br#""type":"Document""#))
        {
            return None;
        }
    }
    let mut message: Value = match serde_json::from_slice(message) {
        Ok(message) => message,
        Err(cause) => {
            tracing::debug!(%cause, "message of Chromium's that is not JSON, skipped");
            return None;
        }
    };
    if let Some(id) = message.get("id").and_then(Value::as_u64) {
        let result = match message.get_mut("error") {
            Some(error) => Err(error["message"].as_str().unwrap_or("no reason").to_owned()),
            None => Ok(message.get_mut("result").map(Value::take).unwrap_or_default()),
        };
        return Some(Message::Reply { id, result });
    }
    let method = message.get("method")?.as_str()?.to_owned();
    let params = message.get_mut("params").map(Value::take).unwrap_or_default();
    Some(Message::Event(Event { method, params }))
}

fn contains(bytes: &[u8], pattern: &[u8]) -> bool {
    bytes.windows(pattern.len()).any(|window| window == pattern)
}

/// Cuts a stream of bytes into messages.
#[derive(Debug, Default)]
struct Frames {
    held: Vec<u8>,
    /// Bytes of `held` in which no NUL was found.
    searched: usize,
    /// The rest of a message that is too long is being thrown away.
    skipping: bool,
}

impl Frames {
    fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let unsearched = self.held.get(self.searched..).unwrap_or_default();
            let Some(position) = unsearched.iter().position(|&byte| byte == 0) else {
                self.searched = self.held.len();
                if self.searched > LONGEST {
                    self.skipping = true;
                }
                if self.skipping {
                    // Gives the memory back as well.
                    self.held = Vec::new();
                    self.searched = 0;
                }
                return None;
            };
            let rest = self.held.split_off(self.searched + position + 1);
            let mut message = std::mem::replace(&mut self.held, rest);
            message.pop();
            self.searched = 0;
            if std::mem::take(&mut self.skipping) || message.len() > LONGEST {
                tracing::debug!("message of Chromium's that is too long, skipped");
                continue;
            }
            return Some(message);
        }
    }
}

/// Our ends of the two pipes.
#[derive(Debug)]
pub(super) struct Cdp {
    to_chromium: pipe::Sender,
    from_chromium: pipe::Receiver,
    frames: Frames,
    chunk: Box<[u8]>,
    held: VecDeque<Event>,
    /// The page's session; calls go to the browser as a whole until it is known.
    session: Option<String>,
    last_id: u64,
}

impl Cdp {
    pub(super) fn new(to_chromium: OwnedFd, from_chromium: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            to_chromium: pipe::Sender::from_owned_fd(to_chromium)?,
            from_chromium: pipe::Receiver::from_owned_fd(from_chromium)?,
            frames: Frames::default(),
            chunk: vec![0; CHUNK].into(),
            held: VecDeque::new(),
            session: None,
            last_id: 0,
        })
    }

    pub(super) fn enter(&mut self, session: String) {
        self.session = Some(session);
    }

    /// Returns the next message for us. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Message, CdpError> {
        if let Some(event) = self.held.pop_front() {
            return Ok(Message::Event(event));
        }
        self.receive().await
    }

    async fn receive(&mut self) -> Result<Message, CdpError> {
        loop {
            while let Some(message) = self.frames.next() {
                if let Some(message) = parse(&message) {
                    return Ok(message);
                }
            }
            let length = self.from_chromium.read(&mut self.chunk).await?;
            match self.chunk.get(..length) {
                Some(bytes) if !bytes.is_empty() => self.frames.push(bytes),
                _ => return Err(CdpError::Closed),
            }
        }
    }

    /// Sends a call and returns the id its reply will have.
    pub(super) async fn send(&mut self, call: Call) -> Result<u64, CdpError> {
        self.last_id += 1;
        let Call { method, params } = call;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = self.session.as_ref().filter(|_| is_of_the_page(method)) {
            message["sessionId"] = session.as_str().into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        timeout(ANSWER, self.to_chromium.write_all(&bytes))
            .await
            .map_err(|_| CdpError::NotTaken { method })??;
        Ok(self.last_id)
    }

    /// Sends a call and waits for its result. Events that arrive meanwhile come out of [`Self::next`].
    pub(super) async fn call(&mut self, call: Call) -> Result<Value, CdpError> {
        let method = call.method;
        let deadline = Instant::now() + ANSWER;
        let awaited = self.send(call).await?;
        loop {
            let message = timeout_at(deadline, self.receive())
                .await
                .map_err(|_| CdpError::NoAnswer { method })??;
            match message {
                Message::Reply { id, result } if id == awaited => {
                    return result.map_err(|message| CdpError::Refused { method, message });
                }
                Message::Reply { .. } => {}
                Message::Event(event) => {
                    if self.held.len() == HELD_EVENTS {
                        self.held.pop_front();
                    }
                    self.held.push_back(event);
                }
            }
        }
    }
}

/// The browser as a whole answers these; everything else is a matter of the page.
fn is_of_the_page(method: &str) -> bool {
    !method.starts_with("Target.") && !method.starts_with("Browser.")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn frames(stream: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        for chunk in stream {
            frames.push(chunk);
            out.extend(std::iter::from_fn(|| frames.next()));
        }
        out
    }

    #[test]
    fn messages_are_cut_at_nul_wherever_the_reads_end() {
        assert_eq!(
            frames(&[b"a", b"b\0c", b"", b"d\0\0e"]),
            [b"ab".to_vec(), b"cd".to_vec(), b"".to_vec()]
        );
    }

    #[test]
    fn a_huge_message_is_skipped_without_being_held() {
        let mut frames = Frames::default();
        for _ in 0..64 * 16 {
            frames.push(&[b'x'; 64 * 1024]);
            assert_eq!(frames.next(), None);
            assert!(frames.held.capacity() <= 2 * LONGEST + CHUNK);
        }
        frames.push(b"tail\0next\0");
        assert_eq!(frames.next(), Some(b"next".to_vec()));
        assert_eq!(frames.next(), None);
    }

    #[test]
    fn replies_carry_the_result_or_the_reason() {
        assert_eq!(
            parse(br#"{"id":3,"result":{"a":1},"sessionId":"S"}"#),
            Some(Message::Reply { id: 3, result: Ok(json!({"a": 1})) })
        );
        assert_eq!(
            parse(br#"{"id":4,"error":{"code":-32000,"message":"no such page"}}"#),
            Some(Message::Reply { id: 4, result: Err("no such page".into()) })
        );
    }

    #[test]
    fn events_nobody_looks_at_are_not_even_parsed() {
        assert_eq!(parse(br#"{"method":"Network.dataReceived","par"#), None);
        assert_eq!(
            parse(br#"{"method":"Network.responseReceived","params":{"type":"Image"}}"#),
            None
        );
        let document = br#"{"method":"Network.responseReceived","params":{"type":"Document"}}"#;
        assert!(matches!(parse(document), Some(Message::Event(_))));
    }

    #[test]
    fn nonsense_is_passed_over() {
        for nonsense in [
            &b""[..],
            b"{",
            b"[]",
            b"null",
            b"{\"id\":\"x\"}",
            b"{\"method\":7}",
            b"{\"method\":\"Page.lifecycleEvent\"",
            b"\xff\xfe",
        ] {
            assert_eq!(parse(nonsense), None, "{nonsense:?}");
        }
    }

    fn pair() -> (Cdp, std::fs::File, std::fs::File) {
        let (their_input, our_output) = rustix::pipe::pipe().unwrap();
        let (our_input, their_output) = rustix::pipe::pipe().unwrap();
        let cdp = Cdp::new(our_output, our_input).unwrap();
        (cdp, their_input.into(), their_output.into())
    }

    #[tokio::test]
    async fn a_call_waits_for_its_own_reply_and_keeps_the_events() {
        let (mut cdp, mut their_input, mut their_output) = pair();
        cdp.enter("S".into());
        their_output
            .write_all(
                b"{\"method\":\"Inspector.targetCrashed\",\"params\":{}}\0{\"id\":9,\"result\":{}}\0\
                  {\"id\":1,\"result\":{\"ok\":true}}\0",
            )
            .unwrap();
        let reply = cdp.call(Call::new("Page.enable", json!({}))).await.unwrap();
        assert_eq!(reply, json!({"ok": true}));
        assert!(matches!(cdp.next().await, Ok(Message::Event(_))));
        let mut sent = [0; 200];
        let length = their_input.read(&mut sent).unwrap();
        let sent: Value = serde_json::from_slice(&sent[..length - 1]).unwrap();
        assert_eq!(sent["sessionId"], "S");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_an_answer_ends() {
        let (mut cdp, _their_input, _their_output) = pair();
        let none = cdp.call(Call::new("Page.enable", json!({}))).await;
        assert!(matches!(none, Err(CdpError::NoAnswer { .. })), "{none:?}");
    }

    #[tokio::test]
    async fn the_end_of_chromium_is_noticed() {
        let (mut cdp, _their_input, their_output) = pair();
        drop(their_output);
        assert!(matches!(cdp.next().await, Err(CdpError::Closed)));
    }
}
