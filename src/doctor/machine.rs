//! The machine that is examined: its files below a root, and what those said who had to be asked.

use std::{
    cmp::Reverse,
    fs, io,
    path::{Path, PathBuf},
};

use super::told::Told;
use crate::{
    access::{self, File, Groups},
    config::{Config, ConfigError, GpuChoice, Loaded, locate},
    dpkg::Packages,
    gpu::{self, Card, EncoderView, GpuView},
};

/// What checks look at. They read, and change nothing.
#[derive(Debug)]
pub struct Machine {
    root: PathBuf,
    pub(super) place: Environment,
    /// Whether this is a host of Proxmox VE.
    pub(super) is_proxmox: bool,
    pub(super) packages: Packages,
    /// What stands in `/dev/dri`.
    pub(super) nodes: Vec<File>,
    pub(super) groups: Groups,
    /// What is on the bus.
    pub(super) cards: Vec<Card>,
    /// Which GPU the configuration asks for.
    pub(super) choice: GpuChoice,
    /// The GPUs with nodes or a driver of the kernel's graphics, best first.
    pub(super) gpus: Vec<GpuView>,
    pub(super) told: Told,
}

/// What kind of machine it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Environment {
    /// A machine of its own.
    Metal,
    /// A virtual machine; of which maker.
    Vm(String),
    /// A container with a system of its own, such as `lxc`; `privileged`: its root is the host's.
    Container { kind: String, privileged: bool },
    /// Docker, Podman and the like: a container of one program.
    Application(String),
}

impl Environment {
    /// Whether the kernel and its devices are somebody else's.
    pub(super) const fn is_container(&self) -> bool {
        matches!(self, Self::Container { .. } | Self::Application(_))
    }

    pub(super) const fn is_vm(&self) -> bool {
        matches!(self, Self::Vm(_))
    }
}

impl Machine {
    /// The machine whose files are below `root`. `nodes` are the files of `/dev/dri`, which no tree of
    /// ordinary files could hold.
    pub fn new(root: PathBuf, nodes: Vec<File>, told: Told) -> Self {
        let place = environment(&root);
        let packages = Packages::of(&root);
        let is_proxmox =
            root.join("etc/pve/local").exists() || packages.installed("pve-manager").is_some();
        let groups = Groups::at(&root);
        let cards = gpu::cards(&root);
        // One that cannot be read is told of by the check of the configuration.
        let loaded = locate(&root).and_then(|fragments| Config::load(&fragments));
        let choice = loaded.map(|loaded| loaded.config.encoder.gpu).unwrap_or_default();
        let gpus = told.gpus.clone().unwrap_or_else(|| gpu::plan(&root, choice.clone()));
        Self { root, place, is_proxmox, packages, nodes, groups, cards, choice, gpus, told }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A file's text; `None` when it is not there or not for us.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.read(path).ok()
    }

    /// A file's text.
    pub(super) fn read(&self, path: &str) -> io::Result<String> {
        fs::read(self.path(path)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A file of one value, as those of sysfs are.
    pub(super) fn value(&self, path: &str) -> Option<String> {
        self.text(path).map(|text| text.trim().to_owned())
    }

    pub(super) fn is_there(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }

    /// That it is not there; what we may not look at may be.
    pub(super) fn is_missing(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path))
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// The last part of what a link leads to.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// The names in a directory, in order; none when it is not there.
    pub(super) fn list(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The best GPU on which something encodes.
    pub(super) fn working(&self) -> Option<&GpuView> {
        self.gpus.iter().find(|gpu| gpu.usable)
    }

    /// Intel's card that matters: the one that the configuration names; else one that encodes; else one
    /// whose node is here; else one that has a driver of the kernel's graphics; else the first. `None`
    /// also when the configuration names another maker's.
    pub(super) fn intel(&self) -> Option<&Card> {
        if let Some(card) = self.cards.iter().find(|card| self.is_chosen(card)) {
            return Some(card).filter(|card| card.is_intel());
        }
        let working = self.working().and_then(|gpu| gpu.pci.as_ref());
        let is_here = |number| self.nodes.iter().any(|file| file.number() == number);
        let intel = self.cards.iter().filter(|card| card.is_intel());
        // Of several that are as good, the first.
        intel.min_by_key(|card| {
            let encodes = working == Some(&card.pci);
            let has_node = card.nodes.iter().any(|number| is_here(*number));
            Reverse((encodes, has_node, !card.nodes.is_empty()))
        })
    }

    fn is_chosen(&self, card: &Card) -> bool {
        match &self.choice {
            GpuChoice::Auto | GpuChoice::None => false,
            GpuChoice::Pci(pci) => card.pci == *pci,
            GpuChoice::Node(node) => {
                card.nodes.iter().any(|number| *node == access::node_path(*number))
            }
        }
    }

    /// Every way to encode on every GPU, best first, with its name.
    pub(super) fn encoders(&self) -> impl Iterator<Item = (&GpuView, &str, &EncoderView)> {
        // By their names, h264_qsv comes before h264_vaapi, as it does by preference.
        self.gpus
            .iter()
            .flat_map(|gpu| gpu.encoders.iter().map(move |(name, view)| (gpu, name.as_str(), view)))
    }

    /// The first way to encode that this word says the trouble of, and its GPU. Where something
    /// encodes, only of the GPU that does: nobody needs the others.
    pub(super) fn refused(&self, reason: &str) -> Option<(&GpuView, &str, &EncoderView)> {
        self.refusals(reason)
            .find(|(gpu, ..)| self.working().is_none_or(|own| own.node == gpu.node))
    }

    /// What this word says the trouble of on GPUs that nobody needs, as another one encodes.
    pub(super) fn spare(&self, reason: &str) -> impl Iterator<Item = String> {
        let spare = self
            .refusals(reason)
            .filter(|(gpu, ..)| self.working().is_some_and(|own| own.node != gpu.node));
        spare.map(|(gpu, name, view)| {
            let problem = view.problem.as_deref().unwrap_or_default();
            format!("{name} on {}, which is not needed: {problem}", gpu.name)
        })
    }

    fn refusals(&self, reason: &str) -> impl Iterator<Item = (&GpuView, &str, &EncoderView)> {
        self.encoders().filter(move |(_, _, view)| view.reason.as_deref() == Some(reason))
    }

    /// The id of the group `render` here, or what to put in its place.
    pub(super) fn render_group(&self) -> String {
        self.groups.id("render").map_or_else(|| "GID".to_owned(), |id| id.to_string())
    }

    /// Debian's release, such as 12; `None` on another system.
    pub(super) fn debian(&self) -> Option<u32> {
        let release = self.text("etc/os-release")?;
        let field = |name: &str| {
            let line = release.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_matches('"').to_owned())
        };
        (field("ID=").as_deref() == Some("debian"))
            .then(|| field("VERSION_ID="))
            .flatten()?
            .parse()
            .ok()
    }

    /// The version of an installed package of Debian's.
    pub(super) fn package(&self, name: &str) -> Option<String> {
        self.packages.installed(name).map(ToOwned::to_owned)
    }

    /// The configuration, as the service would read it.
    pub(super) fn configuration(&self) -> Result<Loaded, ConfigError> {
        Config::load(&locate(&self.root)?)
    }

    /// As [`Machine::configuration`]; the defaults where that cannot be used, which a check of its own
    /// tells.
    pub(super) fn config(&self) -> Config {
        self.configuration().map(|loaded| loaded.config).unwrap_or_default()
    }

    /// Whether this is a host of Proxmox VE on which the service is not installed.
    pub(super) fn is_only_host(&self) -> bool {
        self.is_proxmox && !self.is_there("usr/lib/sysusers.d/dashboard-cast.conf")
    }
}

/// Where the render node of this number is.
pub(super) fn node_path(number: u32) -> String {
    access::node_path(number).display().to_string()
}

/// By what systemd and container managers leave behind; virtual machines by their firmware's tables.
fn environment(root: &Path) -> Environment {
    let text = |path: &str| fs::read_to_string(root.join(path)).ok();
    if root.join(".dockerenv").exists() {
        return Environment::Application("docker".to_owned());
    }
    if let Some(kind) = text("run/systemd/container") {
        let kind = kind.trim().to_owned();
        if matches!(kind.as_str(), "docker" | "podman" | "oci" | "container-other") {
            return Environment::Application(kind);
        }
        // All ids of the host are its own only in a container whose root is the host's.
        let map = text("proc/self/uid_map").unwrap_or_default();
        let fields: Vec<&str> = map.split_whitespace().collect();
        let privileged = matches!(fields[..], ["0", "0", "4294967295"]);
        return Environment::Container { kind, privileged };
    }
    let vendor = text("sys/class/dmi/id/sys_vendor").unwrap_or_default();
    let product = text("sys/class/dmi/id/product_name").unwrap_or_default();
    let known = [
        ("QEMU", "QEMU"),
        ("VMware", "VMware"),
        ("innotek", "VirtualBox"),
        ("Xen", "Xen"),
        ("Parallels", "Parallels"),
    ];
    if let Some((_, name)) = known.iter().find(|(begin, _)| vendor.trim().starts_with(begin)) {
        return Environment::Vm((*name).to_owned());
    }
    if vendor.trim() == "Microsoft Corporation" && product.trim() == "Virtual Machine" {
        return Environment::Vm("Hyper-V".to_owned());
    }
    let cpu = text("proc/cpuinfo").unwrap_or_default();
    let flags = cpu.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    if flags.split_whitespace().any(|flag| flag == "hypervisor") {
        return Environment::Vm("a hypervisor".to_owned());
    }
    Environment::Metal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{doctor::testing::Tree, session::Refusal};

    fn with(files: &[(&str, &str)]) -> Environment {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        environment(root.path())
    }

    #[test]
    fn a_machine_is_known_by_what_it_says_of_itself() {
        assert_eq!(with(&[]), Environment::Metal);
        assert_eq!(with(&[("sys/class/dmi/id/sys_vendor", "Dell Inc.\n")]), Environment::Metal);
        assert_eq!(
            with(&[("sys/class/dmi/id/sys_vendor", "QEMU\n")]),
            Environment::Vm("QEMU".into())
        );
        let flags = "processor: 0\nflags\t\t: fpu hypervisor lahf_lm\n";
        assert!(with(&[("proc/cpuinfo", flags)]).is_vm());
        let lxc =
            |map: &str| with(&[("run/systemd/container", "lxc\n"), ("proc/self/uid_map", map)]);
        let kind = || "lxc".to_owned();
        assert_eq!(
            lxc("         0     100000      65536\n"),
            Environment::Container { kind: kind(), privileged: false }
        );
        assert_eq!(
            lxc("         0          0 4294967295\n"),
            Environment::Container { kind: kind(), privileged: true }
        );
        assert_eq!(with(&[(".dockerenv", "")]), Environment::Application("docker".into()));
    }

    const IGPU: &str = "0000:00:02.0";
    const ARC: &str = "0000:03:00.0";

    fn two() -> Tree {
        Tree::new()
            .gpu(IGPU, 0xa780, Some(("i915", 128)))
            .gpu(ARC, 0x56a0, Some(("i915", 129)))
            .installed(&["iHD_drv_video.so", "libmfx-gen.so.1.2"])
    }

    #[track_caller]
    fn assert_intel(tree: &Tree, expected: Option<&str>) {
        let machine = tree.machine();
        assert_eq!(machine.intel().map(|card| &*card.pci), expected);
    }

    #[test]
    fn of_several_cards_the_one_that_serves_matters() {
        assert_intel(&Tree::new().gpu(IGPU, 0xa780, None), Some(IGPU));
        assert_intel(&two(), Some(IGPU));
        let driven = Tree::new().gpu(IGPU, 0xa780, None).gpu(ARC, 0x56a0, Some(("xe", 128)));
        assert_intel(&driven, Some(ARC));
        assert_intel(&two().node(File::node(129, 0, 992, 0o660)), Some(ARC));
        let both = || two().node(File::node(128, 0, 44, 0o660)).node(File::node(129, 0, 44, 0o660));
        assert_intel(&both(), Some(IGPU));
        assert_intel(&both().works_on(129, "h264_qsv", "VBR"), Some(ARC));
    }

    #[test]
    fn the_card_that_the_configuration_names_matters() {
        let chosen = |choice: &str| {
            let text = format!("[encoder]\ngpu = \"{choice}\"\n");
            let amd = two().display("0000:04:00.0", 0x1002, 0x164e, Some(("amdgpu", 130)));
            amd.file("etc/dashboard-cast/dashboard-cast.toml", &text)
        };
        assert_intel(&chosen("auto"), Some(IGPU));
        assert_intel(&chosen("pci:0000:03:00.0"), Some(ARC));
        assert_intel(&chosen("/dev/dri/renderD129"), Some(ARC));
        assert_intel(&chosen("pci:0000:04:00.0"), None);
    }

    #[test]
    fn where_something_encodes_the_others_are_spare() {
        let refused = || Refusal::NoVaDriver("not installed".to_owned());
        let tree = || two().refused_on(128, "h264_vaapi", refused());
        let machine = tree().machine();
        assert!(machine.refused("no-va-driver").is_some());
        assert_eq!(machine.spare("no-va-driver").count(), 0);
        let machine = tree().works_on(129, "h264_vaapi", "VBR").machine();
        assert!(machine.refused("no-va-driver").is_none());
        let spare: Vec<_> = machine.spare("no-va-driver").collect();
        assert!(spare.len() == 1 && spare[0].contains("Raptor Lake"), "{spare:?}");
        let own = tree().works_on(128, "h264_qsv", "VBR").machine();
        assert!(own.refused("no-va-driver").is_some(), "it is the one that encodes");
    }
}
