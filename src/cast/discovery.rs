//! Listens for TVs that announce themselves, by mDNS and DNS-SD (RFC 6762 and 6763).
//!
//! The protocol is mdns-sd's, which has a thread of its own. It shares UDP port 5353 with others on
//! this machine, such as avahi-daemon: it binds with `SO_REUSEADDR` and `SO_REUSEPORT`, and the
//! kernel gives each listener its own copy of what is multicast. It follows interfaces that come and
//! go, renews announcements before they run out, and says so when one did.

use std::{
    collections::HashSet,
    net::{SocketAddr, SocketAddrV6},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use mdns_sd::{
    IfKind, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent,
    VERIFY_TIMEOUT_DEFAULT,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    announcement::{Announcement, NotATv},
    devices::Devices,
    fixed,
    list::Change,
    network::{SearchError, can_search, has_network},
};
use crate::error::sentence;

/// What Cast devices announce.
const SERVICE: &str = "_googlecast._tcp.local.";
/// mdns-sd asks less and less often, up to once an hour, and then relies on what TVs say by
/// themselves. On Wi-Fi that gets lost: so it begins anew this often.
const ASK_ANEW: Duration = Duration::from_secs(10 * 60);
/// Nobody multicasts a record twice within a second (RFC 6762, section 6). An answer that comes just
/// after an announcement lacks what that one said, and no later answer brings it: they are for those
/// who do not know the device yet. So after this time somebody who knows nothing asks.
const WITHHELD: Duration = Duration::from_millis(1100);
/// What a stranger asks for is answered within a fraction of it; the answer goes to all.
const STRANGER: Duration = Duration::from_secs(2);
/// Devices that a stranger has asked for; those beyond it have to announce themselves again.
const MOST_WITHHELD: usize = 64;
/// Between two looks at the network and at what mdns-sd holds.
const LOOK: Duration = Duration::from_secs(5);
/// Records that mdns-sd may hold. It sets itself no limit, and it keeps some for ever; a network
/// with hundreds of devices has a tenth of this. Beyond it, the search begins anew with nothing.
const MOST_RECORDS: i64 = 20_000;
/// After the search broke down or was flooded. Whoever did that may be at it still.
const PAUSE: Duration = Duration::from_secs(5);
/// For mdns-sd's thread to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// The running search. It ends with [`Discovery::stop`]; dropping it ends it too, only later.
#[derive(Debug)]
pub struct Discovery {
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Discovery {
    /// Starts to fill `devices`, in the running tokio runtime: looks after what is configured, and, as
    /// long as the configuration says so, listens for what announces itself. Where that is impossible,
    /// it says so in the log once, and begins when it becomes possible.
    pub fn start(devices: &Arc<Devices>) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(search(Arc::clone(devices), stop.clone()));
        let (fixed, stopped) = (fixed::follow(Arc::clone(devices)), stop.clone());
        tasks.spawn(async move { stopped.run_until_cancelled_owned(fixed).await.unwrap_or(()) });
        Self { stop, tasks }
    }

    /// Ends it and waits until no thread and no socket of it is left.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        // The tasks end by themselves: aborted, they could not end mdns-sd's thread.
        self.stop.cancel();
        self.tasks.detach_all();
    }
}

/// Why a search is over.
enum End {
    Stopped,
    /// By the configuration.
    Unwanted,
    /// mdns-sd's thread ended, or had more to say than we listened to.
    Lost,
    /// Somebody floods the network with announcements.
    Flooded,
}

async fn search(devices: Arc<Devices>, stop: CancellationToken) {
    let Some(mut doubts) = devices.take_doubts() else {
        tracing::error!("TVs are searched for twice, leaving it to the first");
        return;
    };
    let mut discover = devices.discover();
    let mut log = Log(None);
    while !stop.is_cancelled() {
        if !*discover.borrow_and_update() {
            log = Log(None);
            stop.run_until_cancelled(wait_for(&mut discover, true)).await;
            continue;
        }
        let end = match can_search().and_then(|()| Search::begin().map_err(SearchError::Start)) {
            Ok(mut search) => {
                log.note(&Ok(()));
                let end = tokio::select! {
                    end = search.follow(&devices, &mut doubts, &mut log, &stop) => end,
                    () = wait_for(&mut discover, false) => End::Unwanted,
                };
                search.close().await;
                end
            }
            Err(error) => {
                log.note(&Err(error));
                tokio::select! {
                    () = sleep(LOOK) => {}
                    () = stop.cancelled() => {}
                    () = wait_for(&mut discover, false) => {}
                }
                continue;
            }
        };
        match end {
            End::Stopped => return,
            End::Unwanted => {
                tracing::info!("not searching for TVs any more");
                devices.list().withdraw_all();
                devices.tell();
                continue;
            }
            End::Lost => tracing::warn!("the search for TVs broke down, starting it again"),
            End::Flooded => {
                tracing::warn!("too many announcements in the network, forgetting all of them");
            }
        }
        // Goodbyes that would come now would be missed; who is there is heard of at once again.
        devices.list().withdraw_all();
        devices.tell();
        stop.run_until_cancelled(sleep(PAUSE)).await;
    }
}

/// Comes back when the configuration says so.
async fn wait_for(discover: &mut watch::Receiver<bool>, wanted: bool) {
    if discover.wait_for(|discover| *discover == wanted).await.is_err() {
        // The sender lives as long as the list does, and that is held by who waits.
        std::future::pending::<()>().await;
    }
}

/// Says when the search becomes possible or impossible, not each time it is tried.
struct Log(Option<bool>);

impl Log {
    fn note(&mut self, possible: &Result<(), SearchError>) {
        if self.0.replace(possible.is_ok()) == Some(possible.is_ok()) {
            return;
        }
        match possible {
            Ok(()) => tracing::info!("searching for TVs"),
            Err(error) => {
                let why = sentence(error);
                tracing::warn!("TVs cannot be searched for, trying again: {why}");
            }
        }
    }
}

struct Search {
    mdns: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    /// What follows when `events` has come to its end.
    next: Option<Receiver<ServiceEvent>>,
    /// Those whose words were withheld from us, each asked for once.
    withheld: HashSet<String>,
    /// When the stranger comes or goes.
    turn: Option<Instant>,
    /// With what it hears, which nobody reads; without a reader it would not ask.
    stranger: Option<(ServiceDaemon, Receiver<ServiceEvent>)>,
}

impl Search {
    fn begin() -> Result<Self, mdns_sd::Error> {
        let mdns = ServiceDaemon::new()?;
        // No TV is on the loopback.
        mdns.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        let events = mdns.browse(SERVICE)?;
        let withheld = HashSet::new();
        Ok(Self { mdns, events, next: None, withheld, turn: None, stranger: None })
    }

    async fn follow(
        &mut self,
        devices: &Devices,
        doubts: &mut mpsc::Receiver<String>,
        log: &mut Log,
        stop: &CancellationToken,
    ) -> End {
        let [mut ask_anew, mut look] = [ASK_ANEW, LOOK].map(|period| {
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks.reset();
            ticks
        });
        loop {
            tokio::select! {
                () = stop.cancelled() => return End::Stopped,
                event = self.events.recv_async() => match (event, self.next.take()) {
                    (Ok(event), next) => {
                        self.next = next;
                        if let Some(instance) = hear(devices, event) {
                            self.ask_for(instance);
                        }
                    }
                    (Err(_), Some(next)) => self.events = next,
                    (Err(_), None) => return End::Lost,
                },
                Some(instance) = doubts.recv() => {
                    if let Err(error) = self.mdns.verify(instance, VERIFY_TIMEOUT_DEFAULT) {
                        tracing::debug!(%error, "looking whether a TV is still there");
                    }
                }
                _ = ask_anew.tick() => self.ask_anew(),
                () = at(self.turn) => self.turn(),
                _ = look.tick() => {
                    log.note(&has_network());
                    if self.is_flooded().await {
                        return End::Flooded;
                    }
                }
            }
        }
    }

    /// The new subscription takes the place of the old one, and begins with all that is known, which
    /// is how each TV that is still there is seen again. What the old one still holds comes first.
    fn ask_anew(&mut self) {
        if self.next.is_none() {
            match self.mdns.browse(SERVICE) {
                Ok(next) => self.next = Some(next),
                Err(error) => tracing::debug!(%error, "asking for TVs anew"),
            }
        }
    }

    /// Has a stranger ask, once, for a device that said nothing about itself.
    fn ask_for(&mut self, instance: String) {
        if self.withheld.len() < MOST_WITHHELD && self.withheld.insert(instance) {
            self.turn.get_or_insert_with(|| Instant::now() + WITHHELD);
        }
    }

    /// Brings the stranger in, or sends it away.
    fn turn(&mut self) {
        self.turn = None;
        if self.stranger.is_some() {
            return self.dismiss();
        }
        match ServiceDaemon::new().and_then(|mdns| Ok((mdns.browse(SERVICE)?, mdns))) {
            Ok((events, mdns)) => {
                self.stranger = Some((mdns, events));
                self.turn = Some(Instant::now() + STRANGER);
            }
            Err(error) => tracing::debug!(%error, "asking for what was withheld"),
        }
    }

    fn dismiss(&mut self) {
        if let Some(error) = self.stranger.take().and_then(|(mdns, _)| mdns.shutdown().err()) {
            tracing::debug!(%error, "ending a second search");
        }
    }

    async fn is_flooded(&self) -> bool {
        let Ok(metrics) = self.mdns.get_metrics() else { return false };
        let Ok(Ok(metrics)) = timeout(ANSWER, metrics.recv_async()).await else { return false };
        let held = metrics.iter().filter(|(name, _)| name.starts_with("cached-"));
        held.map(|(_, count)| count).sum::<i64>() > MOST_RECORDS
    }

    async fn close(mut self) {
        self.dismiss();
        let Ok(end) = self.mdns.shutdown() else { return };
        if timeout(ANSWER, end.recv_async()).await.is_err() {
            tracing::warn!("the search for TVs does not end, leaving it behind");
        }
    }
}

async fn at(turn: Option<Instant>) {
    match turn {
        Some(turn) => sleep_until(turn).await,
        None => std::future::pending().await,
    }
}

/// Takes an event to the list. Returns a device that said nothing about itself.
fn hear(devices: &Devices, event: ServiceEvent) -> Option<String> {
    match event {
        ServiceEvent::ServiceResolved(service) => match read(&service) {
            Ok(words) => announce(devices, words),
            Err(NotATv::NoId) => {
                tracing::debug!(instance = service.fullname, "an announcement without a UUID");
                return Some(service.fullname);
            }
            // It may have been a TV until now.
            Err(NotATv::NoScreen | NotATv::Group) => withdraw(devices, &service.fullname),
        },
        ServiceEvent::ServiceRemoved(_, instance) => withdraw(devices, &instance),
        _ => {}
    }
    None
}

fn read(service: &ResolvedService) -> Result<Announcement, NotATv> {
    let port = service.port;
    let addresses = service.addresses.iter().map(|address| match address {
        ScopedIp::V6(address) if address.addr().is_unicast_link_local() => {
            SocketAddrV6::new(*address.addr(), port, 0, address.scope_id().index).into()
        }
        address => SocketAddr::from((address.to_ip_addr(), port)),
    });
    Announcement::read(&service.fullname, port, addresses, |key| {
        service.get_property_val(key).flatten()
    })
}

fn announce(devices: &Devices, words: Announcement) {
    let Announcement { id, name, addresses, .. } = words.clone();
    let change = devices.list().announce(words, Timestamp::now());
    devices.tell();
    let address = addresses.first().map(ToString::to_string).unwrap_or_default();
    match change {
        Change::New => tracing::info!(tv = %id, name, address, "found a TV"),
        Change::Moved => tracing::info!(tv = %id, name, address, "a TV has a new name or address"),
        Change::Little => tracing::debug!(tv = %id, "a TV announces itself"),
    }
}

fn withdraw(devices: &Devices, instance: &str) {
    if let Some(words) = devices.list().withdraw(instance) {
        tracing::info!(tv = %words.id, name = words.name, "a TV is gone");
    }
    devices.tell();
}
