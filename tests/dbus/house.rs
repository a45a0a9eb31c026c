//! The service with a core that does as the test says.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc, time::Duration};

use dashboard_cast::{
    dbus::{Bus, Seat, Service},
    session::Snapshot,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};
use zbus::{
    Connection, DBusError as _, DynamicType, MatchRule, MessageStream, OwnedVariant, Type,
    message::Flags, proxy,
};

use crate::{
    bus::PrivateBus,
    fake::{FakeCore, snapshot},
    polkit::{Polkit, Verdict},
};

pub(crate) const NAME: &str = "org.dashboardcast1";
pub(crate) const ROOT: &str = "/org/dashboardcast1";
pub(crate) const MANAGER: &str = "org.dashboardcast1.Manager";
pub(crate) const SESSION: &str = "org.dashboardcast1.Session";
pub(crate) const DEVICE: &str = "org.dashboardcast1.Device";
pub(crate) const HEALTH: &str = "org.dashboardcast1.Health";

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const POLL: Duration = Duration::from_millis(10);

pub(crate) struct House {
    pub(crate) core: Arc<FakeCore>,
    pub(crate) service: Service,
    pub(crate) polkit: Polkit,
    pub(crate) bus: PrivateBus,
}

impl House {
    /// The service on a system bus where polkit allows everything.
    pub(crate) async fn open() -> Self {
        let bus = PrivateBus::system();
        let polkit = Polkit::start(&bus, Verdict::Yes).await;
        Self::open_with(bus, polkit, Bus::System).await
    }

    pub(crate) async fn open_with(bus: PrivateBus, polkit: Polkit, kind: Bus) -> Self {
        let core = Arc::new(FakeCore::default());
        let service = serve(&bus, kind, &core).await;
        Self { core, service, polkit, bus }
    }

    /// Has the core run this session as well.
    pub(crate) fn add(&self, session: Snapshot) {
        self.core.sessions.lock().unwrap().push(session);
        self.core.tell_of_sessions();
    }

    pub(crate) async fn add_and_wait(&self, id: &str) -> Client {
        self.add(snapshot(id));
        let client = Client::of(&self.bus).await;
        client.wait(|objects| objects.contains_key(&session_path(id))).await;
        client
    }
}

pub(crate) async fn serve(bus: &PrivateBus, kind: Bus, core: &Arc<FakeCore>) -> Service {
    let seat = Seat::find_at(kind, Some(bus.zbus_address())).await.unwrap();
    Service::start(seat, Arc::clone(core), "127.0.0.1:8000".parse().unwrap()).await.unwrap()
}

pub(crate) fn session_path(id: &str) -> String {
    format!("{ROOT}/session/{id}")
}

pub(crate) type Properties = HashMap<String, OwnedVariant>;
/// By path and interface.
pub(crate) type Objects = HashMap<String, HashMap<String, Properties>>;

/// A caller.
pub(crate) struct Client(pub(crate) Connection);

impl Client {
    pub(crate) async fn of(bus: &PrivateBus) -> Self {
        Self(bus.client().await)
    }

    pub(crate) async fn call<T>(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<T, zbus::Error>
    where
        T: DeserializeOwned + Type,
    {
        let answer = self.0.call_method(Some(NAME), path, Some(interface), method, body).await?;
        answer.body().deserialize()
    }

    /// The name and the text of the error that the call must end with.
    #[track_caller]
    pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, zbus::Error>) -> (String, String) {
        match answer {
            Err(zbus::Error::MethodError(name, text, _)) => {
                (name.to_string(), text.unwrap_or_default())
            }
            Err(zbus::Error::FDO(error)) => {
                let text = error.description().unwrap_or_default().to_owned();
                (error.name().to_string(), text)
            }
            other => panic!("no error of D-Bus: {other:?}"),
        }
    }

    pub(crate) async fn objects(&self) -> Objects {
        let manager = zbus::fdo::ObjectManagerProxy::builder(&self.0)
            .destination(NAME)
            .path(ROOT)
            .cache_properties(proxy::CacheProperties::No)
            .build()
            .await
            .unwrap();
        let managed = manager.get_managed_objects().await.unwrap();
        let name = |interfaces: HashMap<zbus::names::OwnedInterfaceName, Properties>| {
            interfaces.into_iter().map(|(name, facts)| (name.to_string(), facts)).collect()
        };
        managed.into_iter().map(|(path, own)| (path.to_string(), name(own))).collect()
    }

    /// All signals of the service from now on. When it is not read, the connection takes nothing
    /// more as soon as so many wait.
    pub(crate) async fn signals(&self, queue: usize) -> MessageStream {
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .path_namespace(ROOT)
            .build()
            .unwrap();
        let queue = NonZeroUsize::new(queue);
        MessageStream::for_match_rule(rule, &self.0, queue).await.unwrap()
    }

    pub(crate) async fn properties(&self, path: &str, interface: &str) -> Properties {
        let properties = "org.freedesktop.DBus.Properties";
        self.call(path, properties, "GetAll", &interface).await.unwrap()
    }

    pub(crate) async fn introspect(&self, path: &str) -> String {
        self.call(path, "org.freedesktop.DBus.Introspectable", "Introspect", &()).await.unwrap()
    }

    /// Waits until the objects are as they should be.
    pub(crate) async fn wait(&self, is_right: impl Fn(&Objects) -> bool) -> Objects {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let objects = self.objects().await;
            if is_right(&objects) {
                return objects;
            }
            assert!(Instant::now() < deadline, "the objects stay as they are: {objects:?}");
            sleep(POLL).await;
        }
    }

    /// A call for which somebody may be asked for a password.
    pub(crate) async fn call_patiently(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<(), zbus::Error> {
        let proxy = zbus::Proxy::new(&self.0, NAME, path, interface).await?;
        let flags = proxy::MethodFlags::ALLOW_INTERACTIVE_AUTH;
        proxy.call_with_flags::<_, _, ()>(method, flags, body).await.map(drop)
    }

    /// Sends a call that nobody is to answer, and for which somebody may be asked for a password.
    pub(crate) async fn shout(
        &self,
        path: &str,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) {
        let message = zbus::Message::method_call(path, method)
            .destination(NAME)
            .interface(interface)
            .with_flags(Flags::NO_REPLY_EXPECTED | Flags::ALLOW_INTERACTIVE_AUTH)
            .build(body)
            .unwrap();
        self.0.send(&message).await.unwrap();
    }
}
