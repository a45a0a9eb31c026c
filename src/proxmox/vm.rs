//! A virtual machine that is to have the whole GPU.
//!
//! It needs an IOMMU, and gets all devices of the GPU's group. Nobody else can use the GPU while it runs,
//! the host and its containers included.

use serde::Serialize;

use super::{
    Guest, Host, Refusal,
    conf::Conf,
    pci::{Pci, chosen, devices, slot},
};

/// How many there can be, by `$MAX_HOSTPCI_DEVICES` of `PVE/QemuServer/PCI.pm`.
const MOST: u32 = 16;

/// What a virtual machine's configuration is to have, and what to know about that.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    #[serde(rename = "machine")]
    pub id: u32,
    pub gpu: Pci,
    /// What has the same group, the GPU included.
    pub group: Vec<Pci>,
    /// The line, such as `hostpci0: 0000:00:02.0,pcie=1`.
    pub line: String,
    /// Whether it is there.
    pub is_there: bool,
    /// Sentences.
    pub warnings: Vec<String>,
    /// Commands that do it; none when it is done.
    pub next: Vec<String>,
}

/// What a virtual machine needs to have the Intel GPU, of several the one at `address`.
///
/// # Errors
/// There is no such virtual machine or GPU.
pub fn plan(host: &Host, id: u32, address: Option<&str>) -> Result<Plan, Refusal> {
    let (_, text) = host.configuration(Guest::Machine, id)?;
    let conf = Conf::parse(&text);
    let devices = devices(host);
    let gpu = chosen(&devices, address)?;
    let group: Vec<Pci> = match gpu.group {
        Some(group) => devices.iter().filter(|one| one.group == Some(group)).cloned().collect(),
        None => Vec::new(),
    };
    let mut warnings = Vec::new();
    let is_pcie = conf.value("machine").is_some_and(|machine| machine.contains("q35"));
    let there = (0..MOST).find_map(|number| {
        let key = format!("hostpci{number}");
        let value = conf.value(&key)?;
        gives(value, &gpu.address).then(|| format!("{key}: {value}"))
    });
    let is_there = there.is_some();
    let (line, next) = match there {
        Some(line) => (line, Vec::new()),
        None => {
            let is_free = |number: &u32| {
                let key = format!("hostpci{number}");
                !conf.settings().chain(conf.pending()).any(|setting| setting.key == key)
            };
            let number = (0..MOST).find(is_free).ok_or(Refusal::NoSlot)?;
            let is_beside = |other: &&Pci| other.address != gpu.address && other.is_beside(&gpu);
            // Without the function, all functions of the device go.
            let address = match group.iter().find(is_beside) {
                Some(_) => slot(&gpu.address),
                None => &gpu.address,
            };
            let value = format!("{address}{}", if is_pcie { ",pcie=1" } else { "" });
            let set = format!("qm set {id} --hostpci{number} {value}");
            // Proxmox keeps this while it runs.
            let is_running = host.path(format!("/run/qemu-server/{id}.pid")).exists();
            let start = format!("qm {} {id}", if is_running { "reboot" } else { "start" });
            (format!("hostpci{number}: {value}"), vec![set, start])
        }
    };
    warn_of_group(&gpu, &group, &mut warnings);
    let is_mapped = |setting: &super::conf::Setting<'_>| {
        setting.key.starts_with("hostpci") && setting.value.contains("mapping=")
    };
    if !is_there && conf.settings().any(|setting| is_mapped(&setting)) {
        warnings.push(
            "It has a device by a mapping of the cluster; if that one is the GPU, nothing is to be done."
                .to_owned(),
        );
    }
    if !is_pcie && !is_there {
        warnings.push(
            "Its machine is i440fx, where the GPU is a PCI device; with q35 it is a PCI Express device, \
             as on the host."
                .to_owned(),
        );
    }
    if gpu.driver.as_deref() != Some("vfio-pci") {
        warnings.push(
            "While the virtual machine runs, neither the host's own screen nor any container has the GPU."
                .to_owned(),
        );
    }
    Ok(Plan { id, gpu, group, line, is_there, warnings, next })
}

/// Whether the value of a `hostpci` gives the device at this address away.
pub fn gives(value: &str, device: &str) -> bool {
    let host = value.split(',').find_map(|field| match field.split_once('=') {
        Some(("host", addresses)) => Some(addresses),
        Some(_) => None,
        None => Some(field),
    });
    host.is_some_and(|addresses| name(addresses, device))
}

/// Whether the device at this address is among some, which may be without their domain and function.
pub fn name(addresses: &str, device: &str) -> bool {
    addresses.trim_end().split(';').any(|address| {
        let domain = if address.matches(':').count() == 1 { "0000:" } else { "" };
        let whole = format!("{domain}{address}").to_ascii_lowercase();
        whole == device || whole == slot(device)
    })
}

fn warn_of_group(gpu: &Pci, group: &[Pci], warnings: &mut Vec<String>) {
    let Some(number) = gpu.group else {
        warnings.push(
            "The host has no IOMMU groups, so that nothing can be given to a virtual machine. See: \
             dashboard-cast proxmox host"
                .to_owned(),
        );
        return;
    };
    let others = group.iter().filter(|other| !other.is_bridge() && !other.is_beside(gpu));
    let others: Vec<_> = others.map(ToString::to_string).collect();
    if !others.is_empty() {
        warnings.push(format!(
            "Group {number} has other devices, which the host loses as well, or the virtual machine does \
             not start: {}. Another slot or a setting of the firmware (ACS) may part them.",
            others.join("; ")
        ));
    }
}
