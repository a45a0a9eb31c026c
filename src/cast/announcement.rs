//! What a device says of itself in its mDNS TXT record, as far as it can be believed.

use std::net::{IpAddr, SocketAddr};

use crate::ids::DeviceId;

/// More than a TV has; a longer list is somebody's mistake.
const MOST_ADDRESSES: usize = 16;
/// The model that speaker groups and other groups of devices give themselves.
const GROUP_MODEL: &str = "Google Cast Group";
/// Bits of `ca`, the device's capabilities.
const VIDEO_OUT: u32 = 1;
const MULTIZONE_GROUP: u32 = 32;

/// A TV's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Announcement {
    /// The full DNS-SD name under which it is withdrawn.
    pub(super) instance: String,
    pub(super) id: DeviceId,
    pub(super) name: String,
    pub(super) model: Option<String>,
    /// Best first: IPv4 before IPv6, link-local last.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) port: u16,
    /// What runs on it, such as "Casting: Big Buck Bunny".
    pub(super) status: Option<String>,
}

/// Why an announcement is not one of a TV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotATv {
    /// The TXT record has no UUID, perhaps because it has not come yet.
    NoId,
    /// It has no screen.
    NoScreen,
    /// Several devices that play as one. Only sound can be played on groups, and whoever leads one
    /// now may not be its leader tomorrow.
    Group,
}

impl Announcement {
    /// `txt` gives the value of a key of the TXT record, which may be any bytes.
    pub(super) fn read<'a>(
        instance: &str,
        port: u16,
        addresses: impl IntoIterator<Item = SocketAddr>,
        txt: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<Self, NotATv> {
        let text = |key| txt(key).map(printable).filter(|text| !text.is_empty());
        let id = text("id").and_then(|id| uuid(&id)).ok_or(NotATv::NoId)?;
        let model = text("md");
        // Not every capability has its bit in every device, but a screen always has.
        let capabilities: u32 = text("ca").and_then(|ca| ca.parse().ok()).unwrap_or(0);
        if capabilities & MULTIZONE_GROUP != 0 || model.as_deref() == Some(GROUP_MODEL) {
            return Err(NotATv::Group);
        }
        if capabilities & VIDEO_OUT == 0 {
            return Err(NotATv::NoScreen);
        }
        Ok(Self {
            instance: instance.to_owned(),
            id,
            name: text("fn").or_else(|| model.clone()).unwrap_or_else(|| "TV".to_owned()),
            model,
            addresses: in_order(addresses),
            port,
            status: text("rs"),
        })
    }
}

/// The one form of a device's UUID: 32 lower-case hexadecimal digits. Others write it in capitals
/// and with dashes.
pub(super) fn uuid(text: &str) -> Option<DeviceId> {
    let digits: String =
        text.trim().chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_uuid.then(|| DeviceId::new(digits))
}

/// Names are shown on terminals, where control characters are commands and others turn the line
/// around.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let shows = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(shows).collect::<String>().trim().to_owned()
}

fn in_order(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses: Vec<_> = addresses.into_iter().collect();
    addresses.sort_unstable_by_key(|address| (is_link_local(address.ip()), *address));
    addresses.dedup();
    addresses.truncate(MOST_ADDRESSES);
    addresses
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const ID: &str = "0123456789ABCDEF0123456789abcdef";

    fn read(txt: &[(&str, &str)]) -> Result<Announcement, NotATv> {
        let txt: HashMap<&str, &[u8]> =
            txt.iter().map(|(key, value)| (*key, value.as_bytes())).collect();
        Announcement::read("x", 8009, [], |key| txt.get(key).copied())
    }

    #[test]
    fn a_chromecast_is_a_tv() {
        let announced = read(&[
            ("id", ID),
            ("md", "Chromecast Ultra"),
            ("fn", "Living room"),
            ("ca", "4101"),
            ("rs", "Casting: News"),
        ]);
        let announced = announced.unwrap();
        assert_eq!(announced.id.as_str(), "0123456789abcdef0123456789abcdef");
        assert_eq!(announced.name, "Living room");
        assert_eq!(announced.model.as_deref(), Some("Chromecast Ultra"));
        assert_eq!(announced.status.as_deref(), Some("Casting: News"));
    }

    #[test]
    fn what_has_no_screen_or_is_a_group_is_no_tv() {
        for (ca, expected) in [
            ("4", Err(NotATv::NoScreen)),
            ("2052", Err(NotATv::NoScreen)),
            ("", Err(NotATv::NoScreen)),
            ("-1", Err(NotATv::NoScreen)),
            ("99999999999999", Err(NotATv::NoScreen)),
            ("33", Err(NotATv::Group)),
            ("2084", Err(NotATv::Group)),
            ("1", Ok(())),
            ("6149", Ok(())),
        ] {
            assert_eq!(read(&[("id", ID), ("ca", ca)]).map(drop), expected, "ca={ca}");
        }
        let group = read(&[("id", ID), ("ca", "5"), ("md", "Google Cast Group")]);
        assert_eq!(group, Err(NotATv::Group));
    }

    #[test]
    fn without_a_uuid_it_is_nobody() {
        for id in ["", "0123", &ID[1..], &format!("{ID}0"), &ID.replace('0', "g")] {
            assert_eq!(read(&[("id", id), ("ca", "5")]), Err(NotATv::NoId), "id={id}");
        }
        assert_eq!(read(&[("ca", "5")]), Err(NotATv::NoId));
    }

    #[test]
    fn a_uuid_is_the_same_however_it_is_written() {
        let id = uuid(ID).unwrap();
        assert_eq!(uuid(" 01234567-89ab-cdef-0123-456789ABCDEF\n"), Some(id));
    }

    #[test]
    fn a_nameless_tv_is_called_by_its_model() {
        let name = |txt: &[(&str, &str)]| read(&[&[("id", ID), ("ca", "5")], txt].concat());
        assert_eq!(name(&[("fn", " \t"), ("md", "BRAVIA")]).unwrap().name, "BRAVIA");
        assert_eq!(name(&[]).unwrap().name, "TV");
    }

    #[test]
    fn a_name_cannot_command_a_terminal() {
        let announced =
            read(&[("id", ID), ("ca", "5"), ("fn", "\u{1b}[2Jkit\u{202e}chen\r\n")]).unwrap();
        assert_eq!(announced.name, "[2Jkitchen");
    }

    #[test]
    fn addresses_are_tried_in_the_order_in_which_they_work() {
        let sockets = [
            "[fe80::1%2]:8009",
            "169.254.7.7:8009",
            "[fd00::2]:8009",
            "192.168.1.9:8009",
            "10.0.0.9:8009",
            "10.0.0.9:8009",
        ];
        let ordered = in_order(sockets.map(|socket| socket.parse().unwrap()));
        let expected = [
            "10.0.0.9:8009",
            "192.168.1.9:8009",
            "[fd00::2]:8009",
            "169.254.7.7:8009",
            "[fe80::1%2]:8009",
        ];
        assert_eq!(ordered, expected.map(|socket| socket.parse().unwrap()));
    }

    proptest! {
        #[test]
        fn any_txt_record_has_an_answer(
            id in prop_oneof![Just(ID.as_bytes().to_vec()), any::<Vec<u8>>()],
            ca in prop_oneof![Just(b"5".to_vec()), any::<Vec<u8>>()],
            rest in any::<Vec<u8>>(),
            addresses in prop::collection::vec(any::<SocketAddr>(), 0..40),
        ) {
            let read = Announcement::read("x", 0, addresses, |key| match key {
                "id" => Some(&*id),
                "ca" => Some(&*ca),
                _ => Some(&*rest),
            });
            if let Ok(announced) = read {
                prop_assert_eq!(uuid(announced.id.as_str()), Some(announced.id));
                prop_assert!(!announced.name.is_empty());
                prop_assert!(!announced.name.chars().any(char::is_control));
                prop_assert!(announced.addresses.len() <= MOST_ADDRESSES);
            }
        }
    }
}
