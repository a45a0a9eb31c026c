//! Who may open the GPUs' render nodes, and the encoders' way to them.
//!
//! An encoder's unit has the groups `render`, `video` and [`GROUP`]. Where a node belongs to none of
//! them, as in many containers, [`grant`] puts an entry for the last one on the node: root may, without
//! any capability, because root owns it.

mod acl;

use std::{
    fs::{self, OpenOptions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{OFlags, XattrFlags, getxattr, major, minor, setxattr},
    io::Errno,
};
use serde::Serialize;

use self::acl::Acl;

/// Has access to render nodes by their access control lists.
pub const GROUP: &str = "dashboard-cast-gpu";
/// What an encoder is a member of.
pub const GROUPS: [&str; 3] = ["render", "video", GROUP];

const ATTRIBUTE: &str = "system.posix_acl_access";
const DRM: u32 = 226;
const FIRST: u32 = 128;
/// What an id that has no place in this container looks like.
const UNMAPPED: u32 = 65_534;

/// A render node, and who may open it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    pub path: PathBuf,
    pub uid: u32,
    pub gid: u32,
    /// The owning group's name here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Such as `660`.
    pub mode: String,
    pub access: Access,
    /// What to do, and where; nothing when an encoder can open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// By what an encoder may open a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// It is in the owning group, which may.
    Group(String),
    /// The node's list has an entry for a group that it is in.
    List(String),
    /// It may not, but will: the list gets an entry when it starts.
    AtStart,
    /// It may not; a sentence.
    Nothing(String),
}

/// The groups of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups(Vec<(String, u32)>);

impl Groups {
    /// From `/etc/group`, where those of packages are.
    pub fn read() -> Self {
        Self::at(Path::new("/"))
    }

    /// Those of the machine whose files are below this root.
    pub fn at(root: &Path) -> Self {
        Self::parse(&fs::read_to_string(root.join("etc/group")).unwrap_or_default())
    }

    /// From a text of the form of `/etc/group`; lines that make no sense are no groups.
    pub fn parse(text: &str) -> Self {
        let group = |line: &str| {
            let mut fields = line.split(':');
            let (name, _, id) = (fields.next()?, fields.next()?, fields.next()?);
            Some((name.to_owned(), id.parse().ok()?))
        };
        Self(text.lines().filter_map(group).collect())
    }

    pub fn id(&self, name: &str) -> Option<u32> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, id)| *id)
    }

    fn name(&self, id: u32) -> Option<&str> {
        self.0.iter().find(|(_, own)| *own == id).map(|(name, _)| name.as_str())
    }
}

/// What stands in `/dev/dri` under the name of a render node, before it is judged.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    device: Option<(u32, u32)>,
    /// Of the name.
    number: u32,
    links: u64,
    uid: u32,
    gid: u32,
    mode: u32,
    acl: Option<Acl>,
    /// In a container: it is the host's own, and what is changed on it is changed there.
    is_the_hosts: bool,
}

impl File {
    /// Such as `/dev/dri/renderD128`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name's number.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its major and minor number, if it is a device.
    pub const fn device(&self) -> Option<(u32, u32)> {
        self.device
    }

    /// Whether it was taken away while something goes on to show it, as a bind mount does.
    pub const fn is_stale(&self) -> bool {
        self.links == 0
    }
}

/// All of them, by their numbers.
pub fn files() -> Vec<File> {
    let mut numbers: Vec<u32> = numbers().collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(|number| file(number).ok()).collect()
}

/// All render nodes and what an encoder may do with them.
pub fn nodes(groups: &Groups) -> Vec<Node> {
    files().iter().map(|file| judge(file, groups)).collect()
}

fn numbers() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.strip_prefix("renderD")?.parse().ok())
}

/// Where the render node of this number is.
pub fn node_path(number: u32) -> PathBuf {
    Path::new("/dev/dri").join(format!("renderD{number}"))
}

fn file(number: u32) -> io::Result<File> {
    let path = node_path(number);
    let file = fs::symlink_metadata(&path)?;
    let device = file.rdev();
    let acl = list(&path).ok().flatten();
    Ok(File {
        path,
        device: file.file_type().is_char_device().then(|| (major(device), minor(device))),
        number,
        links: file.nlink(),
        uid: file.uid(),
        gid: file.gid(),
        mode: file.mode() & 0o7777,
        acl,
        is_the_hosts: is_the_hosts(&file),
    })
}

/// A file's list, if it has one.
fn list(path: &Path) -> io::Result<Option<Acl>> {
    let mut bytes = vec![0; 4096];
    match getxattr(path, ATTRIBUTE, &mut bytes[..]) {
        Ok(length) => {
            let acl = Acl::read(&bytes[..length]);
            acl.map(Some).ok_or_else(|| io::Error::other("its access control list makes no sense"))
        }
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// By what an encoder may open it, and what to do if by nothing.
pub fn judge(file: &File, groups: &Groups) -> Node {
    let File { path, device, number, links, uid, gid, mode, acl, is_the_hosts } = file;
    let shown = path.display();
    let nothing = |why: &str, remedy: Option<String>| (Access::Nothing(why.to_owned()), remedy);
    let to_host = || {
        let render = groups.id("render").map_or("of render here".to_owned(), |id| id.to_string());
        Some(format!(
            "on the Proxmox host: dashboard-cast proxmox lxc CTID --apply, or by hand \"dev0: \
             {shown},gid={render}\" in place of its lxc.mount.entry; and start the container again"
        ))
    };
    let list = acl.clone().unwrap_or_else(|| Acl::of_mode(*mode));
    let member = |name: &&str| groups.id(name).is_some_and(|id| list.lets_in(id, *gid));
    let (access, remedy) = match (device, GROUPS.into_iter().find(member)) {
        _ if *links == 0 => {
            nothing("the host has made it anew", Some("start this container again".to_owned()))
        }
        (None, _) => nothing("it is not a device", None),
        (Some(device), _) if *device != (DRM, *number) => {
            let (major, minor) = device;
            nothing(
                &format!("it is device {major}:{minor}"),
                Some(format!("on the host, give the container the node of 226:{number}")),
            )
        }
        (_, Some(name)) if groups.id(name) == Some(*gid) => (Access::Group(name.to_owned()), None),
        (_, Some(name)) => (Access::List(name.to_owned()), None),
        _ if *uid == UNMAPPED => nothing("its owner has no place in this container", to_host()),
        _ if *is_the_hosts => {
            nothing("it is the host's own, and its list is left alone", to_host())
        }
        _ if groups.id(GROUP).is_none() => nothing(
            "no group of an encoder's may",
            Some(format!("install the package, which makes the group {GROUP}")),
        ),
        _ if *uid != 0 => {
            nothing("it is not root's", Some(format!("setfacl -m g:{GROUP}:rw {shown}")))
        }
        _ => (Access::AtStart, None),
    };
    Node {
        path: path.clone(),
        uid: *uid,
        gid: *gid,
        group: groups.name(*gid).map(ToOwned::to_owned),
        mode: format!("{mode:o}"),
        access,
        remedy,
    }
}

/// Lets [`GROUP`] open those render nodes that no group of an encoder's may open. Returns those that it
/// changed.
///
/// It touches nothing but real render nodes, and in a container none that are the host's own: what is
/// written on those is written for the host.
pub fn grant() -> Vec<(PathBuf, io::Result<()>)> {
    let groups = Groups::read();
    let Some(group) = groups.id(GROUP) else { return Vec::new() };
    let mut granted = Vec::new();
    for number in numbers() {
        let is_needed =
            file(number).is_ok_and(|file| judge(&file, &groups).access == Access::AtStart);
        if is_needed {
            granted.push((node_path(number), grant_one(number, group)));
        }
    }
    granted
}

fn grant_one(number: u32, group: u32) -> io::Result<()> {
    // What is checked is what is changed, whatever stands there by then.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let node = OpenOptions::new().read(true).custom_flags(flags).open(node_path(number))?;
    let file = node.metadata()?;
    let device = (major(file.rdev()), minor(file.rdev()));
    if !file.file_type().is_char_device() || device != (DRM, number) || number < FIRST {
        return Err(io::Error::other("it is not a render node"));
    }
    if is_the_hosts(&file) {
        return Err(io::Error::other("it is the host's own node, and its list would change there"));
    }
    let path = through(&node);
    let mut acl = list(&path)?.unwrap_or_else(|| Acl::of_mode(file.mode()));
    acl.admit(group);
    setxattr(&path, ATTRIBUTE, &acl.write(), XattrFlags::empty())?;
    Ok(())
}

/// A descriptor as a path: descriptors of this kind have no attributes themselves.
fn through(node: &fs::File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", node.as_raw_fd()))
}

/// Whether a container was given what lies on the kernel's own file system for devices, of which there is one
/// for all.
fn is_the_hosts(file: &fs::Metadata) -> bool {
    if !Path::new("/run/systemd/container").exists() {
        return false;
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let device = format!("{}:{}", major(file.dev()), minor(file.dev()));
    mounts.lines().any(|line| {
        let own = line.split(' ').nth(2) == Some(&device);
        own && line.split(" - ").nth(1).is_some_and(|rest| rest.starts_with("devtmpfs "))
    })
}

#[cfg(test)]
impl File {
    /// A render node as it should be, but for whose it is.
    pub(crate) fn node(number: u32, uid: u32, gid: u32, mode: u32) -> Self {
        let (path, device) = (node_path(number), Some((DRM, number)));
        Self { path, device, number, links: 1, uid, gid, mode, acl: None, is_the_hosts: false }
    }

    /// That is another device, or none.
    pub(crate) fn is(self, device: Option<(u32, u32)>) -> Self {
        Self { device, ..self }
    }

    /// That was taken away behind a bind mount.
    pub(crate) fn gone(self) -> Self {
        Self { links: 0, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups() -> Groups {
        let text = "root:x:0:\nvideo:x:44:\nrender:x:104:me\ndashboard-cast-gpu:x:990:\nlp:x:7:\n\
                    broken\n::\n";
        Groups::parse(text)
    }

    fn node(uid: u32, gid: u32, mode: u32) -> File {
        File::node(128, uid, gid, mode)
    }

    fn access(facts: &File) -> Access {
        judge(facts, &groups()).access
    }

    #[test]
    fn the_right_group_is_enough() {
        assert_eq!(access(&node(0, 104, 0o660)), Access::Group("render".to_owned()));
        assert_eq!(access(&node(0, 44, 0o660)), Access::Group("video".to_owned()));
        assert_eq!(judge(&node(0, 104, 0o660), &groups()).group.as_deref(), Some("render"));
    }

    #[test]
    fn a_wrong_group_or_none_is_mended_at_the_start() {
        for facts in [node(0, 7, 0o660), node(0, 12_345, 0o660), node(0, 0, 0o600)] {
            assert_eq!(access(&facts), Access::AtStart, "{facts:?}");
        }
        let mut mended = node(0, 12_345, 0o660);
        let mut acl = Acl::of_mode(0o660);
        acl.admit(990);
        mended.acl = Some(acl);
        assert_eq!(access(&mended), Access::List(GROUP.to_owned()));
    }

    #[test]
    fn what_only_the_host_can_mend_is_said_to_be_for_the_host() {
        let judged = judge(&node(UNMAPPED, UNMAPPED, 0o660), &groups());
        assert!(matches!(judged.access, Access::Nothing(_)), "{judged:?}");
        let remedy = judged.remedy.unwrap();
        assert!(remedy.contains("dev0: /dev/dri/renderD128,gid=104"), "{remedy}");
        let stale = File { links: 0, ..node(0, 104, 0o660) };
        assert!(judge(&stale, &groups()).remedy.unwrap().contains("container"));
        let other = File { device: Some((DRM, 129)), ..node(0, 104, 0o660) };
        assert!(judge(&other, &groups()).remedy.unwrap().contains("226:128"));
    }

    #[test]
    fn the_hosts_own_node_is_left_alone() {
        let judged = judge(&File { is_the_hosts: true, ..node(0, 7, 0o660) }, &groups());
        assert!(matches!(judged.access, Access::Nothing(_)), "{judged:?}");
        assert!(judged.remedy.unwrap().contains("in place of its lxc.mount.entry"));
        let fits = File { is_the_hosts: true, ..node(0, 104, 0o660) };
        assert_eq!(access(&fits), Access::Group("render".to_owned()));
    }

    #[test]
    fn what_is_no_device_is_none() {
        let file = File { device: None, ..node(0, 104, 0o660) };
        assert_eq!(access(&file), Access::Nothing("it is not a device".to_owned()));
    }

    #[test]
    fn without_the_package_there_is_no_group_to_let_in() {
        let judged = judge(&node(0, 0, 0o600), &Groups::default());
        assert!(judged.remedy.unwrap().contains("install the package"));
    }
}
