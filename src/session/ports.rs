//! What the core asks of the outside, as values: commands to workers, facts from them, and the traits
//! through which a session reaches its workers, its stream and the disk.

use std::{
    collections::BTreeMap, fmt, io, os::fd::OwnedFd, path::PathBuf, pin::Pin, sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::timeout,
};
use url::Url;

use super::{
    Audio, Auth, Encoding, Order, Proof, Refusal, Sent,
    cast::{Fetched, Memory},
};
use crate::{
    ids::{DeviceId, MediaToken, SessionId},
    media::{MediaTime, Packet, StreamInfo},
    units::{BitRate, FrameRate, Size},
};

/// What a session's encoder worker is to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncoderSpec {
    pub size: Size,
    pub frame_rate: FrameRate,
    pub bit_rate: BitRate,
}

/// A page and how it is looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageSpec {
    pub url: Url,
    /// The output's size in device pixels.
    pub size: Size,
    /// Device pixels for one CSS pixel; the page sees `size / scale`.
    pub scale: f64,
    /// The browser's own zoom, as with Ctrl and +; 1 is 100 %.
    pub zoom: f64,
    pub auth: Auth,
    /// The page that `auth` was given for, once `url` is another one. Its origin alone gets it.
    #[serde(default)]
    pub first: Option<Box<Url>>,
    /// Origins (`https://host:port`) whose broken TLS certificate is accepted.
    pub accept_certificates_of: Vec<String>,
}

impl PageSpec {
    /// The page that `auth` is for.
    pub fn entrance(&self) -> &Url {
        self.first.as_deref().unwrap_or(&self.url)
    }

    /// The same look at another page. The credentials of the first one stay with its origin: a page
    /// elsewhere gets none of them, and a way back finds them valid.
    pub(super) fn at(&self, mut url: Url) -> Self {
        let first = self.entrance().clone();
        if url.origin() == first.origin() {
            // As a browser does that was told them once. Both fail only for addresses that can have
            // neither.
            let _ = url.set_username(first.username());
            let _ = url.set_password(first.password());
        }
        let first = (url != first).then(|| Box::new(first));
        Self { url, first, ..self.clone() }
    }
}

/// A message on the TV in place of the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slate {
    /// One line: what is the matter.
    pub title: String,
    /// A few lines: why, and what happens next.
    pub detail: String,
}

/// To the encoder worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum EncoderCommand {
    /// The first command, once: make a session's pictures, with the first of these that works.
    Configure(EncoderSpec, Vec<Encoding>),
    /// The first and only command of another worker: find out whether this works, and say so with
    /// [`EncoderEvent::Proven`].
    Prove(Encoding),
    /// What to encode with from the next segment on, best first.
    Prefer(Vec<Encoding>),
    /// Accept the browser's Wayland connections on this listening socket from now on.
    Display(#[serde(skip)] Option<OwnedFd>),
    /// Show this instead of the page, or the page again.
    Show(Option<Slate>),
    /// Answer with [`EncoderEvent::Picture`].
    TakePicture,
}

/// From the encoder worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum EncoderEvent {
    /// This is opened next. A worker that ends after that was ended by it.
    Trying(Encoding),
    /// The encoder is open; packets follow.
    Opened(StreamInfo),
    Packet(Packet),
    /// No packet of the running segment is still to come; the next one will be an IDR at `at`.
    /// It lets the segment out before that IDR is encoded.
    SegmentEnd {
        at: MediaTime,
    },
    /// The browser put its first picture on a display that had none.
    PageVisible,
    /// What is on the stream now, as PNG.
    Picture(Bytes),
    /// This failed, as the sentence says; the worker goes on with another.
    Lost {
        encoding: Encoding,
        /// The driver did not come back.
        hung: bool,
        why: String,
    },
    /// What came of [`EncoderCommand::Prove`].
    Proven(Result<Proof, Refusal>),
    /// No encoder could be opened or went on; the worker ends. A sentence for people.
    Failed(String),
}

/// How a browser is run, whatever it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrowserSettings {
    /// The browser to start; without it, the machine's Chromium.
    pub program: Option<PathBuf>,
    /// A page that is not there by then has failed.
    pub load_timeout: Duration,
}

/// To the browser worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum BrowserCommand {
    /// The first command, from whoever starts the worker.
    Configure(BrowserSettings),
    /// The second command, once: start Chromium and open the page.
    Open(PageSpec),
    /// Load the page again from the start.
    Reload,
    /// Go to another page in the same browser.
    Navigate(Url),
}

/// From the browser worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum BrowserEvent {
    /// The listening Wayland socket that the browser will connect to.
    Display(#[serde(skip)] Option<OwnedFd>),
    /// The page began to load; everything known about the page before is void.
    Loading { url: String },
    /// The page is there and drawn.
    Loaded { url: String, title: String, http_status: Option<u16> },
    /// The page cannot be shown.
    Failed(PageFailure),
    /// The page's title changed.
    Title(String),
    /// The page answers again after [`PageFailure::Unresponsive`].
    Responsive,
    /// Chromium could not be started or ended; the worker ends. A sentence for people.
    BrowserEnded(String),
}

/// Why a page cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PageFailure {
    /// The server answered, with an error.
    Http { status: u16 },
    /// No answer; Chromium's word for it, such as `net::ERR_NAME_NOT_RESOLVED`.
    Network { error: String },
    /// The server's certificate is not trusted; Chromium's word for it.
    Certificate { error: String },
    /// Not loaded after so many seconds.
    Timeout { seconds: u32 },
    /// The page's renderer process ended.
    Crashed,
    /// The page's main thread has not answered for so many seconds.
    Unresponsive { seconds: u32 },
    /// The page led to another one, which has a field for a password.
    Login,
    /// The page's viewport is not the output's size.
    Viewport { width: u32, height: u32 },
}

impl fmt::Display for PageFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { status } => write!(f, "the server answered with HTTP status {status}"),
            Self::Network { error } => match error.as_str() {
                "net::ERR_NAME_NOT_RESOLVED" => {
                    write!(f, "the host name is not known to DNS ({error})")
                }
                "net::ERR_CONNECTION_REFUSED" => {
                    write!(f, "nothing listens at that address ({error})")
                }
                _ => write!(f, "the page did not load ({error})"),
            },
            Self::Certificate { error } => {
                write!(f, "the server's certificate is not trusted ({error})")
            }
            Self::Timeout { seconds } => write!(f, "the page did not load within {seconds} s"),
            Self::Crashed => f.write_str("the page crashed"),
            Self::Unresponsive { seconds } => {
                write!(f, "the page has not answered for {seconds} s")
            }
            Self::Login => f.write_str(
                "the page leads to a login: what it is to be logged in with is not given, or not taken",
            ),
            Self::Viewport { width, height } => {
                write!(f, "the page is {width}x{height}, not the size of the picture")
            }
        }
    }
}

/// Both ends of a running worker. Dropping it ends the worker; a worker's end closes `from_worker`.
#[derive(Debug)]
pub struct Link<Command, Event> {
    /// Bounded; a worker that does not read its commands for that long is stuck and is dropped.
    pub to_worker: mpsc::Sender<Command>,
    /// Bounded; a full channel holds the worker back.
    pub from_worker: mpsc::Receiver<Event>,
}

impl<Command, Event> Link<Command, Event> {
    /// Closes it from our side: what was sent before is still delivered, and what is still said is not
    /// heard. Returns whether the other side was gone within `limit`.
    pub(super) async fn close(self, limit: Duration) -> bool {
        let Self { to_worker, mut from_worker } = self;
        drop(to_worker);
        let gone = async { while from_worker.recv().await.is_some() {} };
        timeout(limit, gone).await.is_ok()
    }
}

pub type Starting<'a, C, E> = Pin<Box<dyn Future<Output = io::Result<Link<C, E>>> + Send + 'a>>;

/// Starts a session's workers: as children of the daemon, or by systemd.
pub trait Workers: Send + Sync + 'static {
    fn start_encoder(&self) -> Starting<'_, EncoderCommand, EncoderEvent>;

    fn start_browser<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> Starting<'a, BrowserCommand, BrowserEvent>;

    /// Called once after a session's last worker is gone: nothing of it may be left on disk.
    fn clean_up(&self, session: &SessionId);
}

/// Where a session's packets go to become something a TV can fetch.
pub trait Stream: Send + Sync + 'static {
    /// An encoder was opened. A second call marks a discontinuity: another encoder, the same stream.
    ///
    /// # Errors
    /// The parameter sets make no sense; a sentence for people.
    fn begin(&self, info: StreamInfo) -> Result<(), String>;

    fn push(&self, packet: Packet);

    fn end_segment(&self, at: MediaTime);

    /// How many segments can be fetched or could be at some time, and what is in the newest one.
    fn published(&self) -> (u64, Option<Sent>);

    /// Ends the stream: waiting readers get the end, later ones nothing. Unless it `resumes`, players
    /// are told that nothing follows.
    fn close(&self, resumes: bool);
}

/// Makes streams and makes them findable.
pub trait Streams: Send + Sync + 'static {
    /// A stream that can be fetched from now on under this token. `origin` is when its time began, and no
    /// other's did: one that goes on after a daemon that was started again is known by it, and counts on
    /// from there. `has_heir`: the next daemon would go on with it.
    fn create(
        &self,
        token: &MediaToken,
        audio: Audio,
        origin: Timestamp,
        has_heir: bool,
    ) -> Arc<dyn Stream>;

    /// The next daemon would go on with this stream, whose time began at `origin`, from now on.
    fn bequeath(&self, token: &MediaToken, origin: Timestamp);

    /// Makes the stream of `of` findable under `token` as well, and counts what is fetched there.
    fn share(&self, of: &MediaToken, token: &MediaToken) -> watch::Receiver<Fetched>;

    fn remove(&self, token: &MediaToken);
}

/// Knows what this machine can encode with.
pub trait Encoders: Send + Sync + 'static {
    /// What is known to work, best first, software last; nothing until that is known. It changes when
    /// a GPU comes, goes, fails or is tried again.
    fn encodings(&self) -> watch::Receiver<Arc<[Encoding]>>;

    /// An encoder failed in a session, or `hung`: it is not to be used again before it has been proven
    /// again.
    fn failed(&self, encoding: &Encoding, hung: bool, why: &str);
}

/// What outlives the daemon. Each change is on disk when the call returns; what the disk refuses is known all
/// the same, and comes there later.
pub trait Keeper: Send + Sync + 'static {
    /// What is remembered of a TV; nothing much when it is a new one.
    fn memory(&self, device: &DeviceId) -> Memory;

    /// # Errors
    /// The disk refuses.
    fn remember(&self, device: &DeviceId, memory: &Memory) -> io::Result<()>;

    /// Sessions to go on with, in the order of their start.
    fn orders(&self) -> Vec<Order>;

    /// # Errors
    /// The disk refuses.
    fn keep(&self, order: &Order) -> io::Result<()>;

    /// # Errors
    /// The disk refuses.
    fn forget(&self, session: &SessionId) -> io::Result<()>;

    /// Which encoders worked, each by all that its working depends on.
    fn proofs(&self) -> BTreeMap<String, Proof>;

    /// # Errors
    /// The disk refuses.
    fn keep_proofs(&self, proofs: &BTreeMap<String, Proof>) -> io::Result<()>;
}

/// Asks the keeper without holding up a thread that others need.
pub async fn on_disk<T: Send + 'static>(
    keeper: &Arc<dyn Keeper>,
    work: impl FnOnce(&dyn Keeper) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let keeper = Arc::clone(keeper);
    spawn_blocking(move || work(&*keeper)).await.map_err(io::Error::other).flatten()
}
