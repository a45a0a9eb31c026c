//! What is known of TVs, and what each piece of news does to it. Pure: it neither reads a clock nor
//! the network.

use std::net::SocketAddr;

use jiff::Timestamp;
use url::Host;

use super::{
    announcement::Announcement,
    choice::choose,
    device::{Device, Found, Power},
};
use crate::{
    config::{self, StaticDevice},
    ids::DeviceId,
};

/// TVs that announce themselves. When more do, the one that was not heard of for the longest time is
/// forgotten: a network with so many has somebody in it who makes them up.
pub(super) const MOST_ANNOUNCED: usize = 256;

#[derive(Debug)]
pub(super) struct List {
    announced: Vec<Announced>,
    fixed: Vec<Fixed>,
    default: Option<String>,
    /// Of those that there is a connection to, the latest connection last.
    powers: Vec<Powered>,
    /// Counts the news; the number of a piece tells its age.
    news: u64,
}

#[derive(Debug)]
struct Announced {
    words: Announcement,
    seen: Timestamp,
    news: u64,
}

/// A TV of the configuration.
#[derive(Clone, Debug)]
struct Fixed {
    entry: StaticDevice,
    id: DeviceId,
    addresses: Vec<SocketAddr>,
    seen: Option<Timestamp>,
    problem: Option<String>,
    news: u64,
}

/// What a TV says of its power on one connection.
#[derive(Debug)]
struct Powered {
    connection: u64,
    id: DeviceId,
    power: Option<Power>,
}

/// One TV with what others need not see.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) device: Device,
    /// The ids that it has as an entry of the configuration. They go on to be its own after it
    /// announced itself: somebody may have noted one.
    pub(super) fixed_ids: Vec<DeviceId>,
    /// The number of its latest sign of life; 0 when there was none.
    pub(super) news: u64,
    /// Under which it announces itself.
    pub(super) instance: Option<String>,
}

/// What an announcement told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    New,
    /// It has another name or other addresses.
    Moved,
    /// Nothing, or nothing but its status.
    Little,
}

impl Entry {
    pub(super) fn is(&self, id: &DeviceId) -> bool {
        self.device.id == *id || self.fixed_ids.contains(id)
    }
}

impl Fixed {
    fn new(entry: &StaticDevice) -> Self {
        let address = match entry.host {
            Host::Ipv4(address) => Some(SocketAddr::from((address, entry.port))),
            Host::Ipv6(address) => Some(SocketAddr::from((address, entry.port))),
            Host::Domain(_) => None,
        };
        Self {
            entry: entry.clone(),
            id: DeviceId::new(entry.address()),
            addresses: address.into_iter().collect(),
            seen: None,
            problem: None,
            news: 0,
        }
    }

    fn into_entry(self) -> Entry {
        let name = self.entry.name.unwrap_or_else(|| self.entry.host.to_string());
        Entry {
            device: Device {
                id: self.id.clone(),
                uuid: None,
                name,
                model: None,
                addresses: self.addresses,
                port: self.entry.port,
                found: Found::Configured,
                last_seen: self.seen,
                status: None,
                power: None,
                problem: self.problem,
                default: false,
            },
            fixed_ids: vec![self.id],
            news: self.news,
            instance: None,
        }
    }
}

impl Announced {
    fn is_at(&self, addresses: &[SocketAddr]) -> bool {
        let place = |address: &SocketAddr| (address.ip(), address.port());
        let at = |address| self.words.addresses.iter().any(|own| place(own) == place(address));
        addresses.iter().any(at)
    }

    fn entry(&self, fixed: &[&Fixed]) -> Entry {
        let words = self.words.clone();
        let given = fixed.iter().find_map(|fixed| fixed.entry.name.clone());
        Entry {
            device: Device {
                id: words.id.clone(),
                uuid: Some(words.id),
                name: given.unwrap_or(words.name),
                model: words.model,
                addresses: words.addresses,
                port: words.port,
                found: if fixed.is_empty() { Found::Announced } else { Found::Both },
                last_seen: Some(self.seen),
                status: words.status,
                power: None,
                problem: None,
                default: false,
            },
            fixed_ids: fixed.iter().map(|fixed| fixed.id.clone()).collect(),
            news: self.news,
            instance: Some(words.instance),
        }
    }
}

impl List {
    pub(super) fn new(settings: &config::Devices) -> Self {
        let fixed = settings.fixed.iter().map(Fixed::new).collect();
        let default = settings.default.clone();
        Self { announced: Vec::new(), fixed, default, powers: Vec::new(), news: 0 }
    }

    /// What is known of a TV that stays in the configuration is kept.
    pub(super) fn configure(&mut self, settings: &config::Devices) {
        let mut known = std::mem::take(&mut self.fixed);
        let fixed = settings.fixed.iter().map(|entry| {
            let at = known.iter().position(|fixed| fixed.entry == *entry);
            at.map_or_else(|| Fixed::new(entry), |at| known.swap_remove(at))
        });
        self.fixed = fixed.collect();
        self.default.clone_from(&settings.default);
    }

    pub(super) fn default(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// A TV has announced itself, for the first time or again.
    pub(super) fn announce(&mut self, words: Announcement, now: Timestamp) -> Change {
        self.news += 1;
        let announced = Announced { words, seen: now, news: self.news };
        if let Some(known) = self.announced.iter_mut().find(|k| k.words.id == announced.words.id) {
            let facts = |words: &Announcement| (words.name.clone(), words.addresses.clone());
            let moved = facts(&known.words) != facts(&announced.words);
            *known = announced;
            return if moved { Change::Moved } else { Change::Little };
        }
        if self.announced.len() >= MOST_ANNOUNCED {
            let oldest = (0..self.announced.len()).min_by_key(|at| self.announced[*at].news);
            oldest.map(|at| self.announced.swap_remove(at));
        }
        self.announced.push(announced);
        Change::New
    }

    /// A TV said goodbye or has not renewed its announcement. Gives its last words.
    pub(super) fn withdraw(&mut self, instance: &str) -> Option<Announcement> {
        let at = self.announced.iter().position(|known| known.words.instance == instance)?;
        Some(self.announced.swap_remove(at).words)
    }

    /// Nothing is heard any more.
    pub(super) fn withdraw_all(&mut self) {
        self.announced.clear();
    }

    pub(super) fn fixed(&self) -> impl Iterator<Item = &StaticDevice> {
        self.fixed.iter().map(|fixed| &fixed.entry)
    }

    /// The addresses of a configured TV were looked up.
    pub(super) fn locate(&mut self, entry: &StaticDevice, addresses: Vec<SocketAddr>) {
        if let Some(fixed) = self.fixed.iter_mut().find(|fixed| fixed.entry == *entry) {
            fixed.addresses = addresses;
        }
    }

    /// Whether a configured TV announces itself too.
    pub(super) fn is_announced(&self, entry: &StaticDevice) -> bool {
        let fixed = self.fixed.iter().find(|fixed| fixed.entry == *entry);
        fixed.is_some_and(|fixed| self.partner(fixed).is_some())
    }

    /// A configured TV took a connection, or why it did not. Returns whether that is new.
    pub(super) fn tried(
        &mut self,
        entry: &StaticDevice,
        outcome: Result<(), String>,
        now: Timestamp,
    ) -> bool {
        let Some(fixed) = self.fixed.iter_mut().find(|fixed| fixed.entry == *entry) else {
            return false;
        };
        let before = (fixed.seen.is_some(), fixed.problem.is_some());
        match outcome {
            Ok(()) => {
                // To have been there all the time is no sign of life.
                if before != (true, false) {
                    self.news += 1;
                    fixed.news = self.news;
                }
                fixed.seen = Some(now);
                fixed.problem = None;
            }
            Err(problem) => fixed.problem = Some(problem),
        }
        before != (fixed.seen.is_some(), fixed.problem.is_some())
    }

    /// There is a connection to a TV; its number.
    pub(super) fn connected(&mut self, id: DeviceId) -> u64 {
        self.news += 1;
        self.powers.push(Powered { connection: self.news, id, power: None });
        self.news
    }

    /// What the TV says of its power on this connection. Returns whether that is new.
    pub(super) fn powered(&mut self, connection: u64, power: Option<Power>) -> bool {
        let powered = self.powers.iter_mut().find(|powered| powered.connection == connection);
        powered.is_some_and(|powered| std::mem::replace(&mut powered.power, power) != power)
    }

    pub(super) fn disconnected(&mut self, connection: u64) {
        self.powers.retain(|powered| powered.connection != connection);
    }

    /// The announced TV at the address of a configured one. When an address has just changed hands,
    /// it is the TV heard of last.
    fn partner(&self, fixed: &Fixed) -> Option<&Announced> {
        let there = self.announced.iter().filter(|known| known.is_at(&fixed.addresses));
        there.max_by_key(|known| known.news)
    }

    /// Every TV once, by name.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let mut alone = Vec::new();
        let mut paired = Vec::new();
        for fixed in &self.fixed {
            match self.partner(fixed) {
                Some(known) => paired.push((known.news, fixed)),
                None => alone.push(fixed),
            }
        }
        let announced = self.announced.iter().map(|known| {
            let own = paired.iter().filter(|(news, _)| *news == known.news);
            known.entry(&own.map(|(_, fixed)| *fixed).collect::<Vec<_>>())
        });
        let alone = alone.into_iter().map(|fixed| fixed.clone().into_entry());
        let mut entries: Vec<Entry> = announced.chain(alone).collect();
        entries.sort_by_cached_key(|entry| {
            (entry.device.name.to_lowercase(), entry.device.id.clone())
        });
        for entry in &mut entries {
            let powered = self.powers.iter().rfind(|powered| entry.is(&powered.id));
            entry.device.power = powered.and_then(|powered| powered.power);
        }
        let default = self.default.as_deref().and_then(|default| choose(&entries, default).ok());
        if let Some(default) = default.map(|entry| entry.device.id.clone()) {
            for entry in &mut entries {
                entry.device.default = entry.device.id == default;
            }
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tv(number: u16, name: &str, address: &str) -> Announcement {
        Announcement {
            instance: format!("tv-{number}._googlecast._tcp.local."),
            id: DeviceId::new(format!("{number:032x}")),
            name: name.to_owned(),
            model: Some("Chromecast".to_owned()),
            addresses: vec![address.parse().unwrap()],
            port: 8009,
            status: None,
        }
    }

    fn list(fixed: &[&str], default: Option<&str>) -> List {
        List::new(&config::Devices {
            discover: true,
            fixed: fixed.iter().map(|text| text.parse().unwrap()).collect(),
            default: default.map(str::to_owned),
        })
    }

    /// Name, way of being found and addresses, one TV a word.
    fn shown(list: &List) -> Vec<String> {
        let entries = list.entries();
        let shown = entries.iter().map(|entry| {
            let device = &entry.device;
            let hosts: Vec<String> = device.hosts().collect();
            format!("{}/{:?}/{}", device.name, device.found, hosts.join("+"))
        });
        shown.collect()
    }

    #[test]
    fn a_tv_is_listed_until_it_says_goodbye() {
        let mut list = list(&[], None);
        assert_eq!(list.announce(tv(1, "Hall", "10.0.0.1:8009"), now(5)), Change::New);
        assert_eq!(shown(&list), ["Hall/Announced/10.0.0.1"]);
        assert_eq!(list.entries()[0].device.last_seen, Some(now(5)));
        assert_eq!(list.withdraw("somebody else._googlecast._tcp.local."), None);
        assert_eq!(list.withdraw("tv-1._googlecast._tcp.local.").unwrap().name, "Hall");
        assert!(list.entries().is_empty());
    }

    #[test]
    fn name_and_address_are_followed() {
        let mut list = list(&[], None);
        list.announce(tv(1, "Hall", "10.0.0.1:8009"), now(0));
        assert_eq!(list.announce(tv(1, "Hall", "10.0.0.1:8009"), now(1)), Change::Little);
        assert_eq!(list.announce(tv(1, "Loft", "10.0.0.1:8009"), now(2)), Change::Moved);
        assert_eq!(list.announce(tv(1, "Loft", "10.0.0.7:8009"), now(3)), Change::Moved);
        assert_eq!(shown(&list), ["Loft/Announced/10.0.0.7"]);
    }

    #[test]
    fn a_tv_under_another_instance_name_is_the_same_and_its_old_goodbye_is_void() {
        let mut list = list(&[], None);
        list.announce(tv(1, "Hall", "10.0.0.1:8009"), now(0));
        let renamed = Announcement { instance: "new".to_owned(), ..tv(1, "Hall", "10.0.0.1:8009") };
        list.announce(renamed, now(1));
        assert_eq!(list.withdraw("tv-1._googlecast._tcp.local."), None);
        assert_eq!(list.entries().len(), 1);
    }

    #[test]
    fn a_configured_tv_is_listed_with_or_without_an_address_and_with_its_problem() {
        let mut list = list(&["kitchen=10.0.0.1", "tv.lan:9"], None);
        assert_eq!(shown(&list), ["kitchen/Configured/10.0.0.1", "tv.lan/Configured/"]);
        let tv_lan: StaticDevice = "tv.lan:9".parse().unwrap();
        assert!(list.tried(&tv_lan, Err("no such host".to_owned()), now(1)));
        assert!(!list.tried(&tv_lan, Err("no such host".to_owned()), now(2)));
        let device = list.entries().pop().unwrap().device;
        assert_eq!(device.problem.as_deref(), Some("no such host"));
        assert_eq!((device.id.as_str(), device.uuid, device.last_seen), ("tv.lan:9", None, None));
        assert!(list.tried(&tv_lan, Ok(()), now(3)));
        let device = list.entries().pop().unwrap().device;
        assert_eq!((device.problem, device.last_seen), (None, Some(now(3))));
    }

    #[test]
    fn a_configured_tv_that_announces_itself_is_one_by_its_uuid() {
        let mut list = list(&["kitchen=10.0.0.1", "cellar=10.0.0.2:8010"], None);
        list.announce(tv(1, "Chromecast-7", "10.0.0.1:8009"), now(0));
        list.announce(tv(2, "Other", "10.0.0.2:8009"), now(0));
        assert_eq!(
            shown(&list),
            ["cellar/Configured/10.0.0.2", "kitchen/Both/10.0.0.1", "Other/Announced/10.0.0.2"]
        );
        let kitchen = &list.entries()[1];
        assert_eq!(kitchen.device.uuid, Some(kitchen.device.id.clone()));
        assert!(kitchen.is(&DeviceId::new("10.0.0.1:8009")), "its old id still finds it");
        list.withdraw("tv-1._googlecast._tcp.local.");
        assert_eq!(shown(&list)[1], "kitchen/Configured/10.0.0.1");
    }

    #[test]
    fn a_configured_host_name_is_matched_when_its_address_is_known() {
        let mut list = list(&["tv.lan"], None);
        let entry: StaticDevice = "tv.lan".parse().unwrap();
        list.announce(tv(1, "Hall", "10.0.0.1:8009"), now(0));
        assert!(!list.is_announced(&entry));
        list.locate(&entry, vec!["10.0.0.1:8009".parse().unwrap()]);
        assert!(list.is_announced(&entry));
        assert_eq!(shown(&list), ["Hall/Both/10.0.0.1"]);
    }

    #[test]
    fn an_address_that_changed_hands_belongs_to_the_tv_heard_of_last() {
        let mut list = list(&["kitchen=10.0.0.1"], None);
        list.announce(tv(1, "Old", "10.0.0.1:8009"), now(0));
        list.announce(tv(2, "New", "10.0.0.1:8009"), now(1));
        assert_eq!(shown(&list), ["kitchen/Both/10.0.0.1", "Old/Announced/10.0.0.1"]);
        assert_eq!(list.entries()[0].device.id, DeviceId::new(format!("{:032x}", 2)));
    }

    #[test]
    fn the_latest_connection_tells_of_power_until_it_is_gone() {
        let mut list = list(&["kitchen=10.0.0.1"], None);
        let power = |list: &List| list.entries()[0].device.power;
        let [first, second] = [(); 2].map(|()| list.connected(DeviceId::new("10.0.0.1:8009")));
        assert!(list.powered(first, Some(Power::On)));
        assert_eq!(power(&list), None, "nothing was said on the latest");
        assert!(list.powered(second, Some(Power::Standby)));
        assert!(!list.powered(second, Some(Power::Standby)));
        list.announce(tv(1, "Hall", "10.0.0.1:8009"), now(0));
        assert_eq!(power(&list), Some(Power::Standby), "its id from before");
        list.disconnected(first);
        assert!(!list.powered(first, None));
        assert_eq!(power(&list), Some(Power::Standby));
        list.disconnected(second);
        assert_eq!(power(&list), None);
    }

    #[test]
    fn the_default_is_marked() {
        let mut list = list(&["kitchen=10.0.0.1"], Some("Hall"));
        assert!(list.entries().iter().all(|entry| !entry.device.default));
        list.announce(tv(1, "Hall", "10.0.0.9:8009"), now(0));
        let default: Vec<bool> = list.entries().iter().map(|entry| entry.device.default).collect();
        assert_eq!(default, [true, false]);
    }

    #[test]
    fn of_too_many_tvs_the_one_not_heard_of_for_the_longest_time_goes() {
        let mut list = list(&[], None);
        let most = u16::try_from(MOST_ANNOUNCED).unwrap();
        for number in 0..most {
            list.announce(tv(number, "TV", "10.0.0.1:8009"), now(0));
        }
        list.announce(tv(0, "TV", "10.0.0.1:8009"), now(1));
        list.announce(tv(most, "TV", "10.0.0.1:8009"), now(2));
        assert_eq!(list.entries().len(), MOST_ANNOUNCED);
        let has = |number: u16| {
            let id = DeviceId::new(format!("{number:032x}"));
            list.entries().iter().any(|entry| entry.is(&id))
        };
        assert_eq!([has(0), has(1), has(2), has(most)], [true, false, true, true]);
    }

    #[derive(Clone, Debug)]
    enum Op {
        Announce(u16, u8),
        Withdraw(u16),
        WithdrawAll,
        Locate(usize, u8),
        Tried(usize, bool),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            8 => (0..400_u16, 0..8_u8).prop_map(|(tv, at)| Op::Announce(tv, at)),
            4 => (0..400_u16).prop_map(Op::Withdraw),
            1 => Just(Op::WithdrawAll),
            2 => (0..3_usize, 0..8_u8).prop_map(|(entry, at)| Op::Locate(entry, at)),
            2 => (0..3_usize, any::<bool>()).prop_map(|(entry, ok)| Op::Tried(entry, ok)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_is_heard_each_tv_is_listed_once_and_no_configured_one_is_lost(
            ops in prop::collection::vec(op(), 0..600),
        ) {
            let texts = ["kitchen=10.0.0.1", "10.0.0.2", "hall=tv.lan"];
            let entries = texts.map(|text| text.parse::<StaticDevice>().unwrap());
            let mut list = list(&texts, Some("kitchen"));
            for (second, op) in (0..).zip(ops) {
                match op {
                    Op::Announce(number, at) => {
                        list.announce(tv(number, "TV", &format!("10.0.0.{at}:8009")), now(second));
                    }
                    Op::Withdraw(number) => {
                        list.withdraw(&format!("tv-{number}._googlecast._tcp.local."));
                    }
                    Op::WithdrawAll => list.withdraw_all(),
                    Op::Locate(entry, at) => {
                        let address = format!("10.0.0.{at}:8009").parse().unwrap();
                        list.locate(&entries[entry], vec![address]);
                    }
                    Op::Tried(entry, ok) => {
                        let outcome = if ok { Ok(()) } else { Err("refused".to_owned()) };
                        list.tried(&entries[entry], outcome, now(second));
                    }
                }
            }
            let known = list.entries();
            prop_assert!(known.len() <= MOST_ANNOUNCED + texts.len());
            for entry in &known {
                let same = known.iter().filter(|other| other.is(&entry.device.id)).count();
                prop_assert_eq!(same, 1);
            }
            for entry in entries {
                let id = DeviceId::new(entry.address());
                prop_assert_eq!(known.iter().filter(|known| known.is(&id)).count(), 1);
            }
        }
    }
}
