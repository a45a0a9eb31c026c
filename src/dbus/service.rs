//! The service on the bus: its coming, what it does when the bus is lost, and its going.
//!
//! A bus that ends takes nothing of ours with it: sessions, TVs and HTTP do not need it. So the
//! process goes on and comes back to the bus when there is one again, rather than end and be started
//! again by systemd, for which every TV would pay. The same for one that does not take us yet: until it
//! has read the policy of a package that was just installed, for instance.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};
use zbus::{
    Address, Connection, MatchRule, MessageStream,
    connection::Builder,
    fdo::{self, DBusProxy, ObjectManager, RequestNameFlags},
    message,
    names::BusName,
    proxy::{self, CacheProperties},
};

use super::{
    authorize::Gate,
    edge::{Edge, Settle},
    error::BusError,
    names::{BUS_NAME, Bus, ROOT},
    publisher::Publisher,
};
use crate::{
    activity::Activity,
    control::{Changes, Core},
    error::sentence,
};

/// Buses answer at once; this is for one that hangs.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For the last words on the bus.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);
/// Between two tries to come: the first one, and the longest after doubling.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Calls that wait for the objects to be up to date; one more waits for room.
const SETTLING: usize = 16;

/// A connection to a bus on which nobody has our name, with the root of our objects.
#[derive(Debug)]
pub struct Seat {
    bus: Bus,
    /// Where it is, when it is not where such a bus usually is.
    address: Option<Address>,
    connection: Connection,
    activity: Activity,
}

impl Seat {
    /// Looks for the bus before anything is done that a second daemon must not do.
    ///
    /// # Errors
    /// There is no such bus, or another daemon is there.
    pub async fn find(bus: Bus) -> Result<Self, BusError> {
        Self::find_at(bus, None).await
    }

    /// As [`Seat::find`], with the bus at this address.
    ///
    /// # Errors
    /// As those of [`Seat::find`].
    pub async fn find_at(bus: Bus, address: Option<Address>) -> Result<Self, BusError> {
        let connect = |cause| BusError::Connect { bus, cause };
        let finding = async {
            let builder = match (&address, bus) {
                (Some(address), _) => Builder::address(address.clone()),
                (None, Bus::System) => Builder::system(),
                (None, Bus::Session) => Builder::session(),
            };
            // zbus listens for calls from the first object on. Only for one that is there from the start it
            // waits until it does; the first call to the name could be lost otherwise.
            let builder = builder.serve_at(ROOT, ObjectManager);
            let connection = builder.build().await.map_err(connect)?;
            let names: DBusProxy<'_> = proxy::Builder::new(&connection)
                .cache_properties(CacheProperties::No)
                .build()
                .await
                .map_err(connect)?;
            let ours = BusName::from_static_str(BUS_NAME).map_err(connect)?;
            if names.name_has_owner(ours).await.map_err(|error| connect(error.into()))? {
                return Err(BusError::Taken { bus });
            }
            Ok(Self { bus, address, connection, activity: Activity::default() })
        };
        let late = |_| connect(io::Error::from(io::ErrorKind::TimedOut).into());
        timeout(CONNECT_LIMIT, finding).await.map_err(late)?
    }

    /// The same, where this is told of each call.
    pub fn telling(self, activity: Activity) -> Self {
        Self { activity, ..self }
    }
}

/// The daemon's presence on a bus, for as long as this is held.
#[derive(Debug)]
pub struct Service {
    task: JoinHandle<()>,
    to_task: oneshot::Sender<()>,
}

impl Service {
    /// Makes the objects, takes the name, and stays until told to stop. `listen` is where the HTTP
    /// server listens.
    ///
    /// # Errors
    /// The policy does not allow it, or another daemon was faster.
    pub async fn start<C: Core>(
        seat: Seat,
        core: Arc<C>,
        listen: SocketAddr,
    ) -> Result<Self, BusError> {
        let (bus, address, activity) = (seat.bus, seat.address.clone(), seat.activity.clone());
        let plan = Plan { bus, address, core, listen, gate: Gate::new(bus), activity };
        let presence = plan.settle_in(seat).await?;
        let (to_task, stop) = oneshot::channel();
        let task = tokio::spawn(plan.stay(presence, stop));
        Ok(Self { task, to_task })
    }

    /// Comes to this bus as soon as it takes us, and then stays until told to stop.
    pub fn start_later<C: Core>(
        bus: Bus,
        activity: Activity,
        core: Arc<C>,
        listen: SocketAddr,
    ) -> Self {
        let plan = Plan { bus, address: None, core, listen, gate: Gate::new(bus), activity };
        let (to_task, stop) = oneshot::channel();
        let task = tokio::spawn(plan.come_and_stay(stop));
        Self { task, to_task }
    }

    /// Says what is still to be said, and leaves.
    pub async fn stop(self) {
        let Self { mut task, to_task } = self;
        // It cannot have ended by itself.
        let _ = to_task.send(());
        if timeout(LEAVE_LIMIT, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// What a presence is made from, once for each connection.
struct Plan<C> {
    bus: Bus,
    address: Option<Address>,
    core: Arc<C>,
    listen: SocketAddr,
    gate: Gate,
    activity: Activity,
}

/// All that is on one connection.
struct Presence<C: Core> {
    connection: Connection,
    publisher: Publisher<C>,
    changes: Changes,
    requests: mpsc::Receiver<Settle>,
    /// All that is asked of us, beside the objects that answer it.
    calls: MessageStream,
    activity: Activity,
}

impl<C: Core> Plan<C> {
    /// Objects first, name last: who calls the name finds everything.
    async fn settle_in(&self, seat: Seat) -> Result<Presence<C>, BusError> {
        let Seat { bus, connection, .. } = seat;
        // From before the first look, so that no change is missed.
        let changes = self.core.changes();
        let (to_publisher, requests) = mpsc::channel(SETTLING);
        let edge = Edge {
            core: Arc::clone(&self.core),
            listen: self.listen,
            gate: self.gate.clone(),
            to_publisher,
        };
        let publisher = Publisher::new(connection.clone(), edge)
            .await
            .map_err(|cause| BusError::Objects { bus, cause })?;
        let calls = async {
            let rule = MatchRule::builder().msg_type(message::Type::MethodCall).build()?;
            MessageStream::for_match_rule(rule, &connection, None).await
        };
        let calls = calls.await.map_err(|cause| BusError::Connect { bus, cause })?;
        let flags = RequestNameFlags::DO_NOT_QUEUE;
        connection.request_name_with_flags(BUS_NAME, flags).await.map_err(|cause| match cause {
            zbus::Error::NameTaken => BusError::Taken { bus },
            zbus::Error::FDO(ref error) if matches!(**error, fdo::Error::AccessDenied(_)) => {
                BusError::NotAllowed { bus, cause }
            }
            _ => BusError::Connect { bus, cause },
        })?;
        let activity = self.activity.clone();
        Ok(Presence { connection, publisher, changes, requests, calls, activity })
    }

    async fn stay(self, mut presence: Presence<C>, mut stop: oneshot::Receiver<()>) {
        loop {
            tokio::select! {
                why = presence.run() => {
                    tracing::warn!(%why, "{} is lost; sessions go on, and it is tried again", self.bus);
                }
                _ = &mut stop => return presence.leave().await,
            }
            drop(presence);
            presence = tokio::select! {
                again = self.come() => again,
                _ = &mut stop => return,
            };
            tracing::info!("on {} again", self.bus);
        }
    }

    async fn come_and_stay(self, mut stop: oneshot::Receiver<()>) {
        let presence = tokio::select! {
            presence = self.come() => presence,
            _ = &mut stop => return,
        };
        tracing::info!("on {} now", self.bus);
        self.stay(presence, stop).await;
    }

    async fn come(&self) -> Presence<C> {
        let (mut pause, longest) = RETRY;
        loop {
            sleep(pause).await;
            pause = longest.min(pause * 2);
            let coming = async {
                self.settle_in(Seat::find_at(self.bus, self.address.clone()).await?).await
            };
            match coming.await {
                Ok(presence) => return presence,
                Err(error) => tracing::debug!(error = %sentence(&error), "coming to the bus"),
            }
        }
    }
}

impl<C: Core> Presence<C> {
    /// Comes back when the bus is lost: why.
    async fn run(&mut self) -> String {
        let listening = async {
            while self.calls.next().await.is_some() {
                self.activity.ask();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            error = self.publisher.run(&mut self.changes, &mut self.requests) => error.to_string(),
            () = listening => "nothing is asked any more".to_owned(),
            () = self.connection.closed() => "the connection was closed".to_owned(),
        }
    }

    async fn leave(mut self) {
        // Unheard, it would keep the last answers from being read.
        drop(self.calls);
        let left = match self.publisher.publish().await {
            Ok(()) => self.connection.release_name(BUS_NAME).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = left {
            tracing::debug!(%error, "leaving the bus");
        }
    }
}
