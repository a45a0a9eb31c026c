//! A TV as the core sees it: what it can be told, and what it says of itself.
//!
//! How a TV is spoken to is an adapter's business. As with workers, a connection is a [`Link`]: bounded
//! both ways, closed by either side, and never reconnected by the adapter: when and whether to try
//! again is the core's decision.

use std::{fmt, io, net::IpAddr, pin::Pin};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Quality, ports::Link};
use crate::ids::DeviceId;

/// To a TV. When the core drops its end of the link, what it sent before is still delivered.
#[derive(Clone, Debug, PartialEq)]
pub enum TvCommand {
    /// Start our player, which wakes the TV and takes the screen from whatever is on it. Answered by
    /// a [`TvEvent::Receiver`] that has the player, by [`TvEvent::LaunchDenied`], or by
    /// [`TvEvent::LaunchFailed`].
    Launch,
    /// Play this in our player. Answered by a [`TvEvent::Media`] with this content, or by
    /// [`TvEvent::LoadFailed`].
    Load(Load),
    /// Go on after a pause.
    Play,
    /// End the player that runs now. The TV shows its idle screen then.
    Stop,
    /// Loudness from 0 to 1; whether the TV is muted stays as it is.
    SetVolume(f64),
}

/// What a TV is to play.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The multivariant playlist, at an address that the TV can reach.
    pub url: Url,
    /// Whether to say which kind of segments the playlist has. Players of one age need it, players
    /// of another stand still when they are told.
    pub state_segment_format: bool,
    /// What the TV may show beside the picture.
    pub title: String,
}

/// From a TV. Facts as the TV states them; what they mean is decided in the core.
#[derive(Clone, Debug, PartialEq)]
pub enum TvEvent {
    /// What runs on the TV. Comes first on a connection, and with each change.
    Receiver(ReceiverView),
    /// What the player in which we may play does. Comes once for each run of the player, soon after
    /// the [`TvEvent::Receiver`] that has it; then with each change, and at least every 2 s while it
    /// plays. `None`: the player has nothing loaded.
    Media(Option<MediaView>),
    /// Somebody at the TV is asked whether we may cast.
    LaunchPending,
    /// Somebody at the TV said no.
    LaunchDenied,
    /// A sentence for people.
    LaunchFailed(String),
    /// A sentence for people.
    LoadFailed(String),
}

/// What runs on a TV.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiverView {
    /// `None` when nothing runs, not even the idle screen.
    pub app: Option<AppView>,
    /// Whether the TV is in standby; many do not say.
    pub standby: Option<bool>,
    /// Whether the TV shows this input; many do not say, some say it wrongly.
    pub active_input: Option<bool>,
    /// From 0 to 1.
    pub volume: Option<f64>,
    pub muted: Option<bool>,
}

/// An app on a TV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppView {
    /// For people, such as "Netflix".
    pub name: String,
    /// This run of the app; another run has another.
    pub session: String,
    /// The player that we use as well. Others use it too: only the content tells whose it is.
    pub is_player: bool,
    /// The TV's own idle screen.
    pub is_idle_screen: bool,
}

/// What a player does.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaView {
    /// What was loaded; `None` when this message did not say and none before it did.
    pub content: Option<String>,
    pub state: PlayerState,
    /// Seconds of the content's own time.
    pub position: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayerState {
    Loading,
    Buffering,
    Playing,
    Paused,
    Idle(Option<IdleReason>),
    /// A word that did not exist when this was written.
    Unknown,
}

/// Why a player stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleReason {
    /// The stream ended.
    Finished,
    /// Somebody said stop.
    Cancelled,
    /// Something else was loaded.
    Interrupted,
    /// The stream could not be fetched or decoded.
    Error,
    Unknown,
}

/// A connection to a TV.
pub struct Tv {
    pub link: Link<TvCommand, TvEvent>,
    /// Our own address on the interface that reaches this TV: where its player can find us.
    pub local: IpAddr,
    /// Comes when the link has closed: why, as a sentence.
    pub end: Pin<Box<dyn Future<Output = String> + Send>>,
}

impl fmt::Debug for Tv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tv").field("local", &self.local).finish_non_exhaustive()
    }
}

pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Tv>> + Send + 'a>>;

/// The TVs of the house.
pub trait Tvs: Send + Sync + 'static {
    /// Connects to a TV, wherever it is now. The link closes when the TV has gone silent, and when
    /// the connection is lost.
    fn connect<'a>(&'a self, device: &'a DeviceId) -> Connecting<'a>;

    /// Whether both names are of one TV: one that is configured by its address has another name
    /// before it has announced itself.
    fn are_same(&self, one: &DeviceId, other: &DeviceId) -> bool;

    /// Follows what a TV announces from now on, also one that is not there yet.
    fn follow(&self, device: &DeviceId) -> Box<dyn Announcements>;
}

/// What one TV announces.
pub trait Announcements: Send {
    /// Comes back with its next announcement; may be dropped without a loss.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A TV that somebody chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TvChoice {
    pub id: DeviceId,
    /// For people.
    pub name: String,
    /// The best picture that this kind of TV is for.
    #[serde(skip)]
    pub best: Quality,
}
