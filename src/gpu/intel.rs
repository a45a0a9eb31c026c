//! What Intel's GPUs are, by their PCI device ids.

/// A generation of Intel's media engine. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Generation(u16);

impl Generation {
    /// Skylake.
    pub(super) const G9: Self = Self(90);
    /// Ice Lake, which the older driver does not know.
    pub(super) const G11: Self = Self(110);
    /// Tiger Lake, from which on there is the newer QuickSync runtime.
    pub(super) const G12: Self = Self(120);

    fn read(text: &str) -> Option<Self> {
        let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
        let number = whole.parse::<u16>().ok()?.checked_mul(10)?;
        number.checked_add(tenth.parse().ok()?).map(Self)
    }
}

/// Which GPU a device id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) generation: Generation,
    /// The family's, such as `Coffee Lake`.
    pub(super) name: &'static str,
}

/// The model of a PCI device id of Intel's; `None` when it is older than Broadwell, or newer than this
/// list.
pub(super) fn model(device: u16) -> Option<Model> {
    let id = format!("{device:04x}");
    rows().find_map(|(generation, name, ids)| {
        ids.split(' ').any(|own| own == id).then_some(Model { generation, name })
    })
}

fn rows() -> impl Iterator<Item = (Generation, &'static str, &'static str)> {
    let lines = include_str!("intel.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut columns = line.split('\t');
        let generation = Generation::read(columns.next()?)?;
        Some((generation, columns.next()?, columns.next()?))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_list_is_whole() {
        let text = include_str!("intel.tsv");
        let lines = text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(rows().count(), lines, "a line that cannot be read");
        let mut seen = HashSet::new();
        let mut before = Generation(0);
        for (generation, name, ids) in rows() {
            assert!(generation >= before, "{name} is out of order");
            before = generation;
            for id in ids.split(' ') {
                assert!(u16::from_str_radix(id, 16).is_ok() && id.len() == 4, "{id:?}");
                assert!(seen.insert(id), "{id} is there twice");
            }
        }
    }

    #[test]
    fn known_machines_are_known() {
        let name = |device| model(device).map(|model| (model.generation, model.name));
        assert_eq!(name(0x1616), Some((Generation(80), "Broadwell")));
        assert_eq!(name(0x1912), Some((Generation::G9, "Skylake")));
        assert_eq!(name(0x3e9b), Some((Generation(95), "Coffee Lake")));
        assert_eq!(name(0x8a52), Some((Generation::G11, "Ice Lake")));
        assert_eq!(name(0x9a49), Some((Generation::G12, "Tiger Lake")));
        assert_eq!(name(0x46d1), Some((Generation::G12, "Alder Lake-N")));
        assert_eq!(name(0x56a0), Some((Generation(125), "Arc (Alchemist)")));
        assert_eq!(name(0x0416), None, "Haswell is too old");
        assert_eq!(name(0xffff), None);
    }
}
