//! `org.dashboardcast1.Manager`.

use std::{collections::HashMap, sync::Arc};

use zbus::{
    Connection, ObjectPath, OwnedObjectPath, OwnedVariant, interface, message::Header,
    object_server::SignalEmitter,
};

use super::{
    authorize::Action,
    edge::{Edge, host_of},
    error::Error,
    names::{device_path, session_of, session_path, text},
    object::Object,
    options::start_request,
};
use crate::{
    control::{Core, active_sessions, to_the_end},
    session::{Snapshot, Stopped},
};

/// The whole service.
#[derive(Debug)]
pub(super) struct Manager<C> {
    edge: Edge<C>,
    /// How many sessions there are.
    facts: Option<Arc<u32>>,
}

impl<C> Clone for Manager<C> {
    fn clone(&self) -> Self {
        Self { edge: self.edge.clone(), facts: self.facts.clone() }
    }
}

impl<C: Core> Manager<C> {
    pub(super) fn new(edge: Edge<C>) -> Self {
        Self { edge, facts: None }
    }
}

impl<C: Core> Object for Manager<C> {
    type Facts = u32;

    fn facts(&self) -> Option<Arc<u32>> {
        Some(Arc::new(active(&self.edge.core.sessions())))
    }

    fn at(&self, facts: Arc<u32>) -> Self {
        Self { edge: self.edge.clone(), facts: Some(facts) }
    }
}

#[interface(name = "org.dashboardcast1.Manager")]
impl<C: Core> Manager<C> {
    /// Opens a page and shows it on a TV. Comes back with the session's object as soon as there is
    /// one; its State and Verdict tell how it goes on.
    ///
    /// url: the page, http or https.
    ///
    /// options, all of them optional; any number type will do for numbers:
    ///
    /// device (s): the TV by its name, UUID or address, or "none". Without it, the configured default.
    ///
    /// quality (s): 1080p, 720p or low-latency. Without it, the configured one; a TV that is for less
    /// gets less.
    ///
    /// duration (d): seconds until it ends by itself.
    ///
    /// on-busy (s): when the screen is in use: yield (wait until it is idle, also without it),
    /// preempt, preempt-and-return.
    ///
    /// resume-after (d): seconds that the screen must be idle before the cast comes back after people
    /// took it. Without it, it does not, or with preempt-and-return after 60 s.
    ///
    /// volume (d): of the TV meanwhile, 0 to 1.
    ///
    /// target (s): a free name. A session replaces the one of the same target or TV.
    ///
    /// mode (s): hls or fmp4, what the stream is meant to be fetched as. audio (s): silent or none.
    /// frame-rate (u): the most frames in a second. zoom (d): 0.25 to 5. scale (d): 0.5 to 4.
    ///
    /// auth (a{sv}): the page's credentials, for its origin only, cookies for its host: cookies,
    /// local-storage, headers (each a{ss}), basic (username and password, a{ss}).
    ///
    /// Errors: InvalidArgs, InvalidRequest, NoSuchDevice, Forbidden, Busy. Polkit action:
    /// org.dashboardcast1.cast.
    #[zbus(out_args("session"))]
    async fn start_cast(
        &self,
        url: String,
        options: HashMap<String, OwnedVariant>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<OwnedObjectPath, Error> {
        let request = start_request(url, options)?;
        let host = host_of(&request.url);
        let about = [("host", host.as_str())];
        let turn = self.edge.admit(connection, &call, Action::Cast, &about).await?;
        let core = Arc::clone(&self.edge.core);
        let session = to_the_end(async move { core.start(request).await }).await??;
        self.edge.settle().await;
        drop(turn);
        Ok(session_path(&session.id))
    }

    /// Starts a cast that the configuration describes in its section casts.NAME. When it is running
    /// already, just as it is described, and people have not taken its screen, it goes on.
    ///
    /// cast: its name, which is the session's Target.
    ///
    /// Errors: NoSuchCast, and those of StartCast. Polkit action: org.dashboardcast1.cast.
    #[zbus(out_args("session"))]
    async fn start_named(
        &self,
        cast: String,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<OwnedObjectPath, Error> {
        let about = [("cast", cast.as_str())];
        let turn = self.edge.admit(connection, &call, Action::Cast, &about).await?;
        let core = Arc::clone(&self.edge.core);
        let session = to_the_end(async move { core.start_named(cast).await }).await??;
        self.edge.settle().await;
        drop(turn);
        Ok(session_path(&session.id))
    }

    /// Ends a session and takes its page off the TV. Its object is gone when this comes back.
    ///
    /// Errors: NoSuchSession. Polkit action: org.dashboardcast1.cast.
    async fn stop_cast(
        &self,
        session: ObjectPath<'_>,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<(), Error> {
        let id = session_of(&session).ok_or_else(Error::no_such_session)?;
        self.edge.stop(connection, &call, id).await
    }

    /// Ends all sessions, and tells how many there were.
    ///
    /// Polkit action: org.dashboardcast1.cast.
    #[zbus(out_args("stopped"))]
    async fn stop_all(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<u32, Error> {
        let about = [("session", "all")];
        let turn = self.edge.admit(connection, &call, Action::Cast, &about).await?;
        let core = Arc::clone(&self.edge.core);
        let running = active(&core.sessions());
        let stopped = to_the_end(async move { core.stop(None).await }).await?;
        self.edge.settle().await;
        drop(turn);
        Ok(match stopped {
            Stopped::Stopped => running,
            Stopped::NotRunning => 0,
        })
    }

    /// Reads the configuration again, and has it count. Returns a sentence for each thing that has
    /// changed, with when it counts: now, for sessions that start from now on, or after a restart.
    ///
    /// Errors: InvalidConfiguration with all that is wrong, a line each; what held before goes on to
    /// hold. Polkit action: org.dashboardcast1.configure.
    #[zbus(out_args("changes"))]
    async fn reload(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<Vec<String>, Error> {
        let turn = self.edge.admit(connection, &call, Action::Configure, &[]).await?;
        let core = Arc::clone(&self.edge.core);
        let changes = to_the_end(async move { core.reload().await }).await??;
        self.edge.settle().await;
        drop(turn);
        Ok(changes.into_iter().map(text).collect())
    }

    /// The sessions in the order of their start: object, address of the page, State, Verdict.
    #[zbus(out_args("sessions"))]
    fn list_sessions(&self) -> Vec<(OwnedObjectPath, String, String, String)> {
        let sessions = self.edge.core.sessions().into_iter();
        sessions
            .map(|session| {
                let verdict = super::session::verdict(&session).0;
                (
                    session_path(&session.id),
                    text(session.url),
                    session.state.name.to_owned(),
                    verdict,
                )
            })
            .collect()
    }

    /// The TVs by name: object, name, model, and the address that is tried first.
    #[zbus(out_args("devices"))]
    fn list_devices(&self) -> Vec<(OwnedObjectPath, String, String, String)> {
        let devices = self.edge.core.devices().into_iter();
        devices
            .map(|device| {
                let address = device.hosts().next().unwrap_or_default();
                let model = text(device.model.unwrap_or_default());
                (device_path(&device.id), text(device.name), model, address)
            })
            .collect()
    }

    /// The version of the program.
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    /// How many sessions there are that have not ended.
    #[zbus(property)]
    fn active_sessions(&self) -> u32 {
        let facts = self.facts.clone().or_else(|| self.facts());
        facts.map_or(0, |sessions| *sessions)
    }

    /// A session was started; its object is there.
    #[zbus(signal)]
    pub(super) async fn session_added(
        emitter: &SignalEmitter<'_>,
        session: ObjectPath<'_>,
    ) -> zbus::Result<()>;

    /// A session has ended; its object is gone.
    #[zbus(signal)]
    pub(super) async fn session_removed(
        emitter: &SignalEmitter<'_>,
        session: ObjectPath<'_>,
    ) -> zbus::Result<()>;
}

/// How many of them have not ended.
pub(super) fn active(sessions: &[Snapshot]) -> u32 {
    u32::try_from(active_sessions(sessions)).unwrap_or(u32::MAX)
}
