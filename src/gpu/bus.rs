//! The graphics cards on the PCI bus, with or without a driver.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    intel::{Generation, model},
    survey::{INTEL, id, is_pci},
};

/// A graphics card, or the graphics part of a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its place on the bus, such as `0000:00:02.0`.
    pub pci: String,
    pub vendor: u16,
    pub device: u16,
    /// The kernel's driver that has it, such as `i915`; `vfio-pci` when it is a virtual machine's.
    pub driver: Option<String>,
    /// Its IOMMU group, where there is an IOMMU.
    pub group: Option<u32>,
    /// The numbers of its render nodes.
    pub nodes: Vec<u32>,
}

impl Card {
    pub const fn is_intel(&self) -> bool {
        self.vendor == INTEL
    }

    /// What it is, for people.
    pub fn name(&self) -> String {
        let ids = format!("{:04x}:{:04x}", self.vendor, self.device);
        match self.vendor {
            INTEL => match model(self.device) {
                Some(model) => format!("Intel {} ({ids})", model.name),
                None => format!("Intel GPU ({ids})"),
            },
            0x1002 => format!("AMD GPU ({ids})"),
            0x10de => format!("NVIDIA GPU ({ids})"),
            0x1af4 | 0x1234 | 0x1b36 | 0x15ad => format!("virtual GPU ({ids})"),
            _ => format!("GPU ({ids})"),
        }
    }

    /// Whether it is one of Intel's that is too old for the newer driver of VA-API, which then only
    /// decodes.
    pub fn is_old(&self) -> bool {
        self.is_intel() && model(self.device).is_some_and(|model| model.generation < Generation::G9)
    }
}

/// All of them, in the order of their places.
pub fn cards(root: &Path) -> Vec<Card> {
    let bus = root.join("sys/bus/pci/devices");
    let entries = fs::read_dir(&bus).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut found: Vec<Card> =
        names.filter(|name| is_pci(name)).filter_map(|name| card(&bus, name)).collect();
    found.sort_by(|one, other| one.pci.cmp(&other.pci));
    found
}

fn card(bus: &Path, pci: String) -> Option<Card> {
    let device: PathBuf = bus.join(&pci);
    let class = fs::read_to_string(device.join("class")).ok()?;
    // Display controllers: VGA, XGA, 3D and others.
    if !class.starts_with("0x03") {
        return None;
    }
    let target = |link: &str| {
        let path = fs::read_link(device.join(link)).ok()?;
        Some(path.file_name()?.to_str()?.to_owned())
    };
    let nodes = fs::read_dir(device.join("drm")).into_iter().flatten().flatten();
    let mut nodes: Vec<u32> = nodes
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("renderD")?.parse().ok())
        .collect();
    nodes.sort_unstable();
    Some(Card {
        vendor: id(&device.join("vendor"))?,
        device: id(&device.join("device"))?,
        driver: target("driver"),
        group: target("iommu_group").and_then(|group| group.parse().ok()),
        nodes,
        pci,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn cards_are_found_with_and_without_a_driver() {
        let root = tempfile::tempdir().unwrap();
        let put = |pci: &str, class: &str, vendor: &str, device: &str| {
            let place = root.path().join("sys/bus/pci/devices").join(pci);
            fs::create_dir_all(&place).unwrap();
            for (name, text) in [("class", class), ("vendor", vendor), ("device", device)] {
                fs::write(place.join(name), format!("{text}\n")).unwrap();
            }
            place
        };
        let arc = put("0000:03:00.0", "0x030000", "0x8086", "0x56a0");
        fs::create_dir_all(arc.join("drm/renderD129")).unwrap();
        fs::create_dir_all(arc.join("drm/card1")).unwrap();
        let igpu = put("0000:00:02.0", "0x038000", "0x8086", "0x1616");
        symlink("../../../bus/pci/drivers/vfio-pci", igpu.join("driver")).unwrap();
        symlink("../../../kernel/iommu_groups/2", igpu.join("iommu_group")).unwrap();
        put("0000:00:1f.3", "0x040300", "0x8086", "0xa348");
        put("0000:00:03.0", "0x030000", "nonsense", "0x1");
        let found = cards(root.path());
        let names: Vec<_> = found.iter().map(Card::name).collect();
        assert_eq!(names, ["Intel Broadwell (8086:1616)", "Intel Arc (Alchemist) (8086:56a0)"]);
        assert_eq!((found[0].driver.as_deref(), found[0].group), (Some("vfio-pci"), Some(2)));
        assert!(found[0].is_old() && !found[1].is_old());
        assert_eq!((found[1].driver.as_deref(), &*found[1].nodes), (None, &[129][..]));
        assert_eq!(cards(Path::new("/nonexistent")), []);
    }
}
