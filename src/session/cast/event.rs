//! What happens to a cast, what it wants done, and what it remembers.

use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    policy::{Hold, Policy},
    stage::Rung,
    stream::{Fetched, Part},
    timeline::Note,
    volume::Borrowed,
};
use crate::session::tv::{TvCommand, TvEvent};

/// What is to be on a TV, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// What the TV may show beside the picture.
    pub title: String,
    pub policy: Policy,
    /// Loudness from 0 to 1; `None` leaves it alone.
    pub volume: Option<f64>,
    /// What [`Effect::Remember`] gave last for this TV; [`Memory::rearmed`] when somebody starts the
    /// cast, as it is when a daemon that was started again goes on with it.
    pub memory: Memory,
    /// Another cast had the screen, and has left its player there, or may have.
    pub follows: bool,
    /// Any number, another one for each cast: it spreads the attempts to connect.
    pub seed: u64,
}

/// What outlives the daemon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Memory {
    /// What this TV's player could play: tried first the next time.
    pub rung: Rung,
    /// A loudness that is still to be given back.
    pub volume: Option<Borrowed>,
    /// The cast had the screen: from now on it does not take it from anybody.
    pub had_screen: bool,
    /// The screen is left to people.
    pub hold: Option<Hold>,
}

impl Memory {
    /// For a new start on the same TV: somebody wants it there, whatever was before.
    pub fn rearmed(self) -> Self {
        Self { had_screen: false, hold: None, ..self }
    }
}

/// Something happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The first event, once.
    Start,
    /// Answers [`Effect::Connect`]. Where this TV can fetch the stream: the address of the
    /// multivariant playlist on the interface that reaches it.
    Connected {
        stream: Url,
    },
    /// Answers [`Effect::Connect`], within a few seconds.
    ConnectionFailed {
        why: String,
    },
    /// The connection closed, by itself.
    ConnectionLost {
        why: String,
    },
    Tv(TvEvent),
    /// The TV announced itself on the network.
    Announced,
    Page(Part),
    Encoder(Part),
    /// The stream has one more segment.
    Segment,
    /// The TV fetched something of the stream.
    Fetched(Fetched),
    /// The TV may show this beside the picture from now on.
    Title(String),
    /// Time passed; see [`Cast::deadline`](super::Cast::deadline).
    Tick,
    Stop(Farewell),
}

/// How to leave a TV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// The cast is over: our player ends, if it is still ours.
    EndPlayer,
    /// The cast goes on after this daemon, or another stream follows on the same TV: it plays on.
    KeepPlaying,
}

/// Something is to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Connect to the TV; answered by [`Event::Connected`] or [`Event::ConnectionFailed`].
    Connect,
    /// Close the connection, or give up making it, after what was told has been sent. No event of it
    /// may follow.
    Disconnect,
    Tell(TvCommand),
    /// Keep this on disk for this TV.
    Remember(Memory),
    /// Log this; it is in the timeline already.
    Note(Note),
    /// The last effect of all.
    Finished,
}
