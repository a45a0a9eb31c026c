//! The list of TVs, shared.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout_at},
};

use super::{
    choice::{ChooseError, choose, devices},
    device::{Device, Power},
    list::{Entry, List},
};
use crate::{config, ids::DeviceId, session::StartRequest};

/// Doubts that wait for discovery to look at them. One more than that is dropped: a TV that is
/// doubted again and again is doubted soon enough.
const MOST_DOUBTS: usize = 16;

/// Which TVs there are. Filled by [`Discovery`](super::Discovery); without it, it holds what is
/// configured.
#[derive(Debug)]
pub struct Devices {
    list: Mutex<List>,
    changed: watch::Sender<()>,
    /// Whether TVs that announce themselves are looked for. Sent anew with each configuration.
    discover: watch::Sender<bool>,
    to_discovery: mpsc::Sender<String>,
    doubts: Mutex<Option<mpsc::Receiver<String>>>,
}

impl Devices {
    pub fn new(settings: &config::Devices) -> Self {
        let (to_discovery, doubts) = mpsc::channel(MOST_DOUBTS);
        Self {
            list: Mutex::new(List::new(settings)),
            changed: watch::Sender::new(()),
            discover: watch::Sender::new(settings.discover),
            to_discovery,
            doubts: Mutex::new(Some(doubts)),
        }
    }

    /// Has another configuration count. Connections to TVs that are on the list no more stay as they
    /// are; made again they are not.
    pub fn configure(&self, settings: &config::Devices) {
        self.list().configure(settings);
        self.discover.send_replace(settings.discover);
        self.tell();
    }

    /// Every TV once, by name.
    pub fn snapshot(&self) -> Vec<Device> {
        devices(&self.list().entries())
    }

    /// The TV with this id, wherever it is now. An id from before a configured TV announced itself
    /// still finds it.
    pub fn get(&self, id: &DeviceId) -> Option<Device> {
        self.entry(id).map(|entry| entry.device)
    }

    /// The TV that is meant: by UUID, by name (first as it is written, then in any letters), or by
    /// address; `None` for the configured default.
    ///
    /// # Errors
    /// None or several are meant.
    pub fn choose(&self, what: Option<&str>) -> Result<Device, ChooseError> {
        let list = self.list();
        let entries = list.entries();
        let Some(what) = what.or(list.default()) else {
            return Err(ChooseError::NoDefault { candidates: devices(&entries) });
        };
        choose(&entries, what).map(|entry| entry.device.clone())
    }

    /// The TV that a request means by its `device`; `None` for none at all, which is also what is meant
    /// when it says nothing and there is no default. One that is not there is waited for that long: it
    /// may be that the search has only just begun.
    ///
    /// # Errors
    /// None or several are meant.
    pub async fn meant(
        &self,
        device: Option<&str>,
        limit: Duration,
    ) -> Result<Option<Device>, ChooseError> {
        if device == Some(StartRequest::NO_DEVICE) || (device.or(self.list().default())).is_none() {
            return Ok(None);
        }
        let deadline = Instant::now() + limit;
        let mut changed = self.changed.subscribe();
        loop {
            match self.choose(device) {
                Err(error @ ChooseError::Unknown { .. }) => {
                    // The sender lives as long as `self`.
                    if !matches!(timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
                        return Err(error);
                    }
                }
                chosen => return chosen.map(Some),
            }
        }
    }

    /// Tells when the list changes.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Follows a TV's signs of life from now on, also of one that is not there yet.
    pub fn watch(self: &Arc<Self>, id: &DeviceId) -> DeviceWatch {
        DeviceWatch {
            changed: self.changed.subscribe(),
            heard: self.news(id),
            id: id.clone(),
            devices: Arc::clone(self),
        }
    }

    /// Says that a TV does not answer. Discovery then asks the network for it and takes it off the
    /// list when there is no answer within 10 s, long before its announcement would run out. It also
    /// is the way to hear of its return: one that comes back to an announcement that still holds
    /// says nothing new.
    pub fn doubt(&self, id: &DeviceId) {
        if let Some(instance) = self.entry(id).and_then(|entry| entry.instance)
            && self.to_discovery.try_send(instance).is_err()
        {
            tracing::debug!(device = %id, "nobody looks whether the TV is still there");
        }
    }

    /// Notes what a TV says of its power for as long as there is this connection to it. `standby` ends
    /// with that.
    pub(super) fn follow_power(
        self: &Arc<Self>,
        id: &DeviceId,
        mut standby: watch::Receiver<Option<bool>>,
    ) {
        let devices = Arc::clone(self);
        let connection = self.list().connected(id.clone());
        tokio::spawn(async move {
            loop {
                let power = (*standby.borrow_and_update()).map(|standby| match standby {
                    true => Power::Standby,
                    false => Power::On,
                });
                if devices.list().powered(connection, power) {
                    devices.tell();
                }
                if standby.changed().await.is_err() {
                    break;
                }
            }
            devices.list().disconnected(connection);
            devices.tell();
        });
    }

    /// Whether to look for TVs that announce themselves; tells also when anything else of the
    /// configuration has changed.
    pub(super) fn discover(&self) -> watch::Receiver<bool> {
        self.discover.subscribe()
    }

    /// What [`Devices::doubt`] was told, for whoever asks first.
    pub(super) fn take_doubts(&self) -> Option<mpsc::Receiver<String>> {
        self.doubts.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn list(&self) -> MutexGuard<'_, List> {
        // Each change is whole before anything can go wrong.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for news, after the list was changed.
    pub(super) fn tell(&self) {
        self.changed.send_replace(());
    }

    fn entry(&self, id: &DeviceId) -> Option<Entry> {
        self.list().entries().into_iter().find(|entry| entry.is(id))
    }

    fn news(&self, id: &DeviceId) -> u64 {
        self.entry(id).map_or(0, |entry| entry.news)
    }
}

/// Tells when a TV gives a sign of life.
#[derive(Debug)]
pub struct DeviceWatch {
    devices: Arc<Devices>,
    id: DeviceId,
    changed: watch::Receiver<()>,
    /// The number of the last sign that was told.
    heard: u64,
}

impl DeviceWatch {
    /// Comes back when the TV has announced itself, or has taken a connection after it did not, since
    /// this watch was made or last told of it. It may be dropped at any time without a loss.
    ///
    /// A TV can announce itself as often as it likes; how soon to act on it is the caller's
    /// decision.
    pub async fn announcement(&mut self) {
        loop {
            let news = self.devices.news(&self.id);
            // Numbers only grow; what is left of a TV that went has an older one.
            if news > self.heard {
                self.heard = news;
                return;
            }
            // The sender lives as long as `devices`, which is held here.
            if self.changed.changed().await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use jiff::Timestamp;

    use super::*;
    use crate::cast::announcement::Announcement;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    fn announce(devices: &Devices) {
        let words = Announcement {
            instance: "tv".to_owned(),
            id: DeviceId::new(ID),
            name: "Hall".to_owned(),
            model: None,
            addresses: vec!["10.0.0.1:8009".parse().unwrap()],
            port: 8009,
            status: None,
        };
        devices.list().announce(words, Timestamp::UNIX_EPOCH);
        devices.tell();
    }

    fn told(watch: &mut DeviceWatch) -> bool {
        watch.announcement().now_or_never().is_some()
    }

    #[test]
    fn each_announcement_is_told_once_and_none_before_the_watch() {
        let devices = Arc::new(Devices::new(&config::Devices::default()));
        let mut early = devices.watch(&DeviceId::new(ID));
        assert!(!told(&mut early));
        announce(&devices);
        let mut late = devices.watch(&DeviceId::new(ID));
        assert!(told(&mut early));
        assert!(!told(&mut early) && !told(&mut late));
        devices.list().withdraw("tv");
        devices.tell();
        assert!(!told(&mut early) && !told(&mut late), "a goodbye is no sign of life");
        announce(&devices);
        assert!(told(&mut early) && told(&mut late));
    }

    #[test]
    fn a_configured_tv_tells_when_it_is_reached_again() {
        let fixed = vec!["10.0.0.1".parse().unwrap()];
        let settings = config::Devices { fixed, ..config::Devices::default() };
        let devices = Arc::new(Devices::new(&settings));
        let mut watch = devices.watch(&DeviceId::new("10.0.0.1:8009"));
        let mut tried = |outcome: Result<(), String>| {
            devices.list().tried(&settings.fixed[0], outcome, Timestamp::UNIX_EPOCH);
            devices.tell();
            told(&mut watch)
        };
        assert!(tried(Ok(())));
        assert!(!tried(Ok(())));
        assert!(!tried(Err("refused".to_owned())));
        assert!(tried(Ok(())));
    }

    #[test]
    fn no_tv_named_means_the_default() {
        let mut settings = config::Devices::default();
        let devices = Devices::new(&settings);
        announce(&devices);
        let error = devices.choose(None).unwrap_err();
        assert!(error.to_string().contains("\"Hall\""), "{error}");
        assert!(error.hint().contains("devices.default"), "{}", error.hint());
        settings.default = Some("hall".to_owned());
        let devices = Devices::new(&settings);
        assert!(matches!(devices.choose(None), Err(ChooseError::Unknown { .. })));
        announce(&devices);
        assert_eq!(devices.choose(None).unwrap().id.as_str(), ID);
        assert_eq!(devices.choose(Some("Hall")).unwrap(), devices.snapshot()[0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tv_that_is_not_there_yet_is_waited_for() {
        let devices = Arc::new(Devices::new(&config::Devices::default()));
        let limit = Duration::from_secs(3);
        assert_eq!(devices.meant(None, limit).await, Ok(None));
        assert_eq!(devices.meant(Some("none"), limit).await, Ok(None));
        let begin = Instant::now();
        assert!(devices.meant(Some("Hall"), limit).await.is_err());
        assert_eq!(begin.elapsed(), limit);
        let asking = devices.meant(Some("Hall"), limit);
        let announcing = async { announce(&devices) };
        let (meant, ()) = tokio::join!(asking, announcing);
        assert_eq!(meant.unwrap().unwrap().id.as_str(), ID);
        assert_eq!(begin.elapsed(), limit);
    }

    #[test]
    fn another_configuration_keeps_what_is_known_of_a_tv_that_is_in_both() {
        let settings = |fixed: &[&str], default: Option<&str>| config::Devices {
            discover: default.is_none(),
            fixed: fixed.iter().map(|text| text.parse().unwrap()).collect(),
            default: default.map(str::to_owned),
        };
        let before = settings(&["kitchen=10.0.0.7", "10.0.0.8"], None);
        let devices = Devices::new(&before);
        announce(&devices);
        devices.list().tried(&before.fixed[0], Ok(()), Timestamp::UNIX_EPOCH);
        let (mut changed, discover) = (devices.changes(), devices.discover());
        changed.mark_unchanged();
        devices.configure(&settings(&["kitchen=10.0.0.7", "loft=10.0.0.9"], Some("loft")));
        assert!(changed.has_changed().unwrap() && !*discover.borrow());
        let names: Vec<_> = devices.snapshot().into_iter().map(|device| device.name).collect();
        assert_eq!(names, ["Hall", "kitchen", "loft"]);
        let kitchen = devices.choose(Some("kitchen")).unwrap();
        assert_eq!(kitchen.last_seen, Some(Timestamp::UNIX_EPOCH));
        assert_eq!(devices.choose(None).unwrap().name, "loft");
        assert!(devices.choose(Some("10.0.0.8")).is_err());
        // Another name is another entry, of which nothing is known yet.
        devices.configure(&settings(&["cook=10.0.0.7"], None));
        assert_eq!(devices.choose(Some("cook")).unwrap().last_seen, None);
    }

    #[test]
    fn only_what_announces_itself_can_be_doubted_and_not_without_end() {
        let devices = Devices::new(&config::Devices::default());
        devices.doubt(&DeviceId::new(ID));
        announce(&devices);
        for _ in 0..2 * MOST_DOUBTS {
            devices.doubt(&DeviceId::new(ID));
        }
        assert_eq!(devices.take_doubts().unwrap().len(), MOST_DOUBTS);
    }
}
