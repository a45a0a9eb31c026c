//! The GPUs of a machine that is not this one's affair: a host whose guests encode.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{intel::model, survey::survey};

/// A GPU that has a driver, by its render node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Such as `/dev/dri/renderD128`.
    pub path: PathBuf,
    pub minor: u32,
    /// What the GPU is, for people.
    pub name: String,
    pub is_intel: bool,
    /// The minor numbers of its other nodes, `/dev/dri/cardN`.
    pub cards: Vec<u32>,
}

/// The render nodes of the kernel's that is seen below `root`, by their numbers.
pub fn nodes(root: &Path) -> Vec<Node> {
    let class = root.join("sys/class/drm");
    let known = survey(root).into_iter().filter(|gpu| gpu.kernel_driver.is_some());
    let node = |gpu: super::survey::Gpu| {
        let own = class.join(format!("renderD{}", gpu.minor)).join("device/drm");
        let entries = fs::read_dir(own).into_iter().flatten().flatten();
        let card = |name: &str| name.strip_prefix("card")?.parse().ok();
        let mut cards: Vec<u32> =
            entries.filter_map(|entry| card(entry.file_name().to_str()?)).collect();
        cards.sort_unstable();
        Node { name: gpu.name(), is_intel: gpu.is_intel(), minor: gpu.minor, path: gpu.node, cards }
    };
    known.map(node).collect()
}

/// The family of one of Intel's GPUs by its PCI device id; `None` for those that encode nothing, and
/// those that are newer than the list.
pub fn intel_name(device: u16) -> Option<&'static str> {
    model(device).map(|model| model.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::survey::tests::plug;

    #[test]
    fn a_gpu_is_known_with_its_cards_and_a_node_without_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        plug(root.path(), 129, "pci0000:00/0000:00:02.0", "i915", Some((0x8086, 0x3e9b)));
        let device = root.path().join("sys/devices/pci0000:00/0000:00:02.0");
        for name in ["card1", "card0", "controlD64"] {
            fs::create_dir_all(device.join("drm").join(name)).unwrap();
        }
        fs::create_dir_all(root.path().join("dev/dri")).unwrap();
        fs::write(root.path().join("dev/dri/renderD128"), "").unwrap();
        let expected = Node {
            path: PathBuf::from("/dev/dri/renderD129"),
            minor: 129,
            name: "Intel Coffee Lake".to_owned(),
            is_intel: true,
            cards: vec![0, 1],
        };
        assert_eq!(nodes(root.path()), [expected]);
        assert_eq!(intel_name(0x3e9b), Some("Coffee Lake"));
        assert_eq!(intel_name(1), None);
    }
}
