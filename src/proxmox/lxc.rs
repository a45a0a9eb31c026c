//! A container that is to have the GPU's render node.
//!
//! It needs the node and the right to open it. It needs neither an IOMMU, which is for virtual
//! machines, nor to be privileged, nor the card's other node, which is for screens.
//!
//! From `pve-container` 5.0.7 on, `dev0:` makes a node in the container that is its root's and of the
//! group that is named. Before, the host's own node is bound into it. In an unprivileged container that
//! one belongs to nobody, and only its group can be made one that the container knows, on the host.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    Guest, Host, Refusal,
    conf::{Change, Conf, Setting},
    device::{Device, MOST, is_true, with_nesting},
    pci::{self, devices},
    root,
};
use crate::{
    access::Groups,
    gpu::{self, Node},
};

/// Of all nodes of the kernel's graphics.
const DRM: u32 = 226;
/// What unprivileged containers get where nothing else is said.
const USUAL_MAP: (u32, u32, u32) = (0, 100_000, 65_536);
const ALLOW: &str = "lxc.cgroup2.devices.allow";
const MOUNT: &str = "lxc.mount.entry";
const HOOK: &str = "lxc.hook.pre-start";
const DIRECTORY: &str = "/dev/dri";

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    pub id: u32,
    /// The render node, where there are several.
    pub node: Option<PathBuf>,
    /// The group in the container, where it cannot be read.
    pub gid: Option<u32>,
}

/// How a container gets a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `dev0:`
    Dev,
    /// `lxc.cgroup2.devices.allow` and `lxc.mount.entry`
    Classic,
}

/// What is to be done to a container's configuration, and what to know about that.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    #[serde(rename = "container")]
    pub id: u32,
    /// The configuration.
    pub file: PathBuf,
    pub node: PathBuf,
    /// What the GPU is, for people.
    pub gpu: String,
    pub form: Form,
    /// The node's group in the container.
    pub gid: u32,
    /// What changes, in order. Empty when all is as it should be.
    pub changes: Vec<Change>,
    /// Sentences.
    pub warnings: Vec<String>,
    /// Commands that have it count; none when nothing changes.
    pub next: Vec<String>,
    #[serde(skip)]
    pub(super) before: String,
    #[serde(skip)]
    pub(super) after: String,
    #[serde(skip)]
    pub(super) lock: Option<String>,
}

/// What is to be done so that a container has the node.
///
/// # Errors
/// There is no such container or GPU, or something that must be known cannot be.
pub fn plan(host: &Host, wish: &Wish) -> Result<Plan, Refusal> {
    let id = wish.id;
    let (file, before) = host.configuration(Guest::Container, id)?;
    let mut conf = Conf::parse(&before);
    let node = chosen(host, wish.node.as_deref())?;
    refuse_pending(&conf, id, &node.path)?;
    let mut warnings = Vec::new();
    let init = root::init(host, id);
    let gid = match wish.gid {
        Some(gid) => gid,
        None => {
            let groups = root::groups(host, &conf, id, init).ok_or(Refusal::NoGroups { id })?;
            let (gid, warning) = group(&groups, id)?;
            warnings.extend(warning);
            gid
        }
    };
    let map = Map::of(&conf)?;
    let form = if host.has_dev() { Form::Dev } else { Form::Classic };
    let edit = Edit { host, node: &node, id, gid };
    match form {
        Form::Dev => edit.dev(&mut conf, &mut warnings)?,
        Form::Classic => edit.classic(&mut conf, &map, &mut warnings)?,
    }
    let features = with_nesting(conf.value("features"));
    conf.set("features", &features);
    if map.is_privileged() {
        warnings.push(format!(
            "Container {id} is privileged: its root is the host's. Neither the GPU nor the service needs \
             that, and with nesting it is even less of a wall."
        ));
    }
    let (after, lock) = (conf.text(), conf.value("lock").map(ToOwned::to_owned));
    let changes = conf.into_changes();
    let next = match (changes.is_empty(), init) {
        (true, _) => Vec::new(),
        (false, Some(_)) => vec![format!("pct reboot {id}")],
        (false, None) => vec![format!("pct start {id}")],
    };
    let gpu = node.name;
    Ok(Plan {
        id,
        file,
        node: node.path,
        gpu,
        form,
        gid,
        changes,
        warnings,
        next,
        before,
        after,
        lock,
    })
}

/// The Intel GPU's node, or the one that is asked for.
fn chosen(host: &Host, wanted: Option<&Path>) -> Result<Node, Refusal> {
    let nodes = gpu::nodes(&host.root);
    let named = |node: &Node| (node.path.display().to_string(), node.name.clone());
    if let Some(wanted) = wanted {
        let found = nodes.iter().find(|node| node.path == wanted).cloned();
        return found.ok_or_else(|| Refusal::UnknownGpu {
            wanted: wanted.display().to_string(),
            known: nodes.iter().map(named).collect(),
        });
    }
    let intel: Vec<&Node> = nodes.iter().filter(|node| node.is_intel).collect();
    match &*intel {
        [node] => Ok((*node).clone()),
        [] => {
            let gpu = pci::chosen(&devices(host), None)?;
            Err(match gpu.driver.as_deref() {
                Some("vfio-pci") => Refusal::GivenAway { address: gpu.address },
                _ => Refusal::NoDriver { address: gpu.address },
            })
        }
        _ => {
            let known = intel.into_iter().map(named).collect();
            Err(Refusal::Several { known, option: "--node" })
        }
    }
}

/// What waits for the next start would be put in place of ours then.
fn refuse_pending(conf: &Conf, id: u32, node: &Path) -> Result<(), Refusal> {
    let is_ours = |setting: &Setting<'_>| match setting.key {
        "features" => true,
        "delete" => deleted(setting.value).any(|key| key == "features" || is_dev(key)),
        key => is_dev(key) && Device::parse(setting.value).is_of(node),
    };
    let keys: Vec<_> = conf
        .pending()
        .filter(is_ours)
        .map(|setting| format!("{}: {}", setting.key, setting.value))
        .collect();
    if keys.is_empty() { Ok(()) } else { Err(Refusal::Pending { id, keys: keys.join("; ") }) }
}

/// The keys that a `delete:` names.
fn deleted(value: &str) -> impl Iterator<Item = &str> {
    value.split([',', ';', ' ']).map(|key| key.trim_start_matches('!'))
}

fn is_dev(key: &str) -> bool {
    key.strip_prefix("dev").is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The group of encoders in the container, and what to say about it.
fn group(groups: &Groups, id: u32) -> Result<(u32, Option<String>), Refusal> {
    match (groups.id("render"), groups.id("video")) {
        (Some(render), _) => Ok((render, None)),
        (None, Some(video)) => {
            let warning = format!(
                "Container {id} has no group render; the node is given to its group video, of which \
                 encoders are members, too."
            );
            Ok((video, Some(warning)))
        }
        (None, None) => Err(Refusal::NoRender { id }),
    }
}

/// Which groups of a container are which of the host's: first there, first here, how many.
#[derive(Debug)]
struct Map(Vec<(u32, u32, u32)>);

impl Map {
    fn of(conf: &Conf) -> Result<Self, Refusal> {
        let mut own = Vec::new();
        for value in conf.values("lxc.idmap") {
            let mut fields = value.split_whitespace();
            let (kind, mut numbers) = (fields.next(), fields.map(str::parse));
            match (kind, numbers.next(), numbers.next(), numbers.next()) {
                (Some("g"), Some(Ok(there)), Some(Ok(here)), Some(Ok(length))) => {
                    own.push((there, here, length));
                }
                (Some("u"), ..) => {}
                _ => return Err(Refusal::Line { line: format!("lxc.idmap: {value}") }),
            }
        }
        if own.is_empty() && conf.value("unprivileged").is_some_and(is_true) {
            own.push(USUAL_MAP);
        }
        Ok(Self(own))
    }

    /// Whether its groups, and its root, are the host's.
    fn is_privileged(&self) -> bool {
        self.0.is_empty()
    }

    /// What a group of the container is on the host.
    fn on_host(&self, gid: u32) -> Option<u32> {
        self.0.iter().find_map(|(there, here, length)| {
            let offset = gid.checked_sub(*there).filter(|offset| offset < length)?;
            here.checked_add(offset)
        })
    }
}

/// What a configuration is edited for.
struct Edit<'a> {
    host: &'a Host,
    node: &'a Node,
    id: u32,
    gid: u32,
}

impl Edit<'_> {
    fn dev(&self, conf: &mut Conf, warnings: &mut Vec<String>) -> Result<(), Refusal> {
        let key = |number: u32| format!("dev{number}");
        let device = |conf: &Conf, number: u32| conf.value(&key(number)).map(Device::parse);
        let ours: Vec<(u32, Device)> = (0..MOST)
            .filter_map(|number| Some((number, device(conf, number)?)))
            .filter(|(_, device)| device.is_of(&self.node.path))
            .collect();
        let mut ours = ours.into_iter();
        match ours.next() {
            Some((number, device)) => conf.set(&key(number), &device.mended(self.gid).text()),
            None => {
                let pending: BTreeSet<&str> = conf.pending().map(|setting| setting.key).collect();
                let is_free = |number: &u32| {
                    conf.value(&key(*number)).is_none() && !pending.contains(&*key(*number))
                };
                let number = (0..MOST).find(is_free).ok_or(Refusal::NoPlace)?;
                conf.set(&key(number), &Device::new(&self.node.path, self.gid).text());
            }
        }
        // Proxmox makes each node once, and fails at the second time.
        let more: Vec<String> = ours.map(|(number, _)| key(number)).collect();
        conf.remove(|setting| more.iter().any(|key| key == setting.key));
        let cards = self.cards(conf);
        let before = conf.settings().count();
        conf.remove(|setting| self.is_classic(setting, &cards));
        if conf.settings().count() < before {
            warnings.push(
                "The lines that bound the host's own nodes into the container go: dev makes one of its \
                 own there, which encoders may open."
                    .to_owned(),
            );
        }
        if conf.settings().any(|setting| self.is_foreign_hook(setting)) {
            warnings.push(format!(
                "A hook of the container names {}, too. It is left as it is; see whether it is still \
                 wanted.",
                self.node.path.display()
            ));
        }
        Ok(())
    }

    fn classic(
        &self,
        conf: &mut Conf,
        map: &Map,
        warnings: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        let path = self.node.path.display();
        let target = self.target();
        if !conf.values(ALLOW).any(|value| allows(value, self.node.minor)) {
            conf.push(ALLOW, &format!("c {DRM}:{} rwm", self.node.minor));
        }
        let is_bound = |value: &str| {
            let (source, own) = mount(value);
            let all = (DIRECTORY, DIRECTORY.trim_start_matches('/'));
            (source, own) == (&*path.to_string(), &*target) || (source, own) == all
        };
        if !conf.values(MOUNT).any(is_bound) {
            conf.remove(|setting| setting.key == MOUNT && mount(setting.value).1 == target);
            conf.push(MOUNT, &format!("{path} {target} none bind,optional,create=file"));
        }
        if map.is_privileged() {
            let groups = fs::read_to_string(self.host.path("/etc/group")).unwrap_or_default();
            let own = Groups::parse(&groups).id("render");
            if let Some(own) = own.filter(|own| *own != self.gid) {
                warnings.push(format!(
                    "The node keeps the host's group, which is {own}, and render of container {id} is \
                     {gid}. Make them the same: pct exec {id} -- groupmod -g {own} render",
                    id = self.id,
                    gid = self.gid
                ));
            }
            return Ok(());
        }
        let unmapped = Refusal::Unmapped { id: self.id, gid: self.gid };
        let here = map.on_host(self.gid).ok_or(unmapped)?;
        let hook = hook(here, &self.node.path);
        if !conf.values(HOOK).any(|value| value == hook) {
            conf.remove(|setting| self.is_own_hook(setting));
            conf.push(HOOK, &hook);
        }
        warnings.push(format!(
            "Before Proxmox VE 8.1, an unprivileged container gets the host's own node. At each start of \
             the container, the node's group on the host becomes {here}, which is {gid} in the container: \
             other containers, and programs on the host, then lose it unless they are root.",
            gid = self.gid
        ));
        Ok(())
    }

    /// Where the node is in the container, from its root.
    fn target(&self) -> String {
        self.node.path.display().to_string().trim_start_matches('/').to_owned()
    }

    /// The minor numbers of cards that lines for this GPU may name: its own, and those that the host
    /// does not have, as `card0` on newer kernels.
    fn cards(&self, conf: &Conf) -> BTreeSet<u32> {
        let exists = |card: u32| self.host.path(format!("/sys/class/drm/card{card}")).exists();
        let named = conf.settings().filter_map(|setting| match setting.key {
            MOUNT => mount(setting.value).0.strip_prefix("/dev/dri/card")?.parse().ok(),
            _ => None,
        });
        let gone = named.filter(|card| !exists(*card));
        self.node.cards.iter().copied().chain(gone).collect()
    }

    /// Whether it is a line of the older form, for the node or a card of its GPU.
    fn is_classic(&self, setting: Setting<'_>, cards: &BTreeSet<u32>) -> bool {
        let minors = || cards.iter().chain([&self.node.minor]);
        match setting.key {
            MOUNT => {
                let (source, target) = mount(setting.value);
                let is_card = |card: &u32| source == format!("/dev/dri/card{card}");
                // The whole directory would hide what dev makes in it.
                Path::new(source) == self.node.path
                    || source.trim_end_matches('/') == DIRECTORY
                    || target == self.target()
                    || cards.iter().any(is_card)
            }
            ALLOW | "lxc.cgroup.devices.allow" => {
                let device = setting.value.split_whitespace().nth(1);
                minors().any(|minor| device == Some(&*format!("{DRM}:{minor}")))
            }
            _ => self.is_own_hook(setting),
        }
    }

    /// Whether it is a hook that this module has written, for whichever group.
    fn is_own_hook(&self, setting: Setting<'_>) -> bool {
        let number = |value: &str| value.split_whitespace().nth(3)?.parse().ok();
        setting.key == HOOK
            && number(setting.value).is_some_and(|gid| setting.value == hook(gid, &self.node.path))
    }

    fn is_foreign_hook(&self, setting: Setting<'_>) -> bool {
        setting.key.starts_with("lxc.hook.")
            && setting.value.contains(&*self.node.path.to_string_lossy())
    }
}

/// Gives the host's node to a group, whenever the container starts. What LXC adds to the command is lost
/// in the shell, and a container whose GPU has gone starts all the same.
fn hook(gid: u32, node: &Path) -> String {
    format!("sh -c \"chgrp {gid} {} || :\"", node.display())
}

/// The source of a mount, and where it goes, from the container's root.
fn mount(value: &str) -> (&str, &str) {
    let mut fields = value.split_whitespace();
    let (source, target) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    (source, target.trim_start_matches('/'))
}

/// Whether a rule lets a container read and write a node of the kernel's graphics.
fn allows(rule: &str, minor: u32) -> bool {
    let mut fields = rule.split_whitespace();
    let (kind, device, access) = (fields.next(), fields.next(), fields.next());
    let Some((major, own)) = device.and_then(|device| device.split_once(':')) else {
        // All devices, in one word.
        return kind == Some("a");
    };
    matches!(kind, Some("a" | "c"))
        && (major == "*" || major == DRM.to_string())
        && (own == "*" || own == minor.to_string())
        && access.is_some_and(|access| access.contains('r') && access.contains('w'))
}
