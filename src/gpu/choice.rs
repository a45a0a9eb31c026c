//! Which encodings are worth a trial on which GPU, best first, and why not the others.

use std::cmp::Reverse;

use thiserror::Error;

use super::{drivers::Drivers, intel::Generation, survey::Gpu};
use crate::{
    config::GpuChoice,
    session::{Api, Encoding, Refusal, VaDriver},
};

/// The newer QuickSync runtime, for Tiger Lake and later.
const RUNTIME: &str = "libmfx-gen.so.1.2";
/// The older one, up to Tiger Lake and its kin.
const OLD_RUNTIME: &str = "libmfxhw64.so.1";
const IHD: &str = "iHD_drv_video.so";
const I965: &str = "i965_drv_video.so";

/// What is worth a trial, and what would be if it were installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Worth {
    /// Best first.
    pub(super) trials: Vec<Encoding>,
    pub(super) without: Vec<(Encoding, Refusal)>,
}

/// Why nothing is.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Hopeless {
    #[error("it is a virtual GPU, which has no video encoder: pass a real one through")]
    Virtual,
    #[error("encoding on NVIDIA's GPUs is not supported")]
    Nvidia,
    #[error("the host has given it to a virtual machine (vfio-pci)")]
    GivenAway,
}

/// The GPUs to use, best first.
pub(super) fn chosen(mut gpus: Vec<Gpu>, choice: &GpuChoice) -> Vec<Gpu> {
    match choice {
        GpuChoice::Auto => {}
        GpuChoice::None => gpus.clear(),
        GpuChoice::Pci(pci) => gpus.retain(|gpu| gpu.pci.as_ref() == Some(pci)),
        GpuChoice::Node(node) => gpus.retain(|gpu| gpu.node == *node),
    }
    // Those with QuickSync first, the newest of them first; what is virtual comes last.
    gpus.sort_by_key(|gpu| {
        let generation = gpu.model().map(|model| model.generation);
        (Reverse(gpu.is_intel()), Reverse(generation), is_hopeless(gpu).is_some(), gpu.minor)
    });
    gpus
}

pub(super) fn worth_trying(gpu: &Gpu, drivers: &Drivers) -> Result<Worth, Hopeless> {
    if let Some(hopeless) = is_hopeless(gpu) {
        return Err(hopeless);
    }
    Ok(match gpu.is_intel() {
        true => intel(gpu, drivers),
        // libva knows which of its drivers goes with the kernel's.
        false => Worth { trials: vec![on(gpu, Api::Vaapi, None)], without: Vec::new() },
    })
}

fn is_hopeless(gpu: &Gpu) -> Option<Hopeless> {
    Some(match gpu.kernel_driver.as_deref()? {
        "nouveau" | "nova" | "nvidia" | "nvidia-drm" => Hopeless::Nvidia,
        "vfio-pci" => Hopeless::GivenAway,
        "ast" | "bochs" | "bochs-drm" | "cirrus" | "cirrus-qemu" | "hyperv_drm" | "mgag200"
        | "qxl" | "simple-framebuffer" | "vboxvideo" | "vgem" | "virtio-pci" | "virtio_gpu"
        | "vkms" | "vmwgfx" => Hopeless::Virtual,
        _ => return None,
    })
}

fn on(gpu: &Gpu, api: Api, driver: Option<VaDriver>) -> Encoding {
    Encoding::Hardware { api, node: gpu.node.clone(), driver }
}

fn intel(gpu: &Gpu, drivers: &Drivers) -> Worth {
    // What is newer than the list is as the newest on it.
    let generation = gpu.model().map_or(Generation::G12, |model| model.generation);
    let mut worth = Worth::default();
    let has_ihd = drivers.has(IHD);
    let missing = |file: &str| Refusal::NoVaDriver(format!("{file} is not installed"));
    if generation >= Generation::G9 {
        let qsv = on(gpu, Api::Qsv, Some(VaDriver::Ihd));
        match (has_ihd, runtime(generation, drivers)) {
            (true, Ok(())) => worth.trials.push(qsv),
            (false, _) => worth.without.push((qsv, missing(IHD))),
            (true, Err(refusal)) => worth.without.push((qsv, refusal)),
        }
    }
    let ihd = on(gpu, Api::Vaapi, Some(VaDriver::Ihd));
    let i965 = on(gpu, Api::Vaapi, Some(VaDriver::I965));
    // On Broadwell, the newer driver decodes only, at least as Debian builds it.
    let is_old = generation < Generation::G9;
    match (is_old, has_ihd, drivers.has(I965)) {
        (true, _, true) => worth.trials.push(i965),
        (true, true, false) => worth.trials.push(ihd),
        (true, false, false) => worth.without.push((i965, missing(I965))),
        (false, true, _) => worth.trials.push(ihd),
        (false, false, true) if generation < Generation::G11 => worth.trials.push(i965),
        (false, false, _) => worth.without.push((ihd, missing(IHD))),
    }
    worth
}

/// Whether a QuickSync runtime for this generation is installed.
fn runtime(generation: Generation, drivers: &Drivers) -> Result<(), Refusal> {
    let has = match generation {
        old if old < Generation::G12 => drivers.has(OLD_RUNTIME),
        Generation::G12 => drivers.has(RUNTIME) || drivers.has(OLD_RUNTIME),
        _ => drivers.has(RUNTIME),
    };
    let wanted = if generation < Generation::G12 { OLD_RUNTIME } else { RUNTIME };
    if has { Ok(()) } else { Err(Refusal::NoRuntime(format!("{wanted} is not installed"))) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::survey::NodeFile, *};

    pub(in crate::gpu) fn gpu(minor: u32, driver: &str, vendor: u16, device: u16) -> Gpu {
        Gpu {
            node: format!("/dev/dri/renderD{minor}").into(),
            minor,
            pci: Some(format!("0000:0{}:00.0", minor - 128)),
            vendor: Some(vendor),
            device: Some(device),
            kernel_driver: Some(driver.to_owned()),
            file: NodeFile::Node { uid: 0, gid: 104, mode: 0o660 },
            changed: Some((1, 1)),
        }
    }

    fn intel_gpu(device: u16) -> Gpu {
        gpu(128, "i915", 0x8086, device)
    }

    /// Of each trial the encoder and the driver.
    fn trials(gpu: &Gpu, installed: &[&str]) -> Vec<String> {
        let worth = worth_trying(gpu, &Drivers::of(installed)).unwrap();
        let short = |encoding: &Encoding| match encoding {
            Encoding::Hardware { driver: Some(driver), .. } => {
                format!("{} {}", encoding.encoder(), driver.name())
            }
            other => other.encoder().to_owned(),
        };
        worth.trials.iter().map(short).collect()
    }

    const DEBIAN_12: &[&str] = &[IHD, I965, RUNTIME, OLD_RUNTIME];
    const DEBIAN_13: &[&str] = &[IHD, I965, RUNTIME];

    #[test]
    fn each_generation_is_tried_with_what_is_made_for_it() {
        let (qsv, ihd, i965) = ("h264_qsv iHD", "h264_vaapi iHD", "h264_vaapi i965");
        // Broadwell, Skylake, Coffee Lake, Ice Lake, Tiger Lake, Alder Lake-N, Arc.
        for (device, on_12, on_13) in [
            (0x1616, vec![i965], vec![i965]),
            (0x1912, vec![qsv, ihd], vec![ihd]),
            (0x3e9b, vec![qsv, ihd], vec![ihd]),
            (0x8a52, vec![qsv, ihd], vec![ihd]),
            (0x9a49, vec![qsv, ihd], vec![qsv, ihd]),
            (0x46d1, vec![qsv, ihd], vec![qsv, ihd]),
            (0x56a0, vec![qsv, ihd], vec![qsv, ihd]),
            // Newer than the list.
            (0xfff0, vec![qsv, ihd], vec![qsv, ihd]),
        ] {
            assert_eq!(trials(&intel_gpu(device), DEBIAN_12), on_12, "{device:x} on Debian 12");
            assert_eq!(trials(&intel_gpu(device), DEBIAN_13), on_13, "{device:x} on Debian 13");
        }
    }

    #[test]
    fn what_is_missing_is_named_instead_of_tried() {
        let worth = worth_trying(&intel_gpu(0x3e9b), &Drivers::of(&[IHD])).unwrap();
        let [(encoding, refusal)] = &worth.without[..] else { panic!("{worth:?}") };
        assert_eq!(encoding.encoder(), "h264_qsv");
        assert!(refusal.to_string().contains(OLD_RUNTIME), "{refusal}");
        let worth = worth_trying(&intel_gpu(0x9a49), &Drivers::default()).unwrap();
        assert_eq!(worth.trials, []);
        assert_eq!(worth.without.len(), 2);
        // Skylake with nothing but the old driver.
        assert_eq!(trials(&intel_gpu(0x1912), &[I965]), ["h264_vaapi i965"]);
    }

    #[test]
    fn other_makers_gpus_are_tried_or_said_to_be_hopeless() {
        assert_eq!(trials(&gpu(128, "amdgpu", 0x1002, 0x164e), DEBIAN_13), ["h264_vaapi"]);
        let why = |driver: &str| {
            worth_trying(&gpu(128, driver, 0x1234, 1), &Drivers::default()).unwrap_err()
        };
        assert_eq!(why("virtio_gpu"), Hopeless::Virtual);
        // On a PCI bus it is the bus's driver that the kernel names.
        assert_eq!(why("virtio-pci"), Hopeless::Virtual);
        assert_eq!(why("vgem"), Hopeless::Virtual);
        assert_eq!(why("nouveau"), Hopeless::Nvidia);
    }

    #[test]
    fn the_best_gpu_comes_first_unless_another_is_wanted() {
        let all = vec![
            gpu(128, "virtio_gpu", 0x1af4, 0x1050),
            gpu(129, "amdgpu", 0x1002, 0x164e),
            gpu(130, "i915", 0x8086, 0x3e9b),
            gpu(131, "xe", 0x8086, 0x56a0),
        ];
        let order = |choice: GpuChoice| -> Vec<u32> {
            chosen(all.clone(), &choice).iter().map(|gpu| gpu.minor).collect()
        };
        assert_eq!(order(GpuChoice::Auto), [131, 130, 129, 128]);
        assert!(order(GpuChoice::None).is_empty());
        assert_eq!(order(GpuChoice::Pci("0000:02:00.0".to_owned())), [130]);
        assert_eq!(order(GpuChoice::Node("/dev/dri/renderD129".into())), [129]);
        assert!(order(GpuChoice::Node("/dev/dri/renderD140".into())).is_empty());
    }
}
