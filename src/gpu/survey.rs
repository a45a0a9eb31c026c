//! What the kernel says of the GPUs.
//!
//! Only files are read: of `/sys/class/drm`, and what stands in `/dev/dri`. No device is opened.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use rustix::fs::{major, minor};

use super::intel::{Model, model};

pub(super) const INTEL: u16 = 0x8086;
/// Of all nodes of the kernel's graphics, and the first number of a render node.
const DRM: u32 = 226;
const FIRST: u32 = 128;

/// A GPU that has, or should have, a render node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gpu {
    /// Such as `/dev/dri/renderD128`.
    pub(super) node: PathBuf,
    pub(super) minor: u32,
    /// Its place on the bus, such as `0000:00:02.0`.
    pub(super) pci: Option<String>,
    pub(super) vendor: Option<u16>,
    pub(super) device: Option<u16>,
    /// The kernel's driver, such as `i915`.
    pub(super) kernel_driver: Option<String>,
    pub(super) file: NodeFile,
    /// When its owner, mode or access list was changed last, as seconds and nanoseconds.
    pub(super) changed: Option<(i64, i64)>,
}

/// What stands in `/dev/dri`, as far as it can be seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeFile {
    Missing,
    /// A bind mount of something that is not there any more.
    Stale,
    /// Not the node of this number; of which one, if it is a device.
    Other {
        device: Option<(u32, u32)>,
    },
    Node {
        uid: u32,
        gid: u32,
        mode: u32,
    },
}

impl NodeFile {
    fn look(path: &Path, number: u32) -> Self {
        // A symbolic link in its place is not followed: it is no node.
        let Ok(file) = fs::symlink_metadata(path) else { return Self::Missing };
        let device = file.rdev();
        match (file.nlink(), file.file_type().is_char_device(), (major(device), minor(device))) {
            (0, ..) => Self::Stale,
            (_, true, own) if own == (DRM, number) => {
                Self::Node { uid: file.uid(), gid: file.gid(), mode: file.mode() & 0o7777 }
            }
            (_, is_device, own) => Self::Other { device: is_device.then_some(own) },
        }
    }
}

impl Gpu {
    /// What it is, for people.
    pub(super) fn name(&self) -> String {
        let ids = || match (self.vendor, self.device) {
            (Some(vendor), Some(device)) => format!(" {vendor:04x}:{device:04x}"),
            _ => String::new(),
        };
        match (self.model(), &self.kernel_driver) {
            (Some(model), _) => format!("Intel {}", model.name),
            (None, _) if self.is_intel() => format!("Intel GPU{}", ids()),
            (None, Some(driver)) => format!("{driver} GPU{}", ids()),
            (None, None) => format!("unknown GPU{}", ids()),
        }
    }

    pub(super) fn is_intel(&self) -> bool {
        self.vendor == Some(INTEL)
    }

    pub(super) fn model(&self) -> Option<Model> {
        self.device.filter(|_| self.is_intel()).and_then(model)
    }
}

/// All GPUs, by their numbers: those that the kernel knows, and those that only have a node.
pub(super) fn survey(root: &Path) -> Vec<Gpu> {
    let (class, nodes) = (root.join("sys/class/drm"), root.join("dev/dri"));
    let numbers: BTreeSet<u32> = numbers(&class).chain(numbers(&nodes)).collect();
    let gpu = |number| {
        let name = format!("renderD{number}");
        let device = class.join(&name).join("device");
        let place = fs::canonicalize(&device).ok();
        let place = place.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let driver = fs::read_link(device.join("driver")).ok();
        let driver = driver.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        Gpu {
            node: Path::new("/dev/dri").join(&name),
            minor: number,
            pci: place.filter(|place| is_pci(place)).map(ToOwned::to_owned),
            vendor: id(&device.join("vendor")),
            device: id(&device.join("device")),
            // What has no bus has no driver; its name says what it is.
            kernel_driver: driver.or(place).map(ToOwned::to_owned),
            file: NodeFile::look(&nodes.join(&name), number),
            changed: fs::symlink_metadata(nodes.join(&name))
                .ok()
                .map(|file| (file.ctime(), file.ctime_nsec())),
        }
    };
    numbers.into_iter().map(gpu).collect()
}

/// The numbers of the render nodes that a directory names.
fn numbers(directory: &Path) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let number = entry.file_name().to_str()?.strip_prefix("renderD")?.parse().ok()?;
        (number >= FIRST).then_some(number)
    })
}

/// A number as sysfs writes it: `0x8086`.
pub(super) fn id(file: &Path) -> Option<u16> {
    let text = fs::read_to_string(file).ok()?;
    u16::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

/// Whether it looks like `0000:00:02.0`.
pub(super) fn is_pci(name: &str) -> bool {
    let parts: Vec<&str> = name.split([':', '.']).collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [4, 2, 2, 1] && parts.iter().all(|part| u16::from_str_radix(part, 16).is_ok())
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A GPU of the kernel's in a tree of files.
    pub(in crate::gpu) fn plug(
        root: &Path,
        number: u32,
        place: &str,
        driver: &str,
        ids: Option<(u16, u16)>,
    ) {
        let device = root.join("sys/devices").join(place);
        fs::create_dir_all(device.join(format!("drm/renderD{number}"))).unwrap();
        fs::create_dir_all(root.join("sys/class/drm")).unwrap();
        let drivers = root.join("sys/bus/drivers").join(driver);
        fs::create_dir_all(&drivers).unwrap();
        symlink(&drivers, device.join("driver")).unwrap();
        if let Some((vendor, product)) = ids {
            fs::write(device.join("vendor"), format!("{vendor:#06x}\n")).unwrap();
            fs::write(device.join("device"), format!("{product:#06x}\n")).unwrap();
        }
        symlink(&device, device.join(format!("drm/renderD{number}/device"))).unwrap();
        let class = root.join("sys/class/drm").join(format!("renderD{number}"));
        symlink(device.join(format!("drm/renderD{number}")), class).unwrap();
    }

    #[test]
    fn gpus_are_found_whatever_their_numbers() {
        let root = tempfile::tempdir().unwrap();
        plug(root.path(), 129, "pci0000:00/0000:00:02.0", "i915", Some((0x8086, 0x3e9b)));
        plug(root.path(), 130, "pci0000:00/0000:03:00.0", "xe", Some((0x8086, 0x56a0)));
        plug(root.path(), 128, "platform/vgem", "vgem", None);
        let found = survey(root.path());
        let names: Vec<_> = found.iter().map(|gpu| (gpu.minor, gpu.name())).collect();
        let name = |number, name: &str| (number, name.to_owned());
        assert_eq!(
            names,
            [
                name(128, "vgem GPU"),
                name(129, "Intel Coffee Lake"),
                name(130, "Intel Arc (Alchemist)")
            ]
        );
        assert_eq!(found[0].pci, None);
        assert_eq!(found[1].pci.as_deref(), Some("0000:00:02.0"));
        assert_eq!(found[1].node, Path::new("/dev/dri/renderD129"));
        assert_eq!(found[2].kernel_driver.as_deref(), Some("xe"));
        assert_eq!(found[2].file, NodeFile::Missing);
    }

    #[test]
    fn what_is_no_node_is_seen_to_be_none() {
        let root = tempfile::tempdir().unwrap();
        let dri = root.path().join("dev/dri");
        fs::create_dir_all(&dri).unwrap();
        fs::write(dri.join("renderD128"), "").unwrap();
        symlink("/dev/null", dri.join("renderD129")).unwrap();
        fs::write(dri.join("card0"), "").unwrap();
        fs::write(dri.join("renderD1"), "").unwrap();
        let found = survey(root.path());
        let files: Vec<_> = found.iter().map(|gpu| (gpu.minor, gpu.file)).collect();
        let other = NodeFile::Other { device: None };
        assert_eq!(files, [(128, other), (129, other)]);
        let other = NodeFile::Other { device: Some((1, 3)) };
        assert_eq!(NodeFile::look(Path::new("/dev/null"), 128), other);
    }

    #[test]
    fn a_machine_without_gpus_has_none() {
        assert_eq!(survey(Path::new("/nonexistent")), []);
    }

    #[test]
    fn places_on_the_bus_are_told_from_others() {
        assert!(is_pci("0000:00:02.0"));
        for place in ["virtio0", "vgem", "0000:00:02", "0000:00:zz.0", "00000:00:02.0"] {
            assert!(!is_pci(place), "{place}");
        }
    }
}
