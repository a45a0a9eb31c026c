//! Keeps the objects on the bus as the core is, and says what changed.
//!
//! It is told *that* something changed, looks, and compares with what it said last: what came and went
//! in between is never said, so there is nothing to queue. Whoever makes changes waits neither for the
//! bus nor for those who listen there.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use zbus::{
    Connection, ObjectPath, OwnedObjectPath, OwnedVariant, Variant,
    fdo::Properties,
    object_server::{Interface, SignalEmitter},
};

use super::{
    device::{self, Device},
    edge::{Edge, Settle},
    health::Health,
    manager::{self, Manager},
    names::{ROOT, device_path, session_path},
    object::{Object, Whole},
    session::{self, Session},
};
use crate::{
    cast,
    control::{Changes, Core, HealthReport},
    ids::{DeviceId, SessionId},
    session::Snapshot,
};

/// Between two looks at what changed. People see no difference, and programs that listen are woken
/// twenty times a second at most.
const PAUSE: Duration = Duration::from_millis(50);

/// An interface on the bus, and what was said of it.
struct Published<I: Object> {
    whole: Whole<I>,
    path: OwnedObjectPath,
    facts: Arc<I::Facts>,
    /// What its properties were said to be.
    told: HashMap<String, OwnedVariant>,
}

impl<I: Object> Published<I> {
    /// Puts it on the bus, which tells all its properties when it is not the root.
    async fn add(
        connection: &Connection,
        path: OwnedObjectPath,
        interface: I,
        facts: Arc<I::Facts>,
    ) -> zbus::Result<Self> {
        let whole = Whole::new(interface, Arc::clone(&facts));
        let told = read(&whole, connection, &path).await?;
        connection.object_server().at(&path, whole.clone()).await?;
        whole.go_with_the_time();
        Ok(Self { whole, path, facts, told })
    }

    async fn remove(self, connection: &Connection) -> zbus::Result<()> {
        connection.object_server().remove::<Whole<I>, _>(&self.path).await.map(drop)
    }

    /// Tells what is not as it was told.
    async fn tell(&mut self, connection: &Connection, facts: Arc<I::Facts>) -> zbus::Result<()> {
        if self.facts == facts {
            return Ok(());
        }
        let at = self.whole.at(Arc::clone(&facts));
        let now = read(&at, connection, &self.path).await?;
        let mut changed = HashMap::new();
        let mut invalidated = Vec::new();
        for (name, value) in &now {
            let name = name.as_str();
            if I::SILENT.contains(&name) || self.told.get(name) == Some(value) {
                continue;
            }
            if I::INVALIDATED.contains(&name) {
                invalidated.push(name);
            } else {
                changed.insert(name, Variant::try_from(value)?);
            }
        }
        if !changed.is_empty() || !invalidated.is_empty() {
            let emitter = SignalEmitter::new(connection, &self.path)?;
            Properties::properties_changed(&emitter, I::name(), changed, invalidated.into())
                .await?;
        }
        (self.facts, self.told) = (facts, now);
        Ok(())
    }
}

/// What a caller of `GetAll` is answered.
async fn read(
    interface: &impl Interface,
    connection: &Connection,
    path: &ObjectPath<'_>,
) -> zbus::Result<HashMap<String, OwnedVariant>> {
    let emitter = SignalEmitter::new(connection, path)?;
    Ok(interface.get_all(connection.object_server(), connection, None, &emitter).await?)
}

/// All objects on one connection to the bus.
pub(super) struct Publisher<C: Core> {
    connection: Connection,
    edge: Edge<C>,
    manager: Published<Manager<C>>,
    health: Published<Health<C>>,
    sessions: BTreeMap<SessionId, Published<Session<C>>>,
    devices: BTreeMap<DeviceId, Published<Device<C>>>,
}

impl<C: Core> Publisher<C> {
    /// Puts all objects on the bus, where their root is already.
    pub(super) async fn new(connection: Connection, edge: Edge<C>) -> zbus::Result<Self> {
        let (manager, health) = (Manager::new(edge.clone()), Health::new(edge.clone()));
        let facts = Arc::new(manager::active(&edge.core.sessions()));
        let manager = Published::add(&connection, ROOT.into(), manager, facts).await?;
        let facts = Arc::new(HealthReport::of(&*edge.core));
        let health = Published::add(&connection, ROOT.into(), health, facts).await?;
        let (sessions, devices) = (BTreeMap::new(), BTreeMap::new());
        let mut publisher = Self { connection, edge, manager, health, sessions, devices };
        publisher.publish().await?;
        Ok(publisher)
    }

    /// Follows the core. It comes back when the bus does not take what is said.
    pub(super) async fn run(
        &mut self,
        changes: &mut Changes,
        requests: &mut mpsc::Receiver<Settle>,
    ) -> zbus::Error {
        let mut earliest = Instant::now();
        loop {
            let change = async {
                changes.next().await;
                sleep_until(earliest).await;
            };
            // A change that is heard while a request wins is published with it.
            let mut waiting: Vec<Settle> = tokio::select! {
                Some(request) = requests.recv() => vec![request],
                () = change => Vec::new(),
            };
            while let Ok(request) = requests.try_recv() {
                waiting.push(request);
            }
            if let Err(error) = self.publish().await {
                return error;
            }
            for request in waiting {
                // Who has gone needs no answer.
                let _ = request.send(());
            }
            earliest = Instant::now() + PAUSE;
        }
    }

    /// Brings the objects up to date, and says what that changed. All of them are told as they are at
    /// one look.
    pub(super) async fn publish(&mut self) -> zbus::Result<()> {
        let (sessions, devices) = (self.edge.core.sessions(), self.edge.core.devices());
        self.publish_sessions(&sessions, &devices).await?;
        self.publish_devices(&sessions, devices).await?;
        let facts = Arc::new(manager::active(&sessions));
        self.manager.tell(&self.connection, facts).await?;
        let facts = Arc::new(HealthReport::of(&*self.edge.core));
        self.health.tell(&self.connection, facts).await
    }

    async fn publish_sessions(
        &mut self,
        sessions: &[Snapshot],
        devices: &[cast::Device],
    ) -> zbus::Result<()> {
        let emitter = SignalEmitter::new(&self.connection, ROOT)?;
        let is_gone = |id: &SessionId| !sessions.iter().any(|session| session.id == *id);
        for (id, session) in self.sessions.extract_if(.., |id, _| is_gone(id)) {
            session.remove(&self.connection).await?;
            Manager::<C>::session_removed(&emitter, session_path(&id).into()).await?;
        }
        for snapshot in sessions {
            let id = &snapshot.id;
            // It has just ended; the next look will find it gone.
            let Some(timeline) = self.edge.core.timeline(id) else { continue };
            let facts = Arc::new(session::Facts::new(snapshot.clone(), timeline, devices));
            if let Some(session) = self.sessions.get_mut(id) {
                session.tell(&self.connection, facts).await?;
                continue;
            }
            let path = session_path(id);
            let session = Session::new(self.edge.clone(), id.clone());
            let session = Published::add(&self.connection, path.clone(), session, facts).await?;
            self.sessions.insert(id.clone(), session);
            Manager::<C>::session_added(&emitter, path.into()).await?;
        }
        Ok(())
    }

    async fn publish_devices(
        &mut self,
        sessions: &[Snapshot],
        devices: Vec<cast::Device>,
    ) -> zbus::Result<()> {
        let is_gone = |id: &DeviceId| !devices.iter().any(|device| device.id == *id);
        for (_, device) in self.devices.extract_if(.., |id, _| is_gone(id)) {
            device.remove(&self.connection).await?;
        }
        for device in devices {
            let id = device.id.clone();
            let facts = Arc::new(device::Facts::new(device, sessions));
            if let Some(device) = self.devices.get_mut(&id) {
                device.tell(&self.connection, facts).await?;
                continue;
            }
            let path = device_path(&id);
            let device = Device::new(self.edge.clone(), id.clone());
            let device = Published::add(&self.connection, path, device, facts).await?;
            self.devices.insert(id, device);
        }
        Ok(())
    }
}
