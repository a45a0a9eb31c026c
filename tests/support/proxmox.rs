//! A Proxmox host as a tree of files, and what Proxmox accepts in a container's configuration.
//!
//! Unit tests of `src/proxmox` and tests of the command line share it.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// Releases of Proxmox VE with their `pve-container`. From 8.1 on it knows `dev0:`.
pub(crate) const RELEASES: [(&str, &str); 5] = [
    ("7.4-17", "4.4-6"),
    ("8.0.4", "5.0.4"),
    ("8.1.3", "5.0.7"),
    ("8.2.7", "5.2.0"),
    ("9.0.10", "6.0.13"),
];
pub(crate) const OLD: (&str, &str) = RELEASES[0];
pub(crate) const NEW: (&str, &str) = RELEASES[3];

/// As Proxmox writes an unprivileged container with Debian, and a snapshot of it.
pub(crate) const CONTAINER: &str = "\
#Dashboards%3A kitchen and hall
#[not a section]
arch: amd64
cores: 2
features: keyctl=1
hostname: dashboards
memory: 2048
net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth
ostype: debian
rootfs: local-zfs:subvol-101-disk-0,size=8G
swap: 512
unprivileged: 1

[before]
#as it was
arch: amd64
features: keyctl=1
hostname: dashboards
lxc.mount.entry: /dev/dri/renderD128 dev/dri/renderD128 none bind,optional,create=file
memory: 1024
rootfs: local-zfs:subvol-101-disk-0,size=8G
snaptime: 1700000000
unprivileged: 1
";

pub(crate) const DEBIAN_12: &str = "root:x:0:\nvideo:x:44:\nrender:x:104:\n";
pub(crate) const DEBIAN_13: &str = "root:x:0:\nvideo:x:44:\nrender:x:992:\n";

/// The files of a Proxmox host, gone when dropped.
#[derive(Debug)]
pub(crate) struct Tree(TempDir);

impl Tree {
    /// A host without guests and GPUs.
    #[track_caller]
    pub(crate) fn of((release, container): (&str, &str)) -> Self {
        let tree = Self(tempfile::tempdir().expect("a directory"));
        let package = |name: &str, version: &str| {
            format!("Package: {name}\nStatus: install ok installed\nVersion: {version}\n\n")
        };
        let known = package("bash", "5.2") + &package("pve-container", container);
        tree.write("var/lib/dpkg/status", &(known + &package("pve-manager", release)));
        tree.write("etc/group", DEBIAN_12);
        for kind in ["lxc", "qemu-server"] {
            let own = format!("nodes/pve/{kind}");
            fs::create_dir_all(tree.path("etc/pve").join(&own)).expect("a directory");
            symlink(own, tree.path("etc/pve").join(kind)).expect("a link");
        }
        tree
    }

    /// A host with an Intel GPU, and a stopped container 101 of Debian 12 on ZFS.
    #[track_caller]
    pub(crate) fn usual(release: (&str, &str)) -> Self {
        let tree = Self::of(release);
        tree.gpu("0000:00:02.0", 0x3e9b, 128, 0);
        tree.container(101, CONTAINER);
        tree.disk(101, DEBIAN_12);
        tree
    }

    pub(crate) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    #[track_caller]
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect("a file")
    }

    #[track_caller]
    pub(crate) fn container(&self, id: u32, text: &str) {
        self.write(&format!("etc/pve/nodes/pve/lxc/{id}.conf"), text);
    }

    #[track_caller]
    pub(crate) fn machine(&self, id: u32, text: &str) {
        self.write(&format!("etc/pve/nodes/pve/qemu-server/{id}.conf"), text);
    }

    /// The container's disk on ZFS, with this `/etc/group`.
    #[track_caller]
    pub(crate) fn disk(&self, id: u32, groups: &str) {
        let storage = "dir: local\n\tpath /var/lib/vz\n\tcontent iso\n\nzfspool: local-zfs\n\tpool \
                       rpool/data\n\tcontent rootdir\n";
        self.write("etc/pve/storage.cfg", storage);
        self.write(&format!("rpool/data/subvol-{id}-disk-0/etc/group"), groups);
    }

    /// The container runs: its first process has this number, and it has this `/etc/group`.
    #[track_caller]
    pub(crate) fn runs(&self, id: u32, process: u32, groups: &str) {
        let own = format!("sys/fs/cgroup/lxc/{id}/ns");
        self.write(&format!("{own}/cgroup.procs"), "");
        // A process of a container in the container comes first.
        let other = process - 1;
        self.write(&format!("{own}/init.scope/cgroup.procs"), &format!("{other}\n{process}\n"));
        let status = |process: u32, more: &str| {
            let text = format!("Name:\tsystemd\nNSpid:\t{process}\t{more}\n");
            self.write(&format!("proc/{process}/status"), &text);
        };
        status(other, "77\t1");
        status(process, "1");
        self.write(&format!("proc/{process}/root/etc/group"), groups);
    }

    /// A PCI device; a group of 0 and up, or none.
    #[track_caller]
    pub(crate) fn pci(
        &self,
        address: &str,
        ids: (u16, u16),
        class: u32,
        group: Option<u32>,
        driver: Option<&str>,
    ) -> PathBuf {
        let own = format!("sys/devices/pci0000:00/{address}");
        self.write(&format!("{own}/vendor"), &format!("{:#06x}\n", ids.0));
        self.write(&format!("{own}/device"), &format!("{:#06x}\n", ids.1));
        self.write(&format!("{own}/class"), &format!("{class:#08x}\n"));
        let device = self.path(&own);
        if let Some(group) = group {
            let directory = self.path(&format!("sys/kernel/iommu_groups/{group}"));
            fs::create_dir_all(&directory).expect("a directory");
            symlink(directory, device.join("iommu_group")).expect("a link");
        }
        if let Some(driver) = driver {
            symlink(format!("../../../bus/pci/drivers/{driver}"), device.join("driver"))
                .expect("a link");
        }
        let list = self.path("sys/bus/pci/devices");
        fs::create_dir_all(&list).expect("a directory");
        symlink(&device, list.join(address)).expect("a link");
        device
    }

    /// An Intel GPU with a driver, alone in IOMMU group 0.
    #[track_caller]
    pub(crate) fn gpu(&self, address: &str, id: u16, render: u32, card: u32) {
        let device = self.pci(address, (0x8086, id), 0x03_0000, Some(0), Some("i915"));
        for name in [format!("renderD{render}"), format!("card{card}")] {
            let own = device.join("drm").join(&name);
            fs::create_dir_all(&own).expect("a directory");
            symlink("../..", own.join("device")).expect("a link");
            let class = self.path("sys/class/drm");
            fs::create_dir_all(&class).expect("a directory");
            symlink(own, class.join(name)).expect("a link");
        }
    }

    /// Every file below a directory, without links.
    pub(crate) fn files(&self, directory: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut left = vec![self.path(directory)];
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
                if kind.is_dir() {
                    left.push(path);
                } else if kind.is_file() {
                    let name = path.strip_prefix(self.root()).expect("in the tree");
                    found.insert(name.display().to_string());
                }
            }
        }
        found
    }
}

/// Whether Proxmox accepts a line of a container's configuration, by pct.conf(5) and
/// lxc.container.conf(5). Of keys only those that matter here are looked into.
pub(crate) fn is_accepted(line: &str) -> bool {
    if line.starts_with('#') || line.trim().is_empty() {
        return true;
    }
    let Some((key, value)) = line.split_once(':') else { return false };
    let Some(value) = value.strip_prefix(' ').filter(|value| *value == value.trim()) else {
        return false;
    };
    match key {
        "lxc.cgroup2.devices.allow" => is_rule(value),
        "lxc.mount.entry" => is_mount(value),
        "lxc.hook.pre-start" | "lxc.idmap" => !value.is_empty(),
        "features" => is_list(value, |key, value| {
            ["nesting", "keyctl", "fuse", "mknod", "force_rw_sys"].contains(&key) && is_flag(value)
                || key == "mount" && !value.is_empty()
        }),
        _ if key.starts_with("lxc.") => false,
        _ => match key.strip_prefix("dev").map(str::parse::<u32>) {
            Some(Ok(number)) => number < 256 && is_device(value),
            _ => {
                let name = key.trim_end_matches(|letter: char| letter.is_ascii_digit());
                !value.is_empty()
                    && !name.is_empty()
                    && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
            }
        },
    }
}

fn is_flag(value: &str) -> bool {
    ["0", "1"].contains(&value)
}

/// Fields with different keys, each of which is right. The key of the first one may be left out.
fn is_list(value: &str, is_right: impl Fn(&str, &str) -> bool) -> bool {
    let mut keys = BTreeSet::new();
    value.split(',').all(|field| {
        let (key, value) = field.split_once('=').unwrap_or(("", field));
        keys.insert(key.to_owned()) && is_right(key, value)
    })
}

/// `[path=]<Path> [,deny-write=<1|0>] [,gid=<integer>] [,mode=<Octal access mode>] [,uid=<integer>]`
fn is_device(value: &str) -> bool {
    let is_number = |value: &str| value.parse::<u32>().is_ok();
    let paths = value.split(',').filter(|field| !field.contains('=') || field.starts_with("path="));
    paths.count() == 1
        && is_list(value, |key, value| match key {
            "" | "path" => {
                value.starts_with("/dev/")
                    && !value.split('/').any(|part| [".", ".."].contains(&part))
            }
            "deny-write" => is_flag(value),
            "gid" | "uid" => is_number(value),
            "mode" => {
                value.len() == 4
                    && value.starts_with('0')
                    && value.bytes().all(|digit| (b'0'..=b'7').contains(&digit))
            }
            _ => false,
        })
}

/// `c 226:128 rwm`
fn is_rule(value: &str) -> bool {
    let is_number = |value: &str| value == "*" || value.parse::<u32>().is_ok();
    match *value.split(' ').collect::<Vec<_>>() {
        [kind, device, access] => {
            ["a", "b", "c"].contains(&kind)
                && device
                    .split_once(':')
                    .is_some_and(|(major, minor)| is_number(major) && is_number(minor))
                && !access.is_empty()
                && access.chars().all(|letter| "rwm".contains(letter))
        }
        _ => false,
    }
}

/// A line of fstab(5), whose target is in the container and has no `/` before it.
fn is_mount(value: &str) -> bool {
    match *value.split(' ').collect::<Vec<_>>() {
        [source, target, "none", options] => {
            source.starts_with('/')
                && !target.starts_with('/')
                && options.split(',').all(|option| {
                    ["bind", "rbind", "optional", "create=file", "create=dir"].contains(&option)
                })
        }
        _ => false,
    }
}
