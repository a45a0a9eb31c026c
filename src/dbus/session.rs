//! `org.dashboardcast1.Session`.

use std::{collections::HashMap, mem, sync::Arc};

use jiff::Timestamp;
use zbus::{Connection, OwnedObjectPath, interface, message::Header};

use super::{
    authorize::Action,
    edge::{Edge, host_of},
    error::Error,
    names::{NONE, device_path, is_same, text},
    object::Object,
};
use crate::{
    cast::Device,
    control::{Core, to_the_end},
    ids::SessionId,
    session::{
        Snapshot, StreamView,
        cast::{CastView, Entry, Finding, Lag},
    },
};

/// One session.
#[derive(Debug)]
pub(super) struct Session<C> {
    edge: Edge<C>,
    id: SessionId,
    facts: Option<Arc<Facts>>,
}

/// A session at one moment.
#[derive(Debug, PartialEq)]
pub(super) struct Facts {
    snapshot: Snapshot,
    device: OwnedObjectPath,
    timeline: Arc<[Entry]>,
}

impl Facts {
    pub(super) fn new(mut snapshot: Snapshot, timeline: Arc<[Entry]>, devices: &[Device]) -> Self {
        let device = snapshot.tv.as_ref().map_or(NONE.into(), |tv| {
            let known = devices.iter().find(|device| is_same(tv, device));
            device_path(known.map_or(&tv.id, |device| &device.id))
        });
        let state = &mut snapshot.state.detail;
        let page = [&mut snapshot.page.title, &mut snapshot.page.problem];
        let cast = snapshot.cast.as_mut().map(|cast| &mut cast.state.detail);
        for maybe in page.into_iter().chain(cast).chain([state]) {
            *maybe = maybe.take().map(text);
        }
        let name = snapshot.tv.as_mut().map(|tv| &mut tv.name);
        let why = snapshot.cast.as_mut().map(|cast| &mut cast.verdict.why);
        let encoder = snapshot.stream.as_mut().map(|stream| &mut stream.encoder);
        for always in [Some(&mut snapshot.url), Some(&mut snapshot.target), name, why, encoder]
            .into_iter()
            .flatten()
        {
            *always = text(mem::take(always));
        }
        Self { snapshot, device, timeline }
    }
}

impl<C> Clone for Session<C> {
    fn clone(&self) -> Self {
        Self { edge: self.edge.clone(), id: self.id.clone(), facts: self.facts.clone() }
    }
}

impl<C: Core> Session<C> {
    pub(super) fn new(edge: Edge<C>, id: SessionId) -> Self {
        Self { edge, id, facts: None }
    }

    fn read(&self) -> Result<Arc<Facts>, Error> {
        self.facts.clone().or_else(|| self.facts()).ok_or_else(Error::no_such_session)
    }

    fn of<T>(&self, fact: impl FnOnce(&Snapshot) -> T) -> Result<T, Error> {
        Ok(fact(&self.read()?.snapshot))
    }

    fn of_stream<T: Default>(&self, fact: impl FnOnce(&StreamView) -> T) -> Result<T, Error> {
        self.of(|session| session.stream.as_ref().map(fact).unwrap_or_default())
    }

    fn of_cast<T: Default>(&self, fact: impl FnOnce(&CastView) -> T) -> Result<T, Error> {
        self.of(|session| session.cast.as_ref().map(fact).unwrap_or_default())
    }
}

impl<C: Core> Object for Session<C> {
    type Facts = Facts;
    const SILENT: &'static [&'static str] = &["Segments", "Lag"];
    const INVALIDATED: &'static [&'static str] = &["Timeline"];

    fn facts(&self) -> Option<Arc<Facts>> {
        let core = &self.edge.core;
        let (snapshot, timeline) = (core.session(&self.id)?, core.timeline(&self.id)?);
        Some(Arc::new(Facts::new(snapshot, timeline, &core.devices())))
    }

    fn at(&self, facts: Arc<Facts>) -> Self {
        Self { edge: self.edge.clone(), id: self.id.clone(), facts: Some(facts) }
    }
}

#[interface(name = "org.dashboardcast1.Session")]
impl<C: Core> Session<C> {
    /// Ends the session and takes its page off the TV. The object is gone when this comes back.
    ///
    /// Errors: NoSuchSession. Polkit action: org.dashboardcast1.cast.
    async fn stop(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<(), Error> {
        self.edge.stop(connection, &call, self.id.clone()).await
    }

    /// Goes to another page in the same stream: a TV plays on, nothing is cast anew.
    ///
    /// url: the page, http or https, as for StartCast. The first page's credentials stay valid for its
    /// origin, and for no other.
    ///
    /// Errors: NoSuchSession, InvalidRequest, Forbidden, Shared (other sessions show the same page and
    /// would go along), Busy. Polkit action: org.dashboardcast1.cast.
    async fn navigate(
        &self,
        url: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<(), Error> {
        let host = host_of(&url);
        let about = [("session", self.id.as_str()), ("host", host.as_str())];
        let turn = self.edge.admit(connection, &call, Action::Cast, &about).await?;
        let (core, id) = (Arc::clone(&self.edge.core), self.id.clone());
        to_the_end(async move { core.navigate(&id, url).await }).await??;
        self.edge.settle().await;
        drop(turn);
        Ok(())
    }

    /// Loads the page again, now.
    ///
    /// Errors: NoSuchSession, Busy. Polkit action: org.dashboardcast1.cast.
    async fn reload(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<(), Error> {
        let about = [("session", self.id.as_str())];
        let turn = self.edge.admit(connection, &call, Action::Cast, &about).await?;
        self.edge.core.reload_page(&self.id).await?;
        drop(turn);
        Ok(())
    }

    /// What is on the stream now, as a PNG file.
    ///
    /// Errors: NoSuchSession, NotYet. Polkit action: org.dashboardcast1.cast.
    #[zbus(name = "Snapshot", out_args("png"))]
    async fn picture(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<Vec<u8>, Error> {
        let about = [("session", self.id.as_str())];
        let turn = self.edge.admit(connection, &call, Action::Cast, &about).await?;
        let picture = self.edge.core.picture(&self.id).await?;
        drop(turn);
        Ok(picture.to_vec())
    }

    /// Where to watch it from this machine: under "hls" a playlist, under "fmp4" one endless file.
    /// Whoever knows an address may watch.
    ///
    /// Errors: NoSuchSession. Polkit action: org.dashboardcast1.cast.
    #[zbus(out_args("addresses"))]
    async fn get_media(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<HashMap<String, String>, Error> {
        let about = [("session", self.id.as_str())];
        let turn = self.edge.admit(connection, &call, Action::Cast, &about).await?;
        let token = self.of(|session| session.token.clone())?;
        drop(turn);
        Ok(HashMap::from([
            ("hls".to_owned(), self.edge.local_url(&token.hls_path())),
            ("fmp4".to_owned(), self.edge.local_url(&token.fmp4_path())),
        ]))
    }

    /// What names the session: 8 hexadecimal digits.
    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> &str {
        self.id.as_str()
    }

    /// When it was started, in microseconds since 1970.
    #[zbus(property(emits_changed_signal = "const"))]
    fn started_at(&self) -> Result<u64, Error> {
        self.of(|session| microseconds(session.started_at))
    }

    /// What it is for: the target of its start, or the name of the cast in the configuration.
    #[zbus(property(emits_changed_signal = "const"))]
    fn target(&self) -> Result<String, Error> {
        self.of(|session| session.target.clone())
    }

    /// How the stream is meant to be fetched: hls or fmp4. Both are always there.
    #[zbus(property(emits_changed_signal = "const"))]
    fn mode(&self) -> Result<String, Error> {
        self.of(|session| session.mode.name().to_owned())
    }

    /// The stream's sound: silent (a track without sound) or none.
    #[zbus(property(emits_changed_signal = "const"))]
    fn audio(&self) -> Result<String, Error> {
        self.of(|session| session.audio.name().to_owned())
    }

    /// The choice of size and bit rate: 1080p, 720p or low-latency.
    #[zbus(property(emits_changed_signal = "const"))]
    fn quality(&self) -> Result<String, Error> {
        self.of(|session| session.quality.name().to_owned())
    }

    /// The TV that it is for; "/" when it is served only. It changes when a TV that was known by its
    /// address tells its UUID.
    #[zbus(property)]
    fn device(&self) -> Result<OwnedObjectPath, Error> {
        Ok(self.read()?.device.clone())
    }

    /// The TV's name when the session was started.
    #[zbus(property(emits_changed_signal = "const"))]
    fn device_name(&self) -> Result<String, Error> {
        self.of(|session| session.tv.as_ref().map(|tv| tv.name.clone()).unwrap_or_default())
    }

    /// The page, without what could be a secret in its address.
    #[zbus(property)]
    fn url(&self) -> Result<String, Error> {
        self.of(|session| session.url.clone())
    }

    /// starting, live, recovering or stopping.
    #[zbus(property)]
    fn state(&self) -> Result<String, Error> {
        self.of(|session| session.state.name.to_owned())
    }

    /// The step of starting, what is recovered from, or why it stops.
    #[zbus(property)]
    fn state_detail(&self) -> Result<String, Error> {
        self.of(|session| session.state.detail.clone().unwrap_or_default())
    }

    /// Whether the page is on the TV now: confirmed, covered-suspected, taken-over, tv-off, broken or
    /// unknown. Empty when there is no TV.
    #[zbus(property)]
    fn verdict(&self) -> Result<String, Error> {
        self.of(|session| verdict(session).0)
    }

    /// When Verdict is broken, the first link from the page to the screen that does not hold: page,
    /// encoder, stream, network, tv or player.
    #[zbus(property)]
    fn verdict_link(&self) -> Result<String, Error> {
        self.of(|session| verdict(session).1)
    }

    /// Why, as a sentence.
    #[zbus(property)]
    fn verdict_reason(&self) -> Result<String, Error> {
        self.of_cast(|cast| cast.verdict.why.clone())
    }

    /// Since when Verdict holds, in microseconds since 1970; 0 when there is no TV.
    #[zbus(property)]
    fn verdict_since(&self) -> Result<u64, Error> {
        self.of_cast(|cast| microseconds(cast.verdict.since))
    }

    /// What is being done about the TV: connecting, looking, launching, permission-asked,
    /// awaiting-stream, loading, playing, paused, yielded, stood-down, waiting, tv-off or ended. Empty
    /// when there is no TV.
    #[zbus(property)]
    fn cast_state(&self) -> Result<String, Error> {
        self.of_cast(|cast| cast.state.name.to_owned())
    }

    /// To whom it is yielded, what is waited for, or what went wrong.
    #[zbus(property)]
    fn cast_detail(&self) -> Result<String, Error> {
        self.of_cast(|cast| cast.state.detail.clone().unwrap_or_default())
    }

    /// How many seconds ago what the TV shows was on the page; -1 while that is not known. It moves all
    /// the time, which is not told.
    #[zbus(property(emits_changed_signal = "false"))]
    fn lag(&self) -> Result<f64, Error> {
        self.of(|session| lag(session).map_or(-1.0, Lag::seconds))
    }

    /// What the page calls itself.
    #[zbus(property)]
    fn page_title(&self) -> Result<String, Error> {
        self.of(|session| session.page.title.clone().unwrap_or_default())
    }

    /// The HTTP status that the page's server answered with; 0 when it is not known.
    #[zbus(property)]
    fn page_status(&self) -> Result<u16, Error> {
        self.of(|session| session.page.http_status.unwrap_or_default())
    }

    /// Why something else than the page is shown; empty when all is well.
    #[zbus(property)]
    fn page_problem(&self) -> Result<String, Error> {
        self.of(|session| session.page.problem.clone().unwrap_or_default())
    }

    /// How often the page was loaded again because something was wrong.
    #[zbus(property)]
    fn page_reloads(&self) -> Result<u32, Error> {
        self.of(|session| session.page.reloads)
    }

    /// What encodes, in libavcodec's words; empty until an encoder is open.
    #[zbus(property)]
    fn encoder(&self) -> Result<String, Error> {
        self.of_stream(|stream| stream.encoder.clone())
    }

    /// Of the picture, in pixels; 0 until an encoder is open.
    #[zbus(property)]
    fn width(&self) -> Result<u32, Error> {
        self.of_stream(|stream| stream.size.width)
    }

    /// Of the picture, in pixels; 0 until an encoder is open.
    #[zbus(property)]
    fn height(&self) -> Result<u32, Error> {
        self.of_stream(|stream| stream.size.height)
    }

    /// The most frames in a second; 0 until an encoder is open.
    #[zbus(property)]
    fn frame_rate(&self) -> Result<u32, Error> {
        self.of_stream(|stream| stream.frame_rate.per_second())
    }

    /// What the encoder aims at, in bit/s; 0 until an encoder is open.
    #[zbus(property)]
    fn bit_rate(&self) -> Result<u64, Error> {
        self.of_stream(|stream| stream.bit_rate.bits_per_second())
    }

    /// How many pictures were in the last second of the stream; 0 until there was one.
    #[zbus(property(emits_changed_signal = "false"))]
    fn sent_frame_rate(&self) -> Result<u32, Error> {
        self.of_stream(|stream| stream.sent.map_or(0, |sent| sent.frame_rate))
    }

    /// How many bits were in the last second of the stream; 0 until there was one.
    #[zbus(property(emits_changed_signal = "false"))]
    fn sent_bit_rate(&self) -> Result<u64, Error> {
        self.of_stream(|stream| stream.sent.map_or(0, |sent| sent.bit_rate.bits_per_second()))
    }

    /// How often the encoder had to be started again.
    #[zbus(property)]
    fn discontinuities(&self) -> Result<u32, Error> {
        self.of_stream(|stream| stream.discontinuities)
    }

    /// How many segments of the stream there have been, usually one a second.
    #[zbus(property(emits_changed_signal = "false"))]
    fn segments(&self) -> Result<u64, Error> {
        self.of_stream(|stream| stream.segments)
    }

    /// What happened on the TV, the last 200 events, the oldest first: when (microseconds since 1970),
    /// a word for programs, a sentence for people, and how often it came in a row.
    #[zbus(property(emits_changed_signal = "invalidates"))]
    fn timeline(&self) -> Result<Vec<(u64, String, String, u32)>, Error> {
        let facts = self.read()?;
        let entries = facts.timeline.iter().map(|entry| {
            let detail = text(entry.detail.clone());
            (microseconds(entry.at), entry.event.to_owned(), detail, entry.times)
        });
        Ok(entries.collect())
    }
}

/// The verdict's word, and the link when it is `broken`.
pub(super) fn verdict(session: &Snapshot) -> (String, String) {
    match session.cast.as_ref().map(|cast| cast.verdict.finding) {
        None => Default::default(),
        Some(Finding::Broken(link)) => ("broken".to_owned(), link.to_string()),
        Some(finding) => (finding.to_string(), String::new()),
    }
}

fn lag(session: &Snapshot) -> Option<Lag> {
    session.cast.as_ref()?.lag
}

/// Since 1970, as systemd counts; nothing of ours is older.
pub(super) fn microseconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_microsecond()).unwrap_or_default()
}
