//! Which TV is meant.

use std::{fmt, net::IpAddr};

use thiserror::Error;

use super::{announcement::uuid, device::Device, list::Entry};

/// Candidates that a message names; who has more TVs than that looks at the list.
const MOST_NAMED: usize = 10;

/// Why no TV was chosen. The message says what there is to choose from, [`ChooseError::hint`] what
/// to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChooseError {
    /// No TV was named, and the configuration names none.
    #[error("no TV was named and there is no default; {}", Candidates(candidates))]
    NoDefault { candidates: Vec<Device> },
    /// No TV has that name, UUID or address.
    #[error("there is no TV {asked:?}; {}", Candidates(candidates))]
    Unknown { asked: String, candidates: Vec<Device> },
    /// Several TVs have that name or address.
    #[error("several TVs are {asked:?}; {}", Candidates(candidates))]
    Ambiguous { asked: String, candidates: Vec<Device> },
}

impl ChooseError {
    /// What the caller can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoDefault { candidates } | Self::Unknown { candidates, .. }
                if candidates.is_empty() =>
            {
                "Is the TV switched on and in the same network? One that cannot be found there \
                 belongs into devices.static of the configuration, with its address."
            }
            Self::NoDefault { .. } => {
                "Name one of them, or set devices.default in the configuration."
            }
            Self::Unknown { .. } => "Name one of them by its name, UUID or address.",
            Self::Ambiguous { .. } => "Name one of them by its UUID.",
        }
    }
}

struct Candidates<'a>(&'a [Device]);

impl fmt::Display for Candidates<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(devices) = self;
        if devices.is_empty() {
            return f.write_str("none is known");
        }
        f.write_str("known are ")?;
        for (number, device) in devices.iter().take(MOST_NAMED).enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{:?} ({}", device.name, device.id)?;
            // The id of a TV known by its address says where it is.
            match device.hosts().next().filter(|_| device.uuid.is_some()) {
                Some(host) => write!(f, " at {host})")?,
                None => f.write_str(")")?,
            }
        }
        match devices.len().saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The TV with this UUID or other id, else with exactly this name, else with this name in other
/// letters, else at this address.
pub(super) fn choose<'a>(entries: &'a [Entry], asked: &str) -> Result<&'a Entry, ChooseError> {
    let asked = asked.trim();
    let id = uuid(asked);
    let lower = asked.to_lowercase();
    let address = asked.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let is_id = |entry: &Entry| {
        id.as_ref().is_some_and(|id| entry.is(id))
            || entry.fixed_ids.iter().any(|id| id.as_str() == lower)
    };
    let is_named = |entry: &Entry| entry.device.name == asked;
    let is_nearly_named = |entry: &Entry| entry.device.name.to_lowercase() == lower;
    let is_at = |entry: &Entry| {
        entry.device.addresses.iter().any(|own| {
            address.is_some_and(|address| own.ip() == address) || own.to_string() == lower
        })
    };
    let ways: [&dyn Fn(&Entry) -> bool; 4] = [&is_id, &is_named, &is_nearly_named, &is_at];
    for way in ways {
        let mut found = entries.iter().filter(|entry| way(entry));
        let Some(first) = found.next() else { continue };
        let others: Vec<_> = found.collect();
        if others.is_empty() {
            return Ok(first);
        }
        let candidates = [first].into_iter().chain(others).map(|entry| entry.device.clone());
        return Err(ChooseError::Ambiguous {
            asked: asked.to_owned(),
            candidates: candidates.collect(),
        });
    }
    Err(ChooseError::Unknown { asked: asked.to_owned(), candidates: devices(entries) })
}

pub(super) fn devices(entries: &[Entry]) -> Vec<Device> {
    entries.iter().map(|entry| entry.device.clone()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{cast::Found, ids::DeviceId};

    fn entry(number: u32, name: &str, address: &str, fixed: &[&str]) -> Entry {
        let id = DeviceId::new(format!("{number:032x}"));
        Entry {
            device: Device {
                id: id.clone(),
                uuid: Some(id),
                name: name.to_owned(),
                model: None,
                addresses: vec![address.parse().unwrap()],
                port: 8009,
                found: Found::Announced,
                last_seen: None,
                status: None,
                power: None,
                problem: None,
                default: false,
            },
            fixed_ids: fixed.iter().map(|id| DeviceId::new(*id)).collect(),
            news: 1,
            instance: None,
        }
    }

    fn house() -> Vec<Entry> {
        vec![
            entry(1, "Living room", "10.0.0.1:8009", &["tv.lan:8009"]),
            entry(2, "kitchen", "10.0.0.2:8009", &[]),
            entry(3, "Kitchen", "10.0.0.3:8009", &[]),
            entry(4, "Bedroom", "[fd00::4]:8009", &[]),
            entry(5, "Bedroom", "10.0.0.5:8009", &[]),
            entry(6, "Loft", "10.0.0.5:8010", &[]),
        ]
    }

    #[test]
    fn a_tv_is_chosen_by_uuid_name_or_address() {
        let house = house();
        for (asked, number) in [
            ("00000000000000000000000000000002", 2),
            ("00000000-0000-0000-0000-000000000002", 2),
            ("TV.lan:8009", 1),
            ("Living room", 1),
            (" living ROOM ", 1),
            ("kitchen", 2),
            ("Kitchen", 3),
            ("10.0.0.3", 3),
            ("10.0.0.5:8010", 6),
            ("fd00::4", 4),
            ("[FD00::4]", 4),
            ("[fd00::4]:8009", 4),
        ] {
            let chosen = choose(&house, asked).unwrap();
            assert_eq!(chosen.device.id.as_str(), format!("{number:032x}"), "{asked}");
        }
    }

    #[test]
    fn what_several_tvs_are_is_refused_with_just_those() {
        let house = house();
        for (asked, expected) in [
            ("KITCHEN", vec!["kitchen", "Kitchen"]),
            ("Bedroom", vec!["Bedroom"; 2]),
            ("10.0.0.5", vec!["Bedroom", "Loft"]),
        ] {
            let Err(ChooseError::Ambiguous { candidates, .. }) = choose(&house, asked) else {
                panic!("{asked} is not ambiguous");
            };
            let names: Vec<_> = candidates.iter().map(|device| &*device.name).collect();
            assert_eq!(names, expected, "{asked}");
        }
    }

    #[test]
    fn an_unknown_tv_is_refused_with_all_there_are_and_what_to_do() {
        let house = house();
        for asked in ["", "Cellar", "10.0.0.9", "00000000000000000000000000000009", "Living"] {
            let error = choose(&house, asked).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(&format!("no TV {asked:?}")), "{said}");
            assert!(
                said.contains(
                    "\"Living room\" (00000000000000000000000000000001 at 10.0.0.1), \"kitchen\""
                ),
                "{said}"
            );
            assert!(error.hint().contains("by its name"));
        }
        let error = choose(&[], "Cellar").unwrap_err();
        assert_eq!(error.to_string(), "there is no TV \"Cellar\"; none is known");
        assert!(error.hint().contains("devices.static"));
    }

    #[test]
    fn a_message_names_only_some_of_very_many() {
        let many: Vec<Entry> = (0..50).map(|n| entry(n, "TV", "10.0.0.1:8009", &[])).collect();
        let said = choose(&many, "other").unwrap_err().to_string();
        assert!(said.ends_with(" and 40 more") && said.len() < 1000, "{said}");
    }

    proptest! {
        #[test]
        fn any_question_has_an_answer(asked in "\\PC{0,40}") {
            let house = house();
            match choose(&house, &asked) {
                Ok(entry) => prop_assert!(house.iter().any(|own| own.device == entry.device)),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }

        #[test]
        fn every_tv_can_be_chosen_by_its_id(at in 0_usize..6) {
            let house = house();
            let id = &house[at].device.id;
            prop_assert_eq!(&choose(&house, id.as_str()).unwrap().device, &house[at].device);
        }
    }
}
