//! Names and paths, in one place. Clients know them by heart: none may change.

use std::fmt;

use zbus::{ObjectPath, OwnedObjectPath};

use crate::{
    cast::Device,
    ids::{DeviceId, SessionId},
    session::tv::TvChoice,
};

pub(super) const BUS_NAME: &str = "org.dashboardcast1";
/// Of the manager and the health, and above all other objects.
pub(super) const ROOT: ObjectPath<'static> =
    ObjectPath::from_static_str_unchecked("/org/dashboardcast1");
/// As a path: there is none.
pub(super) const NONE: ObjectPath<'static> = ObjectPath::from_static_str_unchecked("/");

const SESSIONS: &str = "/org/dashboardcast1/session/";
const DEVICES: &str = "/org/dashboardcast1/device/";

/// The bus that the service is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// Everybody's.
    System,
    /// One user's.
    Session,
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "the system bus",
            Self::Session => "the session bus",
        })
    }
}

pub(super) fn session_path(session: &SessionId) -> OwnedObjectPath {
    path(SESSIONS, session.as_str())
}

pub(super) fn device_path(device: &DeviceId) -> OwnedObjectPath {
    path(DEVICES, device.as_str())
}

/// The session that a path names, whether there is such a one or not.
pub(super) fn session_of(path: &ObjectPath<'_>) -> Option<SessionId> {
    path.strip_prefix(SESSIONS).map(SessionId::from)
}

/// Whether a session for this TV is for this device. A configured TV is named by its address until it
/// announces itself, and a session from before keeps that name.
pub(super) fn is_same(tv: &TvChoice, device: &Device) -> bool {
    tv.id == device.id
        || device.addresses.iter().any(|address| address.to_string() == tv.id.as_str())
}

/// A text as D-Bus can carry it: with a NUL in it, the bus would throw us off, and titles of pages and
/// names of TVs are not ours to choose.
pub(super) fn text(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

fn path(folder: &str, name: &str) -> OwnedObjectPath {
    // What is escaped fits, so the root is never taken.
    OwnedObjectPath::try_from(format!("{folder}{}", escape(name))).unwrap_or_else(|_| ROOT.into())
}

/// A text as one element of a path: a byte that may not stand there becomes `_` and its two
/// hexadecimal digits, as systemd does it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("_{byte:02x}"));
        }
    }
    if escaped.is_empty() { "_".to_owned() } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_found_by_their_paths() {
        let id = SessionId::from("5e551011");
        let path = session_path(&id);
        assert_eq!(path.as_str(), "/org/dashboardcast1/session/5e551011");
        assert_eq!(session_of(&path), Some(id));
        assert_eq!(session_of(&ROOT), None);
    }

    #[test]
    fn a_text_has_no_nul() {
        assert_eq!(text("Küche".to_owned()), "Küche");
        assert_eq!(text("a\0b\0".to_owned()), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn addresses_become_path_elements() {
        for (id, expected) in [
            ("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
            ("192.168.1.20:8009", "192_2e168_2e1_2e20_3a8009"),
            ("tv_1.lan:8009", "tv_5f1_2elan_3a8009"),
            ("[fe80::1%2]:8009", "_5bfe80_3a_3a1_252_5d_3a8009"),
            ("Küche", "K_c3_bcche"),
            ("", "_"),
        ] {
            let path = device_path(&DeviceId::new(id));
            assert_eq!(path.as_str(), format!("{DEVICES}{expected}"));
        }
    }
}
