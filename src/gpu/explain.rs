//! What to do when an encoding does not work: one thing, and where.

use std::{fs, path::Path};

use super::{
    intel::Generation,
    survey::{Gpu, NodeFile},
};
use crate::session::{Encoding, Refusal, VaDriver};

/// Where this runs, as far as it matters for what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Debian's release, such as 12.
    debian: Option<u32>,
    /// What systemd calls the container, such as `lxc`.
    container: Option<String>,
}

impl Place {
    pub(super) fn read(root: &Path) -> Self {
        let release = fs::read_to_string(root.join("etc/os-release")).unwrap_or_default();
        let field = |name: &str| {
            let line = release.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_matches('"').to_owned())
        };
        let is_debian = field("ID=").as_deref() == Some("debian");
        let debian = field("VERSION_ID=").filter(|_| is_debian);
        let container = fs::read_to_string(root.join("run/systemd/container")).ok();
        Self {
            debian: debian.and_then(|version| version.parse().ok()),
            container: container.map(|kind| kind.trim().to_owned()),
        }
    }

    pub(super) const fn is_container(&self) -> bool {
        self.container.is_some()
    }
}

/// What to do about a refusal; `None` when nothing is known that helps.
pub(super) fn remedy(
    gpu: &Gpu,
    encoding: &Encoding,
    refusal: &Refusal,
    place: &Place,
) -> Option<String> {
    let generation = gpu.model().map(|model| model.generation);
    let node = gpu.node.display();
    Some(match refusal {
        Refusal::NoNode | Refusal::Dead => match (gpu.file, place.is_container()) {
            (NodeFile::Other { device: Some((major, minor)) }, _) => format!(
                "{node} is device {major}:{minor}, not 226:{}: give the container the node of the \
                 same number",
                gpu.minor
            ),
            (NodeFile::Stale, _) => {
                "the host has taken it back and made it anew: restart this container".to_owned()
            }
            (_, true) => to_container(gpu),
            (_, false) => "see what the kernel says: journalctl -k -g 'drm|i915|xe'".to_owned(),
        },
        // The daemon's own sandbox hides whose it is.
        Refusal::NotPermitted => "what to do is told by: dashboard-cast gpu-groups".to_owned(),
        Refusal::Denied => to_container(gpu),
        Refusal::NotBuiltIn => "apt install libavcodec-extra".to_owned(),
        Refusal::NoVaDriver(_) if !gpu.is_intel() => "apt install mesa-va-drivers".to_owned(),
        Refusal::NoVaDriver(_) => match generation {
            Some(old) if old < Generation::G9 => OLD_DRIVER.to_owned(),
            _ => "apt install intel-media-va-driver".to_owned(),
        },
        Refusal::NoEncoder(_) => match (encoding.driver(), generation) {
            (_, Some(old)) if old < Generation::G9 => OLD_DRIVER.to_owned(),
            _ => return None,
        },
        Refusal::NoRuntime(_) => return runtime(generation, place),
        Refusal::NoRateControl(_) => HUC.to_owned(),
        // The free one aborts in the middle of its own code.
        Refusal::Crashed if encoding.driver() == Some(VaDriver::I965) => {
            format!("{OLD_DRIVER} in place of i965-va-driver")
        }
        Refusal::Failed(_) | Refusal::WrongPicture { .. } | Refusal::Crashed | Refusal::Hung => {
            "it is tried again by itself; the kernel may know more: journalctl -k -g 'drm|i915|xe'"
                .to_owned()
        }
    })
}

/// For Broadwell and what is older. Debian's free package of it decodes only.
const OLD_DRIVER: &str = "apt install i965-va-driver-shaders (of non-free: add that word to the sources in \
     /etc/apt, then apt update)";

/// What keeps the bit rate of Intel's low-power encoder.
pub(super) const HUC: &str = "on the host, put \"options i915 enable_guc=2\" into \
     /etc/modprobe.d/dashboard-cast-i915.conf, run update-initramfs -u, and boot again; where that is Debian \
     and not Proxmox, install firmware-misc-nonfree first (Debian 13: firmware-intel-graphics)";

fn to_container(gpu: &Gpu) -> String {
    format!(
        "on the Proxmox host: dashboard-cast proxmox lxc CTID --apply, which gives the container {}, and start \
         the container again",
        gpu.node.display()
    )
}

fn runtime(generation: Option<Generation>, place: &Place) -> Option<String> {
    let old = generation.is_some_and(|generation| generation < Generation::G12);
    let packages = match (place.debian, old) {
        (Some(..=12), true) => "libmfx1",
        (Some(..=12), false) => "libmfx1 libmfx-gen1.2",
        (_, true) => {
            return Some(
                "this Debian has none for this generation; VA-API uses the same engine".to_owned(),
            );
        }
        (_, false) => "libvpl2 libmfx-gen1.2",
    };
    Some(format!("apt install {packages}"))
}

#[cfg(test)]
mod tests {
    use super::{super::choice::tests::gpu, *};
    use crate::session::Api;

    fn place(debian: u32, container: Option<&str>) -> Place {
        Place { debian: Some(debian), container: container.map(ToOwned::to_owned) }
    }

    fn told(device: u16, refusal: &Refusal, place: &Place) -> String {
        let gpu = gpu(128, "i915", 0x8086, device);
        let encoding = Encoding::Hardware {
            api: Api::Qsv,
            node: gpu.node.clone(),
            driver: Some(VaDriver::Ihd),
        };
        remedy(&gpu, &encoding, refusal, place).unwrap_or_default()
    }

    #[test]
    fn a_runtime_is_named_for_the_generation_and_the_release() {
        let runtime = Refusal::NoRuntime("-9".to_owned());
        assert_eq!(told(0x3e9b, &runtime, &place(12, None)), "apt install libmfx1");
        assert_eq!(told(0x46d1, &runtime, &place(12, None)), "apt install libmfx1 libmfx-gen1.2");
        assert_eq!(told(0x46d1, &runtime, &place(13, None)), "apt install libvpl2 libmfx-gen1.2");
        assert!(told(0x3e9b, &runtime, &place(13, None)).contains("VA-API"));
    }

    #[test]
    fn what_the_host_must_do_is_said_to_be_for_the_host() {
        let lxc = place(13, Some("lxc"));
        assert!(
            told(0x3e9b, &Refusal::Denied, &lxc)
                .contains("gives the container /dev/dri/renderD128")
        );
        assert!(told(0x3e9b, &Refusal::NoNode, &lxc).contains("on the Proxmox host"));
        assert!(told(0x3e9b, &Refusal::NoNode, &place(13, None)).contains("journalctl -k"));
    }

    #[test]
    fn old_gpus_want_the_old_driver() {
        let none = Refusal::NoVaDriver(String::new());
        assert_eq!(told(0x1616, &none, &place(12, None)), OLD_DRIVER);
        assert_eq!(told(0x3e9b, &none, &place(12, None)), "apt install intel-media-va-driver");
    }

    #[test]
    fn the_place_is_read_from_its_files() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(Place::read(root.path()), Place::default());
        write("etc/os-release", "NAME=\"Debian\"\nID=debian\nVERSION_ID=\"13\"\n");
        write("run/systemd/container", "lxc\n");
        assert_eq!(Place::read(root.path()), place(13, Some("lxc")));
    }
}
