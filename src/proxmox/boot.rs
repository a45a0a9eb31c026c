//! What the host must be started with so that virtual machines can have its devices.
//!
//! Containers need none of it. Nothing is written here, and nothing is restarted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Host, Refusal, Version};

/// From here on, Proxmox's kernel turns Intel's IOMMU on by itself.
const ON_BY_ITSELF: Version = Version([6, 8, 0]);
const GRUB: &str = "/etc/default/grub";
const GRUB_KEY: &str = "GRUB_CMDLINE_LINUX_DEFAULT";
const CMDLINE: &str = "/etc/kernel/cmdline";
/// What is there when `proxmox-boot-tool` copies kernels to where the firmware reads them.
const BOOT_TOOL: &str = "/etc/kernel/proxmox-boot-uuids";
/// Who has started the kernel, as the firmware was told.
const LOADER: &str = "/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// What starts the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    Grub,
    SystemdBoot,
}

/// The host's IOMMU, and what to do to have one.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub loader: Loader,
    /// How many groups there are; without any, no device can be given away.
    pub groups: usize,
    /// Where the kernel's parameters are.
    pub file: PathBuf,
    /// What the line with them is to be; `None` when it is so.
    pub line: Option<String>,
    /// Sentences.
    pub warnings: Vec<String>,
    /// Commands that have it count; none when nothing is to be done.
    pub next: Vec<String>,
}

/// What the host has, and what it wants.
///
/// # Errors
/// The file with the kernel's parameters cannot be read.
pub fn report(host: &Host) -> Result<Report, Refusal> {
    let entries = fs::read_dir(host.path("/sys/kernel/iommu_groups"));
    let groups = entries.map_or(0, |entries| entries.flatten().count());
    let text = |path: &str| fs::read_to_string(host.path(path)).unwrap_or_default();
    let is_intel = text("/proc/cpuinfo").contains("GenuineIntel");
    let kernel = text("/proc/sys/kernel/osrelease");
    let wanted = is_intel && Version::read(&kernel) < ON_BY_ITSELF;
    let loader = loader(host);
    let file = match loader {
        Loader::Grub => GRUB,
        Loader::SystemdBoot => CMDLINE,
    };
    let file = Path::new(file);
    let mut warnings = Vec::new();
    let mut report = Report {
        loader,
        groups,
        file: file.to_owned(),
        line: None,
        warnings: Vec::new(),
        next: Vec::new(),
    };
    if groups > 0 {
        return Ok(report);
    }
    let written = host.read(file)?;
    let before = match loader {
        Loader::Grub => grub_value(&written),
        Loader::SystemdBoot => written.lines().next().unwrap_or_default().trim(),
    };
    let after = parameters(before, wanted);
    if after != before {
        report.line = Some(match loader {
            Loader::Grub => format!("{GRUB_KEY}=\"{after}\""),
            Loader::SystemdBoot => after,
        });
        let refresh = match (loader, host.path(BOOT_TOOL).exists()) {
            (Loader::Grub, false) => "update-grub",
            _ => "proxmox-boot-tool refresh",
        };
        report.next = vec![refresh.to_owned(), "reboot".to_owned()];
    } else if parameters(text("/proc/cmdline").trim(), wanted) != text("/proc/cmdline").trim() {
        warnings.push(
            "The parameters are written, and count from the next start of the host on.".to_owned(),
        );
        report.next = vec!["reboot".to_owned()];
    }
    if is_intel && !host.path("/sys/firmware/acpi/tables/DMAR").exists() {
        warnings.push(
            "The firmware offers no IOMMU: turn VT-d on in its settings, or no parameter helps."
                .to_owned(),
        );
    }
    report.warnings = warnings;
    Ok(report)
}

/// systemd-boot always tells the firmware that it was there; not every GRUB does.
fn loader(host: &Host) -> Loader {
    let told = fs::read(host.path(LOADER)).unwrap_or_default();
    // Four bytes of attributes, then UTF-16; all letters in question have one byte.
    let told: Vec<u8> = told.into_iter().skip(4).step_by(2).collect();
    if told.starts_with(b"systemd-boot") { Loader::SystemdBoot } else { Loader::Grub }
}

/// The parameters of GRUB's file; of several lines the last one.
fn grub_value(text: &str) -> &str {
    let value = |line| str::strip_prefix(str::trim(line), GRUB_KEY)?.strip_prefix('=');
    text.lines().filter_map(value).next_back().unwrap_or_default().trim_matches(['"', '\''])
}

/// The parameters with what an IOMMU needs, and without what forbids it; all else in its order.
fn parameters(before: &str, wanted: bool) -> String {
    let is_against =
        |word: &&str| matches!(*word, "intel_iommu=off" | "iommu=off" | "amd_iommu=off");
    let mut words: Vec<&str> = before.split_whitespace().filter(|word| !is_against(word)).collect();
    if wanted && !words.iter().any(|word| word.starts_with("intel_iommu=on")) {
        words.push("intel_iommu=on");
    }
    // The host's own devices then go past it.
    if !words.contains(&"iommu=pt") {
        words.push("iommu=pt");
    }
    words.join(" ")
}
