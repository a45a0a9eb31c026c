//! The host's PCI devices, also those that no driver for graphics has.

use std::{fmt, fs, path::Path};

use serde::Serialize;

use super::{Host, Refusal};
use crate::gpu::intel_name;

const INTEL: u16 = 0x8086;
/// The first byte of a class: what shows pictures, and what other devices are behind.
const DISPLAY: u32 = 0x03;
const BRIDGE: u32 = 0x06;

/// A PCI device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pci {
    /// Such as `0000:00:02.0`.
    pub address: String,
    #[serde(serialize_with = "hexadecimal")]
    pub vendor: u16,
    #[serde(serialize_with = "hexadecimal")]
    pub device: u16,
    /// Such as `0x030000`.
    #[serde(skip)]
    class: u32,
    /// What it is, for people.
    pub name: String,
    /// What it can only be given away with; `None` without an IOMMU.
    pub group: Option<u32>,
    pub driver: Option<String>,
}

impl Pci {
    pub(super) fn is_intel_gpu(&self) -> bool {
        self.vendor == INTEL && self.class >> 16 == DISPLAY
    }

    /// Whether it stays with the host when the rest of its group goes.
    pub(super) fn is_bridge(&self) -> bool {
        self.class >> 16 == BRIDGE
    }

    /// Whether both are functions of one device.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        slot(&self.address) == slot(&other.address)
    }
}

impl fmt::Display for Pci {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, name, vendor, device, .. } = self;
        write!(out, "{address} {name} [{vendor:04x}:{device:04x}]")
    }
}

/// An address without its function.
pub(super) fn slot(address: &str) -> &str {
    address.split_once('.').map_or(address, |(slot, _)| slot)
}

/// All of them, by their addresses.
pub(super) fn devices(host: &Host) -> Vec<Pci> {
    let entries = fs::read_dir(host.path("/sys/bus/pci/devices")).into_iter().flatten().flatten();
    let mut found: Vec<Pci> = entries.filter_map(|entry| read(&entry.path())).collect();
    found.sort_by(|one, other| one.address.cmp(&other.address));
    found
}

fn read(directory: &Path) -> Option<Pci> {
    let number = |file: &str| {
        let text = fs::read_to_string(directory.join(file)).ok()?;
        u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
    };
    let linked = |file: &str| {
        let link = fs::read_link(directory.join(file)).ok()?;
        link.file_name()?.to_str().map(ToOwned::to_owned)
    };
    let (vendor, device) = (number("vendor")?.try_into().ok()?, number("device")?.try_into().ok()?);
    let class = number("class")?;
    Some(Pci {
        address: directory.file_name()?.to_str()?.to_owned(),
        vendor,
        device,
        class,
        name: name(vendor, device, class),
        group: linked("iommu_group").and_then(|group| group.parse().ok()),
        driver: linked("driver"),
    })
}

/// What a device is: of a GPU its family, of others what they are for.
fn name(vendor: u16, device: u16, class: u32) -> String {
    let family = intel_name(device).filter(|_| vendor == INTEL && class >> 16 == DISPLAY);
    if let Some(family) = family {
        return format!("Intel {family}");
    }
    match class >> 8 {
        0x0106 => "SATA controller",
        0x0108 => "NVMe controller",
        0x0200 | 0x0280 => "network card",
        0x0300..=0x03ff => "GPU",
        0x0403 => "sound card",
        0x0600..=0x06ff => "bridge",
        0x0c03 => "USB controller",
        0x0c05 => "SMBus",
        _ => "device",
    }
    .to_owned()
}

/// The Intel GPU that is meant: the only one, or the one at an address.
pub(super) fn chosen(devices: &[Pci], address: Option<&str>) -> Result<Pci, Refusal> {
    let gpus: Vec<&Pci> = devices.iter().filter(|device| device.is_intel_gpu()).collect();
    let known = || gpus.iter().map(|gpu| (gpu.address.clone(), gpu.name.clone())).collect();
    match (address, &*gpus) {
        (Some(wanted), _) => {
            let whole = if wanted.matches(':').count() == 1 { "0000:" } else { "" };
            let whole = format!("{whole}{wanted}");
            let found = gpus.iter().find(|gpu| gpu.address.eq_ignore_ascii_case(&whole));
            let unknown = || Refusal::UnknownGpu { wanted: wanted.to_owned(), known: known() };
            found.map(|gpu| (*gpu).clone()).ok_or_else(unknown)
        }
        (None, []) => Err(Refusal::NoGpu),
        (None, [gpu]) => Ok((*gpu).clone()),
        (None, _) => Err(Refusal::Several { known: known(), option: "--pci" }),
    }
}

fn hexadecimal<S: serde::Serializer>(number: &u16, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{number:04x}"))
}
