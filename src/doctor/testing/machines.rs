//! Machines as people have them, well and broken.

use std::net::IpAddr;

use serde_json::json;

use super::Tree;
use crate::{
    access::File,
    doctor::{Service, Tv, checks::packages::UNITS},
    session::Refusal,
};

/// What is the matter, and the machine with which it is so.
type Named = (&'static str, fn() -> Tree);

/// All of them.
pub(crate) const MACHINES: &[Named] = &[
    ("proxmox-host", proxmox_host),
    ("container", container),
    ("container-without-node", container_without_node),
    ("container-with-node-of-root", container_with_node_of_root),
    ("container-with-hosts-node", container_with_hosts_node),
    ("container-with-denied-node", container_with_denied_node),
    ("container-with-another-device", container_with_another_device),
    ("container-with-second-gpu", container_with_second_gpu),
    ("processor-without-graphics", processor_without_graphics),
    ("graphics-switched-off", graphics_switched_off),
    ("haswell", haswell),
    ("broadwell", broadwell),
    ("alder-lake-without-huc", alder_lake_without_huc),
    ("arc-and-igpu", arc_and_igpu),
    ("only-i965", only_i965),
    ("driver-by-environment", driver_by_environment),
    ("debian-12-without-runtime", debian_12_without_runtime),
    ("debian-13-coffee-lake", debian_13_coffee_lake),
    ("xe", xe),
    ("libavcodec-without-quicksync", libavcodec_without_quicksync),
    ("kept-for-virtual-machines", kept_for_virtual_machines),
    ("iommu-off", iommu_off),
    ("virtual-machine-without-gpu", virtual_machine_without_gpu),
    ("virtual-machine", virtual_machine),
    ("virtual-machine-without-group", virtual_machine_without_group),
    ("docker", docker),
];

/// One of them.
pub(crate) fn machine(name: &str) -> Tree {
    let (_, make) = MACHINES.iter().find(|(own, _)| *own == name).expect("a machine of this name");
    make()
}

const IHD: &str = "iHD_drv_video.so";
const RUNTIME: &str = "libmfx-gen.so.1.2";
const OLD_RUNTIME: &str = "libmfxhw64.so.1";

const IGPU: &str = "0000:00:02.0";
/// Alder Lake-N, such as N100.
const N100: u16 = 0x46d1;
const COFFEE_LAKE: u16 = 0x3e9b;

/// Debian of this release.
fn debian(release: u32, render: u32) -> Tree {
    let groups = format!(
        "root:x:0:\nvideo:x:44:\nrender:x:{render}:\ndashboard-cast:x:991:\ndashboard-cast-gpu:x:990:\n"
    );
    Tree::new()
        .file("etc/os-release", &format!("ID=debian\nVERSION_ID=\"{release}\"\n"))
        .file("etc/group", &groups)
        .told(|told| {
            told.encoders = ["h264_qsv", "h264_vaapi", "libx264"].map(str::to_owned).to_vec();
        })
}

/// With the package, a service that is well, and a TV.
fn installed(tree: Tree) -> Tree {
    let files = [
        "usr/bin/dashboard-cast",
        "usr/bin/chromium",
        "usr/lib/sysusers.d/dashboard-cast.conf",
        "usr/share/dbus-1/system.d/org.dashboardcast1.conf",
        "usr/share/dbus-1/system-services/org.dashboardcast1.service",
        "run/dbus/system_bus_socket",
    ];
    let files = files.into_iter().map(ToOwned::to_owned);
    let units = UNITS.into_iter().map(|unit| format!("usr/lib/systemd/system/{unit}"));
    files
        .chain(units)
        .fold(tree, |tree, path| tree.file(&path, ""))
        .file("etc/passwd", "dashboard-cast:x:991:991::/:\ndashboard-cast-encoder:x:992:992::/:\n")
        .secret("etc/dashboard-cast/token", "0123456789abcdef0123456789abcdef")
        .file("proc/meminfo", "MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\n")
        .told(|told| {
            let version = env!("CARGO_PKG_VERSION");
            let health = json!({"status": "healthy", "problems": [], "version": version});
            told.service = Some(Ok(Service { health, sessions: Vec::new() }));
            told.addresses = vec![("eth0".to_owned(), IpAddr::from([192, 168, 1, 20]))];
            told.search = Some(Ok(()));
            told.pages = Some(Vec::new());
            told.tvs = Some(vec![Tv {
                name: "Living room".to_owned(),
                address: Some("192.168.1.30:8009".to_owned()),
                configured: false,
                reached: Ok(()),
            }]);
        })
}

fn cpu(tree: Tree, name: &str, model: u32) -> Tree {
    tree.file(
        "proc/cpuinfo",
        &format!(
            "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: {model}\n\
             model name\t: {name}\n"
        ),
    )
}

fn lxc(tree: Tree) -> Tree {
    tree.file("run/systemd/container", "lxc\n").file("proc/self/uid_map", "0 100000 65536\n")
}

fn opened(tree: Tree, number: u32, error: Option<i32>) -> Tree {
    let node = format!("/dev/dri/renderD{number}");
    tree.told(|told| told.opened.push((node, error)))
}

fn both_work(tree: Tree) -> Tree {
    tree.works("h264_qsv", "VBR").works("h264_vaapi", "VBR")
}

/// Without the service, its libraries and a driver of VA-API's.
fn host() -> Tree {
    cpu(debian(13, 992), "Intel(R) N100", 0xbe)
        .file(
            "var/lib/dpkg/status",
            "Package: pve-manager\nStatus: install ok installed\nVersion: 9.1\n",
        )
        .file("proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz root=/dev/mapper/pve-root ro quiet\n")
        .told(|told| told.encoders.clear())
}

fn proxmox_host() -> Tree {
    let tree = host().gpu(IGPU, N100, Some(("i915", 128))).node(File::node(128, 0, 992, 0o660));
    opened(tree, 128, None)
}

fn container() -> Tree {
    both_work(container_of_an_n100())
}

fn container_of_an_n100() -> Tree {
    let tree = lxc(cpu(installed(debian(13, 992)), "Intel(R) N100", 0xbe))
        .gpu(IGPU, N100, Some(("i915", 128)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 0, 992, 0o660));
    opened(tree, 128, None)
}

fn container_without_node() -> Tree {
    lxc(cpu(installed(debian(12, 104)), "Intel(R) N100", 0xbe))
        .gpu(IGPU, N100, Some(("i915", 128)))
        .installed(&[IHD, RUNTIME])
        .refused("h264_qsv", Refusal::NoNode)
        .refused("h264_vaapi", Refusal::NoNode)
}

fn container_with_node_of_root() -> Tree {
    let tree = lxc(cpu(installed(debian(12, 104)), "Intel(R) N100", 0xbe))
        .gpu(IGPU, N100, Some(("i915", 128)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 0, 0, 0o660));
    both_work(opened(tree, 128, None))
}

fn container_with_hosts_node() -> Tree {
    let tree = lxc(cpu(installed(debian(12, 104)), "Intel(R) N100", 0xbe))
        .gpu(IGPU, N100, Some(("i915", 128)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 65_534, 65_534, 0o660));
    opened(tree, 128, Some(13))
        .refused("h264_qsv", Refusal::NotPermitted)
        .refused("h264_vaapi", Refusal::NotPermitted)
}

fn container_with_denied_node() -> Tree {
    let tree = lxc(cpu(installed(debian(12, 104)), "Intel(R) N100", 0xbe))
        .gpu(IGPU, N100, Some(("i915", 128)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 0, 104, 0o660));
    opened(tree, 128, Some(1))
        .refused("h264_qsv", Refusal::Denied)
        .refused("h264_vaapi", Refusal::Denied)
}

fn container_with_another_device() -> Tree {
    lxc(cpu(installed(debian(12, 104)), "Intel(R) N100", 0xbe))
        .gpu(IGPU, N100, Some(("i915", 128)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 0, 104, 0o660).is(Some((226, 129))))
        .refused("h264_qsv", Refusal::NoNode)
        .refused("h264_vaapi", Refusal::NoNode)
}

/// Of two GPUs, it has the one that is better and comes later on the bus.
fn container_with_second_gpu() -> Tree {
    let tree = lxc(cpu(installed(debian(13, 992)), "13th Gen Intel(R) Core(TM) i5-13500", 0xbf))
        .gpu(IGPU, 0xa780, Some(("i915", 128)))
        .gpu("0000:03:00.0", 0x56a0, Some(("i915", 129)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(129, 0, 992, 0o660))
        .refused_on(128, "h264_qsv", Refusal::NoNode)
        .refused_on(128, "h264_vaapi", Refusal::NoNode);
    both_work(opened(tree, 129, None))
}

fn haswell() -> Tree {
    let tree = cpu(installed(debian(13, 992)), "Intel(R) Core(TM) i5-4590 CPU @ 3.30GHz", 0x3c)
        .gpu(IGPU, 0x0412, Some(("i915", 128)))
        .node(File::node(128, 0, 992, 0o660));
    opened(tree, 128, None)
}

fn processor_without_graphics() -> Tree {
    cpu(installed(debian(12, 104)), "Intel(R) Core(TM) i9-14900KF", 0xb7)
}

fn graphics_switched_off() -> Tree {
    cpu(installed(debian(12, 104)), "Intel(R) Core(TM) i5-8500T CPU @ 2.10GHz", 0x9e)
        .display("0000:01:00.0", 0x10de, 0x1c82, Some(("nouveau", 128)))
        .node(File::node(128, 0, 104, 0o660))
}

fn broadwell() -> Tree {
    let tree = cpu(installed(debian(12, 104)), "Intel(R) Core(TM) i5-5250U CPU @ 1.60GHz", 0x3d)
        .gpu(IGPU, 0x1626, Some(("i915", 128)))
        .installed(&[IHD])
        .node(File::node(128, 0, 104, 0o660));
    opened(tree, 128, None)
        .refused("h264_vaapi", Refusal::NoEncoder("No usable encoding entrypoint found".to_owned()))
}

fn alder_lake_without_huc() -> Tree {
    let tree = lxc(cpu(installed(debian(13, 992)), "12th Gen Intel(R) Core(TM) i5-12400", 0x97))
        .gpu(IGPU, 0x4692, Some(("i915", 128)))
        .file("sys/module/i915/parameters/enable_guc", "0\n")
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 0, 992, 0o660));
    opened(tree, 128, None).works("h264_qsv", "CQP").works("h264_vaapi", "CQP")
}

fn arc_and_igpu() -> Tree {
    let tree = cpu(installed(debian(13, 992)), "13th Gen Intel(R) Core(TM) i5-13500", 0xbf)
        .gpu(IGPU, 0xa780, Some(("i915", 129)))
        .gpu("0000:03:00.0", 0x56a0, Some(("i915", 128)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 0, 992, 0o660))
        .node(File::node(129, 0, 992, 0o660));
    both_work(opened(opened(tree, 128, None), 129, None))
}

fn only_i965() -> Tree {
    let tree = cpu(installed(debian(12, 104)), "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", 0x9e)
        .gpu(IGPU, COFFEE_LAKE, Some(("i915", 128)))
        .installed(&["i965_drv_video.so"])
        .node(File::node(128, 0, 104, 0o660));
    opened(tree, 128, None).refused("h264_vaapi (i965)", Refusal::Crashed)
}

fn driver_by_environment() -> Tree {
    both_work(
        opened(
            cpu(installed(debian(12, 104)), "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", 0x9e),
            128,
            None,
        )
        .gpu(IGPU, COFFEE_LAKE, Some(("i915", 128)))
        .file(
            "etc/systemd/system/dashboard-cast-encoder@.service.d/override.conf",
            "[Service]\nEnvironment=LIBVA_DRIVER_NAME=i965\n",
        )
        .installed(&[IHD, OLD_RUNTIME])
        .node(File::node(128, 0, 104, 0o660)),
    )
}

fn debian_12_without_runtime() -> Tree {
    let tree = cpu(installed(debian(12, 104)), "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", 0x9e)
        .gpu(IGPU, COFFEE_LAKE, Some(("i915", 128)))
        .installed(&[IHD])
        .node(File::node(128, 0, 104, 0o660));
    opened(tree, 128, None).works("h264_vaapi", "VBR")
}

fn debian_13_coffee_lake() -> Tree {
    let tree = cpu(installed(debian(13, 992)), "Intel(R) Core(TM) i7-8700 CPU @ 3.20GHz", 0x9e)
        .gpu(IGPU, COFFEE_LAKE, Some(("i915", 128)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 0, 992, 0o660));
    opened(tree, 128, None).works("h264_vaapi", "VBR")
}

fn xe() -> Tree {
    let tree = cpu(installed(debian(13, 992)), "Intel(R) Core(TM) Ultra 7 258V", 0xbd)
        .gpu(IGPU, 0x64a0, Some(("xe", 128)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 0, 992, 0o660));
    both_work(opened(tree, 128, None))
}

fn libavcodec_without_quicksync() -> Tree {
    let tree = container_of_an_n100().told(|told| told.encoders.retain(|name| name != "h264_qsv"));
    tree.works("h264_vaapi", "VBR").refused("h264_qsv", Refusal::NotBuiltIn)
}

fn kept_for_virtual_machines() -> Tree {
    host()
        .gpu(IGPU, N100, None)
        .link(&format!("sys/bus/pci/devices/{IGPU}/driver"), "../../../bus/pci/drivers/vfio-pci")
        .file("sys/class/iommu/dmar0/x", "")
        .file(&format!("sys/kernel/iommu_groups/0/devices/{IGPU}"), "")
        .file("etc/pve/qemu-server/101.conf", "cores: 2\nhostpci0: 0000:00:02.0,pcie=1\n")
}

fn iommu_off() -> Tree {
    proxmox_host().file("etc/pve/qemu-server/101.conf", "cores: 2\nhostpci0: 0000:00:02.0,pcie=1\n")
}

fn virtual_machine_without_gpu() -> Tree {
    cpu(installed(debian(13, 992)), "QEMU Virtual CPU version 2.5+", 6)
        .file("sys/class/dmi/id/sys_vendor", "QEMU\n")
        .display("0000:00:01.0", 0x1234, 0x1111, None)
}

fn virtual_machine() -> Tree {
    let tree = cpu(installed(debian(13, 992)), "Intel(R) N100", 0xbe)
        .file("sys/class/dmi/id/sys_vendor", "QEMU\n")
        .display("0000:00:01.0", 0x1234, 0x1111, None)
        .gpu("0000:01:00.0", N100, Some(("i915", 128)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 0, 992, 0o660));
    both_work(opened(tree, 128, None))
}

fn virtual_machine_without_group() -> Tree {
    let tree = installed(cpu(debian(13, 992), "Intel(R) N100", 0xbe))
        .file("etc/group", "root:x:0:\ndashboard-cast:x:991:\ndashboard-cast-gpu:x:990:\n")
        .file("sys/class/dmi/id/sys_vendor", "QEMU\n")
        .gpu("0000:01:00.0", N100, Some(("i915", 128)))
        .installed(&[IHD, RUNTIME])
        .node(File::node(128, 0, 12_345, 0o660));
    both_work(opened(tree, 128, None))
}

fn docker() -> Tree {
    cpu(debian(12, 104), "Intel(R) N100", 0xbe).file(".dockerenv", "").gpu(
        IGPU,
        N100,
        Some(("i915", 128)),
    )
}
