//! That everything the old guide had people do is done or told, and by which check.

use super::{
    Report,
    testing::{MACHINES, machine},
};
use crate::{access::File, session::Refusal};

/// A line of the guide, the check in its place, a machine on which it is broken, and words of what is
/// then said to be done.
struct Row(&'static str, &'static str, &'static str, &'static str);

const GUIDE: &[Row] = &[
    // The steps for a container.
    Row("Step 1: enable the IOMMU on the host", "iommu", "iommu-off", "proxmox host"),
    Row("Step 2: identify the GPU's device", "gpu", "graphics-switched-off", "switch them on"),
    Row(
        "Step 2: note its device numbers",
        "node-number",
        "container-with-another-device",
        "226:128",
    ),
    Row(
        "Step 3: pass the node to the container",
        "render-node",
        "container-without-node",
        "pct set CTID --devN /dev/dri/renderD128,gid=104",
    ),
    Row(
        "Step 3: allow the device",
        "device-cgroup",
        "container-with-denied-node",
        "dashboard-cast proxmox lxc CTID --apply",
    ),
    Row(
        "Step 3: restart the container",
        "render-node",
        "container-without-node",
        "pct reboot CTID",
    ),
    Row(
        "Step 4: groups inside the container",
        "node-access",
        "container-with-hosts-node",
        "gid=104",
    ),
    Row(
        "Step 5: install the drivers",
        "va-driver",
        "only-i965",
        "apt install intel-media-va-driver",
    ),
    Row(
        "Step 5: install the runtime",
        "quicksync-runtime",
        "debian-12-without-runtime",
        "apt install libmfx1",
    ),
    Row("Step 6: verify with vainfo", "va-encoder", "broadwell", "i965-va-driver-shaders"),
    Row("Step 6: verify with ffmpeg", "libavcodec", "libavcodec-without-quicksync", "libavcodec"),
    // Those for a virtual machine.
    Row(
        "Step 3: identify the IOMMU group",
        "gpu",
        "virtual-machine-without-gpu",
        "proxmox vm VMID",
    ),
    Row(
        "Step 4: pass the PCI device through",
        "gpu",
        "virtual-machine-without-gpu",
        "proxmox vm VMID",
    ),
    // Troubleshooting.
    Row(
        "/dev/dri does not exist",
        "render-node",
        "container-without-node",
        "dashboard-cast proxmox lxc CTID --apply",
    ),
    Row("permission denied on the node", "node-access", "container-with-hosts-node", "pct reboot"),
    Row(
        "vainfo shows i965 instead of iHD",
        "va-driver",
        "driver-by-environment",
        "take the line out",
    ),
    Row("h264_qsv not found in ffmpeg", "libavcodec", "libavcodec-without-quicksync", "libavcodec"),
    Row("the processor has an \"F\"", "cpu", "processor-without-graphics", "without \"F\""),
    // The checklist.
    Row("IOMMU enabled", "iommu", "iommu-off", "VT-d"),
    Row("/dev/dri exists in the container", "render-node", "container-without-node", "--devN"),
    Row("vainfo succeeds", "va-driver", "only-i965", "apt install"),
    Row("vainfo shows iHD", "va-driver", "driver-by-environment", "driver is chosen"),
    Row("vainfo shows EncSlice", "va-encoder", "broadwell", "apt install"),
    Row("h264_qsv in ffmpeg", "libavcodec", "libavcodec-without-quicksync", "ldconfig"),
    Row("detect-gpu-gids.sh", "node-access", "container-with-hosts-node", "gid=104"),
    Row("health reports QuickSync", "gpu-firmware", "alder-lake-without-huc", "enable_guc=2"),
];

#[test]
fn every_line_of_the_guide_is_a_check_that_fails_where_it_is_broken() {
    for Row(line, check, name, words) in GUIDE {
        let report = Report::of(&machine(name).machine(), &[]);
        let entry = report.entry(check).unwrap_or_else(|| panic!("{line}: no {check}"));
        assert!(entry.finding.is_broken(), "{line}: on {name}, {check} says {:?}", entry.finding);
        assert_eq!(entry.because, None, "{line}: on {name}, {check} is no cause");
        let fixes = &entry.finding.fixes;
        let told: Vec<&str> = fixes
            .iter()
            .flat_map(|fix| fix.commands.iter().chain([&fix.words]).map(String::as_str))
            .collect();
        assert!(told.iter().any(|told| told.contains(words)), "{line}: {told:?} lacks {words:?}");
        let commands = fixes.iter().map(|fix| fix.commands.len()).sum::<usize>();
        assert!(commands <= 3, "{line}: {commands} commands are more than anybody types");
    }
}

#[test]
fn a_machine_that_is_well_has_nothing_to_see_to_of_its_gpu() {
    for name in [
        "container",
        "container-with-node-of-root",
        "container-with-second-gpu",
        "arc-and-igpu",
        "xe",
        "virtual-machine",
        "virtual-machine-without-group",
        "debian-13-coffee-lake",
    ] {
        let report = Report::of(&machine(name).machine(), &[]);
        let gpu =
            |id: &&str| report.entry(id).is_some_and(|entry| entry.subject == super::Subject::Gpu);
        let causes: Vec<_> = report.causes.iter().copied().filter(gpu).collect();
        assert!(causes.is_empty(), "{name}: {causes:?}");
        assert!(report.entry("encoder").unwrap().finding.says.contains("h264_"), "{name}");
    }
}

#[test]
fn what_ails_a_gpu_that_nobody_needs_is_nothing_to_see_to() {
    let denied = || {
        let arc = machine("container").gpu("0000:03:00.0", 0x56a0, Some(("i915", 129)));
        arc.node(File::node(129, 0, 992, 0o660))
            .told(|told| told.opened.push(("/dev/dri/renderD129".to_owned(), Some(1))))
            .refused_on(129, "h264_qsv", Refusal::Denied)
            .refused_on(129, "h264_vaapi", Refusal::Denied)
    };
    let without_driver = || {
        let amd = machine("xe").display("0000:03:00.0", 0x1002, 0x164e, Some(("amdgpu", 129)));
        let refusal = Refusal::NoVaDriver("radeonsi_drv_video.so".to_owned());
        amd.node(File::node(129, 0, 992, 0o660)).refused_on(129, "h264_vaapi", refusal)
    };
    for tree in [denied(), without_driver()] {
        assert_eq!(Report::of(&tree.machine(), &[]).causes, [""; 0]);
    }
}

#[test]
fn a_host_that_encodes_nothing_is_well_without_what_encodes() {
    for name in ["proxmox-host", "kept-for-virtual-machines"] {
        let report = Report::of(&machine(name).machine(), &[]);
        assert_eq!(report.causes, [""; 0], "{name}");
        for id in ["va-driver", "libavcodec", "proof", "encoder", "node-access"] {
            let finding = &report.entry(id).unwrap().finding;
            assert_eq!(finding.verdict, super::Verdict::Skipped, "{name}: {id}");
            assert!(finding.says.contains("in a guest"), "{name}: {id} says {:?}", finding.says);
        }
    }
}

#[test]
fn a_gpu_that_is_not_used_has_one_cause() {
    for (name, _) in MACHINES {
        let report = Report::of(&machine(name).machine(), &[]);
        let encoder = report.entry("encoder").unwrap();
        if encoder.finding.is_broken() {
            assert!(encoder.because.is_some(), "{name}: nothing says why the CPU encodes");
        }
    }
}

#[test]
fn one_check_is_told_with_what_stands_in_its_way() {
    let machine = machine("container-without-node").machine();
    let report = Report::of(&machine, &["proof".to_owned()]);
    let ids: Vec<_> = report.checks.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, ["render-node", "proof"]);
    assert_eq!(report.causes, ["render-node"]);
}
