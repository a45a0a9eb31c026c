//! What can be seen of a container from outside: whether it runs, and its `/etc/group`.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::{Host, conf::Conf};
use crate::access::Groups;

/// Longer ones are none.
const LONGEST: u64 = 1 << 20;
/// Below a container's control group; systemd's own nest less.
const DEEPEST: usize = 12;

/// The first process of a running container, as the host counts.
///
/// Proxmox has all processes of a container below `lxc/<CTID>/ns`; the first one is number 1 in the
/// container, and has no third number, as one of a container inside it would.
pub(super) fn init(host: &Host, id: u32) -> Option<u32> {
    // The second is where there are still control groups of the first version.
    let trees = ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd"];
    let groups = trees.map(|tree| host.path(tree).join(format!("lxc/{id}/ns")));
    groups.iter().find_map(|group| init_below(host, group, DEEPEST))
}

fn init_below(host: &Host, group: &Path, depth: usize) -> Option<u32> {
    let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let mut processes = processes.lines().filter_map(|line| line.parse().ok());
    if let Some(process) = processes.find(|process| is_init(host, *process)) {
        return Some(process);
    }
    let deeper = depth.checked_sub(1)?;
    let entries = fs::read_dir(group).ok()?.flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).find_map(|group| init_below(host, &group, deeper))
}

fn is_init(host: &Host, process: u32) -> bool {
    let status = host.path("/proc").join(process.to_string()).join("status");
    let status = fs::read_to_string(status).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|line| line.split_whitespace().skip(1).eq(["1"]))
}

/// The groups of a container, and where they were read.
///
/// Those of a running one count: it may have another disk there than its configuration says.
pub(super) fn groups(host: &Host, conf: &Conf, id: u32, init: Option<u32>) -> Option<Groups> {
    let running = init.map(|process| host.path("/proc").join(process.to_string()).join("root"));
    // Here is what `pct mount` mounts.
    let mounted = host.path("/var/lib/lxc").join(id.to_string()).join("rootfs");
    let disk = conf.value("rootfs").and_then(|rootfs| directory(host, rootfs));
    let places = running.into_iter().chain([mounted]).chain(disk);
    places.filter_map(|place| read(&place).ok()).map(|text| Groups::parse(&text)).next()
}

/// `/etc/group` of a root directory that is somebody else's: no link in there leads out of it.
fn read(root: &Path) -> io::Result<String> {
    let root = File::open(root)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let beneath = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(root, "etc/group", flags, Mode::empty(), beneath)?);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// The directory that a `rootfs:` is, where it is one and not a disk.
fn directory(host: &Host, rootfs: &str) -> Option<PathBuf> {
    let volume = rootfs.split(',').next()?;
    let volume = volume.strip_prefix("volume=").unwrap_or(volume);
    if volume.starts_with('/') {
        return Some(host.path(volume));
    }
    let (storage, volume) = volume.split_once(':')?;
    let text = host.read(Path::new("/etc/pve/storage.cfg")).ok()?;
    let (kind, options) = section(&text, storage)?;
    let option = |name: &str| {
        let mut pairs = options.iter().filter_map(|line| line.split_once([' ', '\t']));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
    };
    match kind {
        "zfspool" => {
            let pool = option("pool").map(|pool| Path::new("/").join(pool));
            let place = option("mountpoint").map(PathBuf::from).or(pool)?;
            // A linked clone has its origin before it.
            Some(host.path(place).join(volume.rsplit('/').next()?))
        }
        _ if volume.ends_with(".subvol") => {
            Some(host.path(option("path")?).join("images").join(volume))
        }
        _ => None,
    }
}

/// The kind of a storage, and its options.
fn section<'a>(text: &'a str, storage: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let mut lines = text.lines();
    let head = |line: &'a str| {
        let (kind, name) = line.split_once(':')?;
        (name.trim() == storage && !line.starts_with(char::is_whitespace)).then_some(kind)
    };
    let kind = lines.find_map(head)?;
    let own = lines.take_while(|line| line.starts_with(char::is_whitespace));
    Some((kind, own.map(str::trim).collect()))
}
