//! What TVs announce.

use mdns_sd::{ServiceDaemon, ServiceInfo};

use crate::network::{Namespace, TV_ADDRESS};

const SERVICE: &str = "_googlecast._tcp.local.";

/// What one device says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) model: &'static str,
    pub(crate) capabilities: &'static str,
    pub(crate) status: &'static str,
    /// `None`: all that its interface has.
    pub(crate) address: Option<&'static str>,
    pub(crate) port: u16,
}

pub(crate) const TV: Words = Words {
    id: "0123456789ABCDEF0123456789ABCDEF",
    name: "Living room",
    model: "Chromecast Ultra",
    capabilities: "4101",
    status: "",
    address: Some(TV_ADDRESS),
    port: 8009,
};
pub(crate) const TV_ID: &str = "0123456789abcdef0123456789abcdef";

/// One device that answers for itself.
pub(crate) struct Announcer(ServiceDaemon);

impl Announcer {
    #[track_caller]
    pub(crate) fn start(namespace: &Namespace, words: &Words) -> Self {
        let announcer = Self(namespace.within(|| ServiceDaemon::new().expect("an mDNS responder")));
        announcer.0.set_ip_check_interval(1).expect("a shorter interval");
        announcer.say(words);
        announcer
    }

    /// Announces this in place of what it announced before.
    #[track_caller]
    pub(crate) fn say(&self, words: &Words) {
        let txt = [
            ("id", words.id),
            ("fn", words.name),
            ("md", words.model),
            ("ca", words.capabilities),
            ("rs", words.status),
            ("ve", "05"),
        ];
        let instance = format!("{}-{}", words.model.replace(' ', "-"), words.id);
        let host = format!("{}.local.", words.id);
        let address = words.address.unwrap_or("");
        let info = ServiceInfo::new(SERVICE, &instance, &host, address, words.port, &txt[..])
            .expect("an announcement");
        let info = if words.address.is_none() { info.enable_addr_auto() } else { info };
        self.0.register(info).expect("announcing");
    }

    /// Says goodbye.
    pub(crate) fn leave(self) {
        drop(self);
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        let ended = self.0.shutdown().map(|end| end.recv());
        assert!(matches!(ended, Ok(Ok(_))) || std::thread::panicking(), "the responder hangs");
    }
}
