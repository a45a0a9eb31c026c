//! The running service, asked over D-Bus.

mod changes;
mod choose;
mod device;
mod error;
mod session;
mod value;

use std::{collections::HashMap, io, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::time::timeout;
use zbus::{
    Connection, OwnedObjectPath, Variant,
    fdo::{DBusProxy, ObjectManagerProxy},
    names::{BusName, OwnedUniqueName},
    proxy::CacheProperties,
};

#[cfg(test)]
pub(super) use self::session::tests;
pub(super) use self::{
    changes::Changes,
    choose::{ChooseError, Which, choose},
    device::Device,
    error::ServiceError,
    session::{Cast, Event, Media, Session, Size, since},
};
use super::screen::plain;
use crate::{
    dbus::{
        Bus,
        proxy::{HealthProxy, ManagerProxy, SessionProxy},
    },
    systemd,
};

const NAME: &str = "org.dashboardcast1";
const ROOT: &str = "/org/dashboardcast1";
const UNIT: &str = "dashboard-cast.service";

/// For an answer that needs nothing but the service's memory. Starting and stopping may take longer,
/// and a person who is asked for a password takes the time that a person takes: those have no limit.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A connection to the bus, and the service behind it.
#[derive(Debug)]
pub(super) struct Service {
    bus: Bus,
    connection: Connection,
}

/// Sessions in the order in which they were started, TVs by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects {
    pub(super) sessions: Vec<Session>,
    pub(super) devices: Vec<Device>,
}

impl Service {
    pub(super) async fn connect(bus: Bus) -> Result<Self, ServiceError> {
        let connecting = async {
            match bus {
                Bus::System => Connection::system().await,
                Bus::Session => Connection::session().await,
            }
        };
        match timeout(ANSWER_LIMIT, connecting).await {
            Ok(Ok(connection)) => Ok(Self { bus, connection }),
            Ok(Err(cause)) => Err(ServiceError::NoBus { bus, cause }),
            Err(_) => {
                let cause = Arc::new(io::ErrorKind::TimedOut.into());
                Err(ServiceError::NoBus { bus, cause: zbus::Error::InputOutput(cause) })
            }
        }
    }

    /// Who is the service now; `None` when nobody is.
    pub(super) async fn owner(&self) -> Result<Option<OwnedUniqueName>, ServiceError> {
        let answer = async {
            let bus = DBusProxy::builder(&self.connection)
                .cache_properties(CacheProperties::No)
                .build()
                .await?;
            Ok(bus.get_name_owner(BusName::try_from(NAME)?).await?)
        };
        match self.read(answer).await {
            Ok(owner) => Ok(Some(owner)),
            Err(ServiceError::NotRunning { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Everything at one moment.
    pub(super) async fn objects(&self) -> Result<Objects, ServiceError> {
        let manager = ObjectManagerProxy::builder(&self.connection)
            .destination(NAME)
            .path(ROOT)
            .cache_properties(CacheProperties::No)
            .build();
        let answer = async { Ok(manager.await?.get_managed_objects().await?) };
        let mut objects = Objects::default();
        for (path, interfaces) in self.read(answer).await? {
            for (interface, properties) in interfaces {
                match interface.as_str() {
                    "org.dashboardcast1.Session" => {
                        let properties = value::object(&properties);
                        objects.sessions.push(Session::read(path.clone(), properties)?);
                    }
                    "org.dashboardcast1.Device" => {
                        objects.devices.push(Device::read(value::object(&properties))?);
                    }
                    _ => {}
                }
            }
        }
        // What ends while it is looked at has nothing left but its id.
        objects.sessions.retain(|session| !session.state.is_empty());
        objects.devices.retain(|device| !device.name.is_empty());
        objects.sessions.sort_by(|one, other| one.order().cmp(&other.order()));
        objects.devices.sort_by(|one, other| one.order().cmp(&other.order()));
        Ok(objects)
    }

    pub(super) async fn meant(&self, which: &Which) -> Result<Session, ServiceError> {
        let sessions = self.objects().await?.sessions;
        Ok(choose(&sessions, which.session.as_deref())?.clone())
    }

    /// Tells from now on when something may have changed.
    pub(super) async fn changes(&self) -> Result<Changes, ServiceError> {
        self.read(Changes::follow(&self.connection)).await
    }

    pub(super) async fn start(
        &self,
        url: &str,
        options: HashMap<&str, Variant<'_>>,
    ) -> Result<OwnedObjectPath, ServiceError> {
        self.order(async { self.manager().await?.start_cast(url, options).await }).await
    }

    /// Starts a cast of the configuration, or finds it running.
    pub(super) async fn start_named(&self, cast: &str) -> Result<OwnedObjectPath, ServiceError> {
        self.order(async { self.manager().await?.start_named(cast).await }).await
    }

    pub(super) async fn stop(&self, session: &Session) -> Result<(), ServiceError> {
        self.order(async { self.manager().await?.stop_cast(&session.path).await }).await
    }

    /// Ends all sessions; tells how many there were.
    pub(super) async fn stop_all(&self) -> Result<u32, ServiceError> {
        self.order(async { self.manager().await?.stop_all().await }).await
    }

    /// Reads the configuration again; a sentence for each thing that changed.
    pub(super) async fn reload(&self) -> Result<Vec<String>, ServiceError> {
        let changes = self.order(async { self.manager().await?.reload().await }).await?;
        Ok(changes.iter().map(|change| plain(change)).collect())
    }

    pub(super) async fn navigate(&self, session: &Session, url: &str) -> Result<(), ServiceError> {
        self.order(async { self.session(session).await?.navigate(url).await }).await
    }

    pub(super) async fn reload_page(&self, session: &Session) -> Result<(), ServiceError> {
        self.order(async { self.session(session).await?.reload().await }).await
    }

    /// What is on the stream now, as PNG.
    pub(super) async fn snapshot(&self, session: &Session) -> Result<Vec<u8>, ServiceError> {
        self.order(async { self.session(session).await?.snapshot().await }).await
    }

    /// Where it can be watched; `None` when the caller may not know.
    pub(super) async fn media(&self, session: &Session) -> Result<Option<Media>, ServiceError> {
        match self.read(async { self.session(session).await?.get_media().await }).await {
            Ok(media) => Ok(Media::read(&media)),
            Err(ServiceError::Denied { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn timeline(&self, session: &Session) -> Result<Vec<Event>, ServiceError> {
        let events = self.read(async { self.session(session).await?.timeline().await }).await?;
        Ok(events.into_iter().map(Event::from).collect())
    }

    /// The facts of `GET /health`.
    pub(super) async fn health(&self) -> Result<Map<String, Value>, ServiceError> {
        let facts = self.read(async { HealthProxy::new(&self.connection).await?.check().await });
        Ok(value::object(&facts.await?))
    }

    /// Whether what stops the service will start it again.
    pub(super) async fn is_restarting(&self) -> bool {
        let answer = systemd::is_restarting(&self.connection, UNIT);
        // Without systemd on this bus, nobody starts it again.
        matches!(timeout(ANSWER_LIMIT, answer).await, Ok(Ok(true)))
    }

    async fn manager(&self) -> zbus::Result<ManagerProxy<'_>> {
        ManagerProxy::builder(&self.connection).cache_properties(CacheProperties::No).build().await
    }

    async fn session<'a>(&'a self, session: &'a Session) -> zbus::Result<SessionProxy<'a>> {
        SessionProxy::builder(&self.connection)
            .path(session.path.as_ref())
            .cache_properties(CacheProperties::No)
            .build()
            .await
    }

    /// Waits as long as it takes.
    async fn order<T>(
        &self,
        answer: impl Future<Output = zbus::Result<T>>,
    ) -> Result<T, ServiceError> {
        answer.await.map_err(|error| ServiceError::judge(self.bus, error))
    }

    async fn read<T>(
        &self,
        answer: impl Future<Output = zbus::Result<T>>,
    ) -> Result<T, ServiceError> {
        match timeout(ANSWER_LIMIT, self.order(answer)).await {
            Ok(answer) => answer,
            Err(_) => Err(ServiceError::Silent { limit: ANSWER_LIMIT }),
        }
    }
}
