//! On trees of files, whole plans and what becomes of them.

use std::{fs, fs::File, os::unix::fs::PermissionsExt};

use proptest::prelude::*;

use super::{
    conf::Conf,
    device::{Device, with_nesting},
    lxc::{Form, Plan, Wish},
    *,
};

#[path = "../../tests/support/proxmox.rs"]
mod tree;

use self::tree::{CONTAINER, DEBIAN_12, DEBIAN_13, NEW, OLD, RELEASES, Tree, is_accepted};

const ALLOW: &str = "lxc.cgroup2.devices.allow: c 226:128 rwm";
const MOUNT: &str =
    "lxc.mount.entry: /dev/dri/renderD128 dev/dri/renderD128 none bind,optional,create=file";
const CARD: &str = "lxc.mount.entry: /dev/dri/card0 dev/dri/card0 none bind,optional,create=file";
const HOOK: &str = "lxc.hook.pre-start: sh -c \"chgrp 100104 /dev/dri/renderD128 || :\"";
const FILE: &str = "etc/pve/lxc/101.conf";

#[track_caller]
fn host(tree: &Tree) -> Host {
    Host::at(tree.root()).unwrap()
}

fn wish() -> Wish {
    Wish { id: 101, ..Wish::default() }
}

#[track_caller]
fn planned(tree: &Tree) -> Plan {
    let plan = lxc::plan(&host(tree), &wish()).unwrap();
    for line in main(&plan.after).lines() {
        assert!(is_accepted(line), "{line}");
    }
    plan
}

fn refused(tree: &Tree) -> Refusal {
    lxc::plan(&host(tree), &wish()).unwrap_err()
}

/// What is before the first section.
fn main(text: &str) -> &str {
    text.split("\n[").next().unwrap()
}

/// As differences are written.
fn lines(changes: &[Change]) -> Vec<String> {
    let line = |change: &Change| match change {
        Change::Remove(line) => format!("-{line}"),
        Change::Add(line) => format!("+{line}"),
    };
    changes.iter().map(line).collect()
}

/// The usual container with more lines that hold.
fn with(more: &[&str]) -> String {
    let more: String = more.iter().map(|line| format!("{line}\n")).collect();
    CONTAINER.replace("unprivileged: 1\n\n", &format!("unprivileged: 1\n{more}\n"))
}

#[test]
fn each_release_gets_the_form_that_it_knows() {
    for release in RELEASES {
        let tree = Tree::usual(release);
        let plan = planned(&tree);
        let features = ["-features: keyctl=1", "+features: keyctl=1,nesting=1"];
        let (form, own) = match release.0 {
            "7.4-17" | "8.0.4" => (Form::Classic, vec![ALLOW, MOUNT, HOOK]),
            _ => (Form::Dev, vec!["dev0: /dev/dri/renderD128,gid=104"]),
        };
        assert_eq!(plan.form, form, "{release:?}");
        let own = own.into_iter().map(|line| format!("+{line}"));
        let expected: Vec<_> = own.chain(features.map(str::to_owned)).collect();
        assert_eq!(lines(&plan.changes), expected, "{release:?}");
        assert_eq!(plan.next, ["pct start 101"]);
        let unchanged = CONTAINER.split_once("\n[before]").unwrap().1;
        assert!(plan.after.ends_with(&format!("\n\n[before]{unchanged}")), "{}", plan.after);
    }
}

#[test]
fn applied_twice_it_changes_nothing_the_second_time() {
    for release in RELEASES {
        let tree = Tree::usual(release);
        fs::set_permissions(tree.path(FILE), fs::Permissions::from_mode(0o640)).unwrap();
        let plan = planned(&tree);
        let backup = apply(&host(&tree), &plan).unwrap().unwrap();
        assert_eq!(tree.read(FILE), plan.after);
        let backup = tree.root().join(backup.strip_prefix("/").unwrap());
        assert_eq!(fs::read_to_string(&backup).unwrap(), CONTAINER);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&tree.path(FILE)), mode(&backup)), (0o640, 0o600));
        let again = planned(&tree);
        assert_eq!((&*again.changes, &*again.next), (&[][..], &[][..]), "{release:?}");
        assert_eq!(again.after, plan.after);
        assert_eq!(apply(&host(&tree), &again).unwrap(), None);
        assert_eq!(tree.files("var/lib/dashboard-cast-proxmox").len(), 1);
        assert_eq!(tree.files("etc/pve/nodes").len(), 1, "nothing is left beside it");
    }
}

#[test]
fn what_stands_there_is_mended_and_no_more() {
    let dev = "dev0: /dev/dri/renderD128,gid=104";
    let (added, nested) = (format!("+{dev}"), "features: keyctl=1,nesting=1");
    let nesting = ["-features: keyctl=1", "+features: keyctl=1,nesting=1"];
    let cases: [(&[&str], &[&str]); 15] = [
        (&[], &[&added]),
        (&[dev], &[]),
        (&["dev3: path=/dev/dri/renderD128,mode=0660,gid=104"], &[]),
        // Another device has the place.
        (&["dev0: /dev/ttyUSB0"], &["+dev1: /dev/dri/renderD128,gid=104"]),
        (&["dev0: /dev/dri/renderD129,gid=104"], &["+dev1: /dev/dri/renderD128,gid=104"]),
        // Proxmox's own default, another group, and what lets no group in.
        (&["dev0: /dev/dri/renderD128"], &["-dev0: /dev/dri/renderD128", &added]),
        (&["dev0: /dev/dri/renderD128,gid=44"], &["-dev0: /dev/dri/renderD128,gid=44", &added]),
        (
            &["dev0: gid=0,path=/dev/dri/renderD128,uid=7,deny-write=1,mode=0600"],
            &[
                "-dev0: gid=0,path=/dev/dri/renderD128,uid=7,deny-write=1,mode=0600",
                "+dev0: gid=104,path=/dev/dri/renderD128,uid=7",
            ],
        ),
        (&[dev, "dev2: /dev/dri/renderD128"], &["-dev2: /dev/dri/renderD128"]),
        // The guide's lines, in both ways that they can be written in.
        (
            &["lxc.cgroup2.devices.allow: c 226:0 rwm", ALLOW, CARD, MOUNT],
            &[
                &added,
                &format!("-{MOUNT}"),
                &format!("-{CARD}"),
                &format!("-{ALLOW}"),
                "-lxc.cgroup2.devices.allow: c 226:0 rwm",
            ],
        ),
        (
            &["lxc.mount.entry = /dev/dri dev/dri none bind,optional,create=dir"],
            &[&added, "-lxc.mount.entry = /dev/dri dev/dri none bind,optional,create=dir"],
        ),
        (&[dev, HOOK], &[&format!("-{HOOK}")]),
        // A card that the host does not have, as the guide's on newer kernels.
        (
            &["lxc.mount.entry: /dev/dri/card7 dev/dri/card7 none bind,optional,create=file"],
            &[
                &added,
                "-lxc.mount.entry: /dev/dri/card7 dev/dri/card7 none bind,optional,create=file",
            ],
        ),
        // Not ours.
        (&[dev, "lxc.mount.entry: /mnt/a mnt/a none bind,create=dir"], &[]),
        (&[dev, "lxc.cgroup2.devices.allow: c 226:129 rwm"], &[]),
    ];
    for (more, expected) in cases {
        let tree = Tree::usual(NEW);
        tree.container(101, &with(more));
        let plan = lxc::plan(&host(&tree), &wish()).unwrap();
        let expected: Vec<_> = expected.iter().copied().chain(nesting).collect();
        assert_eq!(lines(&plan.changes), expected, "{more:?}");
        assert!(main(&plan.after).contains(nested), "{}", plan.after);
        tree.container(101, &plan.after);
        assert_eq!(lines(&lxc::plan(&host(&tree), &wish()).unwrap().changes), [""; 0], "{more:?}");
    }
}

#[test]
fn before_8_1_hand_edited_lines_count_when_they_do_what_ours_would() {
    let all = "lxc.cgroup2.devices.allow: c 226:* rw";
    let directory = "lxc.mount.entry: /dev/dri dev/dri none bind,optional,create=dir";
    let elsewhere = "lxc.mount.entry: /dev/null dev/dri/renderD128 none bind";
    let stale = HOOK.replace("100104", "100999");
    let cases: [(&[&str], &[&str]); 5] = [
        (&[ALLOW, MOUNT, HOOK], &[]),
        (&[all, directory, HOOK], &[]),
        (
            &["lxc.cgroup2.devices.allow: c 226:128 r", MOUNT, HOOK],
            &["+lxc.cgroup2.devices.allow: c 226:128 rwm"],
        ),
        (&[ALLOW, elsewhere, HOOK], &[&format!("-{elsewhere}"), &format!("+{MOUNT}")]),
        (&[ALLOW, MOUNT, &stale], &[&format!("-{stale}"), &format!("+{HOOK}")]),
    ];
    for (more, expected) in cases {
        let tree = Tree::usual(OLD);
        tree.container(101, &with(more).replace("keyctl=1", "nesting=1"));
        let plan = lxc::plan(&host(&tree), &wish()).unwrap();
        assert_eq!(lines(&plan.changes), expected, "{more:?}");
    }
}

#[test]
fn the_group_is_the_containers_own() {
    let tree = Tree::usual(NEW);
    assert_eq!(planned(&tree).gid, 104, "of its disk");
    tree.write("var/lib/lxc/101/rootfs/etc/group", "render:x:105:\n");
    assert_eq!(planned(&tree).gid, 105, "of what is mounted");
    tree.runs(101, 4243, DEBIAN_13);
    let running = planned(&tree);
    assert_eq!((running.gid, running.next), (992, vec!["pct reboot 101".to_owned()]));
    let given = Wish { gid: Some(7), ..wish() };
    assert_eq!(lxc::plan(&host(&tree), &given).unwrap().gid, 7);
    tree.write("proc/4243/root/etc/group", "root:x:0:\nvideo:x:44:\n");
    let video = planned(&tree);
    assert_eq!(video.gid, 44);
    assert!(video.warnings[0].contains("no group render"), "{:?}", video.warnings);
    tree.write("proc/4243/root/etc/group", "root:x:0:\n");
    assert!(matches!(refused(&tree), Refusal::NoRender { id: 101 }));
}

#[test]
fn disks_are_found_where_their_storage_has_them() {
    let storage = "zfspool: tank\n\tpool tank/ct\n\tmountpoint /srv/tank\n\ndir: local\n\tpath \
                   /var/lib/vz\n\nlvmthin: local-lvm\n\tthinpool data\n";
    let cases = [
        ("tank:subvol-101-disk-0,size=8G", Some("srv/tank/subvol-101-disk-0")),
        ("tank:basevol-9-disk-0/subvol-101-disk-1", Some("srv/tank/subvol-101-disk-1")),
        ("volume=local:101/s.subvol,size=0T", Some("var/lib/vz/images/101/s.subvol")),
        ("/srv/own", Some("srv/own")),
        ("local-lvm:vm-101-disk-0,size=8G", None),
        ("local:101/vm-101-disk-0.raw,size=8G", None),
        ("gone:subvol-101-disk-0", None),
    ];
    for (rootfs, place) in cases {
        let tree = Tree::of(NEW);
        tree.gpu("0000:00:02.0", 0x3e9b, 128, 0);
        tree.write("etc/pve/storage.cfg", storage);
        tree.container(101, &format!("rootfs: {rootfs}\nunprivileged: 1\n"));
        match place {
            Some(place) => {
                tree.write(&format!("{place}/etc/group"), DEBIAN_13);
                assert_eq!(planned(&tree).gid, 992, "{rootfs}");
            }
            None => {
                let refusal = refused(&tree);
                assert!(matches!(refusal, Refusal::NoGroups { id: 101 }), "{rootfs}: {refusal}");
                assert!(refusal.hint().unwrap().contains("pct exec 101 -- getent group render"));
            }
        }
    }
}

#[test]
fn no_link_of_a_container_leads_out_of_it() {
    let tree = Tree::usual(NEW);
    let own = tree.path("rpool/data/subvol-101-disk-0/etc/group");
    tree.write("secret", "render:x:666:\n");
    for target in [tree.path("secret"), PathBuf::from("../../../../../secret")] {
        fs::remove_file(&own).unwrap();
        std::os::unix::fs::symlink(&target, &own).unwrap();
        assert!(matches!(refused(&tree), Refusal::NoGroups { .. }), "{}", target.display());
    }
    // One that stays inside is followed.
    fs::remove_file(&own).unwrap();
    std::os::unix::fs::symlink("/etc/own", &own).unwrap();
    tree.write("rpool/data/subvol-101-disk-0/etc/own", DEBIAN_13);
    assert_eq!(planned(&tree).gid, 992);
}

#[test]
fn the_node_is_the_intel_gpus_whatever_its_number() {
    let tree = Tree::of(NEW);
    tree.gpu("0000:00:02.0", 0x3e9b, 129, 1);
    tree.container(101, CONTAINER);
    tree.disk(101, DEBIAN_12);
    let plan = planned(&tree);
    assert_eq!(plan.node, Path::new("/dev/dri/renderD129"));
    assert!(plan.after.contains("dev0: /dev/dri/renderD129,gid=104"), "{}", plan.after);
    tree.gpu("0000:03:00.0", 0x56a0, 128, 0);
    let refusal = refused(&tree);
    let known =
        "/dev/dri/renderD128 (Intel Arc (Alchemist)), /dev/dri/renderD129 (Intel Coffee Lake)";
    assert!(refusal.to_string().contains(known), "{refusal}");
    assert_eq!(refusal.hint().as_deref(), Some("Choose one with --node."));
    let wish = |node: &str| Wish { node: Some(node.into()), ..wish() };
    let chosen = lxc::plan(&host(&tree), &wish("/dev/dri/renderD128")).unwrap();
    assert_eq!(chosen.gpu, "Intel Arc (Alchemist)");
    let unknown = lxc::plan(&host(&tree), &wish("/dev/dri/card0")).unwrap_err();
    assert!(unknown.hint().unwrap().contains(known));
}

#[test]
fn why_there_is_no_node_is_told() {
    let cases = [(None, "no driver"), (Some("vfio-pci"), "given to a virtual machine")];
    for (driver, said) in cases {
        let tree = Tree::of(NEW);
        tree.container(101, CONTAINER);
        assert!(refused(&tree).to_string().contains("no Intel GPU"));
        tree.pci("0000:00:02.0", (0x8086, 0x3e9b), 0x03_0000, Some(0), driver);
        assert!(refused(&tree).to_string().contains(said), "{}", refused(&tree));
    }
}

#[test]
fn what_waits_for_the_next_start_is_not_overtaken() {
    let pending =
        |lines: &str| CONTAINER.replace("[before]", &format!("[pve:pending]\n{lines}\n[before]"));
    let tree = Tree::usual(NEW);
    for line in [
        "features: fuse=1",
        "delete: memory,dev0",
        "delete: !features",
        "dev1: /dev/dri/renderD128",
    ] {
        tree.container(101, &pending(line));
        let refusal = refused(&tree);
        assert!(matches!(refusal, Refusal::Pending { .. }), "{line}: {refusal}");
        assert!(refusal.to_string().contains(line), "{refusal}");
    }
    tree.container(101, &pending("memory: 512\ndev0: /dev/ttyUSB0"));
    assert!(planned(&tree).after.contains("\ndev1: /dev/dri/renderD128,gid=104\n"));
}

#[test]
fn of_a_privileged_container_the_truth_is_told() {
    for (release, words) in [(NEW, 1), (OLD, 2)] {
        let tree = Tree::usual(release);
        tree.container(101, &CONTAINER.replace("unprivileged: 1\n", ""));
        tree.disk(101, DEBIAN_13);
        let plan = planned(&tree);
        let said = plan.warnings.join(" ");
        assert!(said.contains("privileged: its root is the host's"), "{said}");
        assert_eq!(plan.warnings.len(), words, "{said}");
        assert_eq!(said.contains("groupmod -g 104 render"), release == OLD, "{said}");
        assert!(!plan.after.contains("chgrp"), "its groups are the host's");
    }
}

#[test]
fn groups_are_mapped_as_the_container_has_them() {
    let tree = Tree::usual(OLD);
    let own =
        ["lxc.idmap: u 0 100000 65536", "lxc.idmap: g 0 200000 104", "lxc.idmap: g 104 103 1"];
    tree.container(101, &with(&own));
    assert!(planned(&tree).after.contains("chgrp 103 /dev/dri/renderD128"));
    tree.container(101, &with(&own[..2]));
    assert!(matches!(refused(&tree), Refusal::Unmapped { gid: 104, .. }));
    tree.container(101, &with(&["lxc.idmap: g 0 nothing 1"]));
    assert!(matches!(refused(&tree), Refusal::Line { .. }));
}

#[test]
fn nothing_is_written_that_was_not_planned() {
    let tree = Tree::usual(NEW);
    let host = host(&tree);
    let plan = planned(&tree);
    let held = {
        tree.write("run/lock/lxc/pve-config-101.lock", "");
        File::open(tree.path("run/lock/lxc/pve-config-101.lock")).unwrap()
    };
    held.lock().unwrap();
    assert!(matches!(apply(&host, &plan), Err(Refusal::Busy { id: 101 })));
    drop(held);
    let other = format!("{CONTAINER}onboot: 1\n");
    tree.container(101, &other);
    assert!(matches!(apply(&host, &plan), Err(Refusal::Changed(_))));
    assert_eq!(tree.read(FILE), other);
    tree.container(101, &with(&["lock: backup"]));
    assert!(matches!(apply(&host, &planned(&tree)), Err(Refusal::Locked { .. })));
    assert_eq!(tree.files("var/lib/dashboard-cast-proxmox").len(), 0);
    // A directory in the way of the backups: it stops before the configuration is touched.
    tree.container(101, CONTAINER);
    tree.write("var/lib/dashboard-cast-proxmox", "a file");
    let refusal = apply(&host, &plan).unwrap_err();
    assert!(matches!(refusal, Refusal::Write { .. }), "{refusal}");
    assert_eq!(tree.read(FILE), CONTAINER);
    assert_eq!(tree.files("etc/pve/nodes").len(), 1);
}

#[test]
fn only_root_changes_what_runs() {
    for (live, root, may) in
        [(true, true, true), (true, false, false), (false, true, true), (false, false, true)]
    {
        assert_eq!(may_write(live, root).is_ok(), may, "{live} {root}");
    }
    assert!(!host(&Tree::of(NEW)).is_live());
}

#[test]
fn guests_that_are_not_here_are_looked_for() {
    let tree = Tree::usual(NEW);
    tree.machine(200, "memory: 512\n");
    tree.write("etc/pve/nodes/other/lxc/300.conf", "");
    let refusal = |id| lxc::plan(&host(&tree), &Wish { id, ..wish() }).unwrap_err();
    let said = |refusal: &Refusal| format!("{refusal}. {}", refusal.hint().unwrap());
    let cases = [
        (999, "there is no container 999 on this host. There are 101."),
        (200, "200 is no container, but a virtual machine. Perhaps: dashboard-cast proxmox vm 200"),
        (300, "container 300 is on another node, other. Run it on other, whose GPU it would be."),
    ];
    for (id, expected) in cases {
        assert_eq!(said(&refusal(id)), expected);
    }
    assert!(matches!(vm::plan(&host(&tree), 101, None), Err(Refusal::OtherGuest { .. })));
    fs::write(tree.path("etc/pve/nodes/pve/lxc/102.conf"), b"\xff\n").unwrap();
    assert!(matches!(refusal(102), Refusal::NotText(_)));
    fs::create_dir(tree.path("etc/pve/nodes/pve/lxc/103.conf")).unwrap();
    assert!(matches!(refusal(103), Refusal::Read { .. }));
}

#[test]
fn what_is_no_proxmox_host_is_told_apart_from_one_that_does_not_run() {
    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(Host::at(nothing.path()), Err(Refusal::NoProxmox)));
    let tree = Tree::of(NEW);
    let removed = "Package: pve-manager\nStatus: deinstall ok config-files\nVersion: 8.2.7\n";
    let status = tree.read("var/lib/dpkg/status");
    tree.write("var/lib/dpkg/status", removed);
    assert!(matches!(Host::at(tree.root()), Err(Refusal::NoProxmox)));
    tree.write("var/lib/dpkg/status", &status);
    assert_eq!(host(&tree).release(), "8.2.7");
    fs::remove_dir_all(tree.path("etc/pve")).unwrap();
    assert!(matches!(Host::at(tree.root()), Err(Refusal::NoClusterFiles)));
}

#[test]
fn versions_are_ordered_as_they_came() {
    let versions =
        ["4.4-6", "5.0-1", "5.0.4", "5.0.7", "5.0.10", "5.1.0", "6.0.9~1", "6.8.12-4-pve"];
    let read = versions.map(Version::read);
    assert!(read.is_sorted() && read[2] < FIRST_WITH_DEV && read[3] == FIRST_WITH_DEV, "{read:?}");
}

#[test]
fn features_are_added_to() {
    for (before, after) in [
        (None, "nesting=1"),
        (Some("nesting=1"), "nesting=1"),
        (Some("keyctl=1,nesting=0,mount=nfs;cifs"), "keyctl=1,nesting=1,mount=nfs;cifs"),
        (Some("nesting=on"), "nesting=on"),
        (Some("fuse=1"), "fuse=1,nesting=1"),
    ] {
        assert_eq!(with_nesting(before), after);
    }
}

#[test]
fn lines_are_set_in_their_place() {
    let cases = [
        ("", "a: 2\n"),
        ("b: 1", "b: 1\na: 2\n"),
        ("a: 1\r\nb: 1\r\n", "a: 2\nb: 1\r\n"),
        ("a: 1\nb: 1\na: 1\n", "b: 1\na: 2\n"),
        ("#a: 1\n\n\n[s]\na: 1\n", "#a: 1\na: 2\n\n\n[s]\na: 1\n"),
        ("[s]\na: 1", "a: 2\n[s]\na: 1"),
        ("a: 1\na: 2\n", "a: 1\na: 2\n"),
    ];
    for (before, after) in cases {
        let mut conf = Conf::parse(before);
        conf.set("a", "2");
        assert_eq!(conf.text(), after, "{before:?}");
        let again = conf.clone();
        conf.set("a", "2");
        assert_eq!(conf, again);
    }
}

#[test]
fn the_grammar_of_the_tests_refuses_what_proxmox_does() {
    for line in [
        "dev0: gid=104",
        "dev0: renderD128",
        "dev0: /dev/../etc/passwd",
        "dev0: /dev/dri/renderD128,gid=render",
        "dev0: /dev/dri/renderD128,mode=660",
        "dev0: /dev/dri/renderD128,gid=1,gid=2",
        "dev0: /dev/dri/renderD128,path=/dev/null",
        "dev256: /dev/dri/renderD128",
        "dev0 /dev/dri/renderD128",
        "lxc.cgroup2.devices.allow: 226:128 rwm",
        "lxc.cgroup2.devices.allow: c 226:128 rwx",
        "lxc.mount.entry: /dev/dri/renderD128 /dev/dri/renderD128 none bind",
        "lxc.mount.entry: /dev/dri/renderD128 dev/dri/renderD128",
        "features: nesting=yes",
        "features: nesting",
        "lxc.unheard.of: 1",
    ] {
        assert!(!is_accepted(line), "{line}");
    }
}

proptest! {
    #[test]
    fn what_is_not_meant_stays_as_it_is(
        lines in prop::collection::vec("(#?[a-z\\[][a-z0-9.\\]]{0,6}(: | = |:)?[ -~]{0,8}|[ \\t]*)\r?\n?", 0..12)
    ) {
        let text = lines.concat();
        let mut conf = Conf::parse(&text);
        prop_assert_eq!(conf.text(), text.clone());
        conf.set("lxc.mount.entry", "1");
        conf.remove(|setting| setting.key == "lxc.mount.entry");
        // A last line without an end gets one.
        let after = conf.text();
        prop_assert!(after.strip_suffix('\n') == Some(&*text) || after == text);
    }

    #[test]
    fn devices_are_mended_once(
        value in "(path=)?/dev/[a-z0-9/]{1,9}(,(gid|uid|mode|deny-write)=[0-9]{1,4}){0,4}"
    ) {
        let once = Device::parse(&value).mended(104);
        prop_assert_eq!(Device::parse(&once.text()).mended(104), once);
    }
}

#[test]
fn a_virtual_machine_gets_the_next_slot_and_is_told_who_goes_along() {
    let tree = Tree::of(NEW);
    tree.gpu("0000:00:02.0", 0x3e9b, 128, 0);
    let plan = |text: &str| {
        tree.machine(200, text);
        vm::plan(&host(&tree), 200, None).unwrap()
    };
    for (text, line, is_there) in [
        ("machine: pc-q35-8.1\n", "hostpci0: 0000:00:02.0,pcie=1", false),
        ("memory: 512\n", "hostpci0: 0000:00:02.0", false),
        ("hostpci0: 0000:01:00\nmachine: q35\n", "hostpci1: 0000:00:02.0,pcie=1", false),
        (
            "machine: q35\n\n[pve:pending]\nhostpci0: 01:00\n",
            "hostpci1: 0000:00:02.0,pcie=1",
            false,
        ),
        ("machine: q35\n\n[old]\nhostpci0: 01:00\n", "hostpci0: 0000:00:02.0,pcie=1", false),
        ("hostpci2: 00:02.0,rombar=0\n", "hostpci2: 00:02.0,rombar=0", true),
        ("hostpci0: host=0000:00:02,x-vga=1\n", "hostpci0: host=0000:00:02,x-vga=1", true),
        ("hostpci0: 0000:01:00;0000:00:02.0\n", "hostpci0: 0000:01:00;0000:00:02.0", true),
    ] {
        let plan = plan(text);
        assert_eq!((&*plan.line, plan.is_there), (line, is_there), "{text}");
        assert_eq!(plan.next.is_empty(), is_there);
        assert!(!plan.warnings.join(" ").contains("other devices"), "{:?}", plan.warnings);
    }
    assert_eq!(plan("").next[1], "qm start 200");
    tree.write("run/qemu-server/200.pid", "4243\n");
    assert_eq!(plan("").next[1], "qm reboot 200");
    // A bridge stays with the host, a network card does not.
    tree.pci("0000:00:01.0", (0x8086, 0x1901), 0x06_0400, Some(0), Some("pcieport"));
    assert!(!plan("").warnings.join(" ").contains("other devices"));
    tree.pci("0000:00:1f.6", (0x8086, 0x15bb), 0x02_0000, Some(0), Some("e1000e"));
    let said = plan("").warnings.join(" ");
    assert!(said.contains("Group 0 has other devices"), "{said}");
    assert!(said.contains("0000:00:1f.6 network card [8086:15bb]"), "{said}");
}

#[test]
fn a_card_goes_with_its_other_functions_and_of_several_one_is_named() {
    let tree = Tree::of(NEW);
    tree.machine(200, "machine: q35\n");
    tree.pci("0000:03:00.0", (0x8086, 0x56a0), 0x03_0000, Some(9), Some("vfio-pci"));
    tree.pci("0000:03:00.1", (0x8086, 0x4f90), 0x04_0300, Some(9), Some("snd_hda_intel"));
    let plan = vm::plan(&host(&tree), 200, None).unwrap();
    assert_eq!(plan.line, "hostpci0: 0000:03:00,pcie=1");
    assert_eq!(plan.warnings, [""; 0]);
    tree.pci("0000:00:02.0", (0x8086, 0x3e9b), 0x03_0000, None, Some("i915"));
    assert!(matches!(vm::plan(&host(&tree), 200, None), Err(Refusal::Several { .. })));
    let without = vm::plan(&host(&tree), 200, Some("00:02.0")).unwrap();
    assert!(without.warnings.join(" ").contains("dashboard-cast proxmox host"));
    let unknown = vm::plan(&host(&tree), 200, Some("0000:03:00.1")).unwrap_err();
    assert!(unknown.hint().unwrap().contains("0000:03:00.0 (Intel Arc (Alchemist))"));
}

const LOADER: &str = "sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

fn utf_16(text: &str) -> String {
    let letters: String = text.chars().flat_map(|letter| [letter, '\0']).collect();
    format!("\u{6}\0\0\0{letters}")
}

/// An Intel host without an IOMMU, of a kernel that has none by itself.
fn without_iommu() -> Tree {
    let tree = Tree::of(OLD);
    tree.write("proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
    tree.write("proc/sys/kernel/osrelease", "5.15.158-2-pve\n");
    tree.write("proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz root=/dev/mapper/pve-root ro quiet\n");
    tree.write("sys/firmware/acpi/tables/DMAR", "");
    tree.write("etc/default/grub", "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
    tree
}

#[test]
fn parameters_go_where_the_kernel_is_started_from() {
    let tree = without_iommu();
    let report = boot::report(&host(&tree)).unwrap();
    let line = "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet intel_iommu=on iommu=pt\"";
    assert_eq!(report.line.as_deref(), Some(line));
    assert_eq!((report.file.to_str(), report.groups), (Some("/etc/default/grub"), 0));
    assert_eq!(report.next, ["update-grub", "reboot"]);
    tree.write("etc/kernel/proxmox-boot-uuids", "ABCD-1234\n");
    let by_tool = boot::report(&host(&tree)).unwrap();
    assert_eq!(
        (by_tool.loader, &*by_tool.next[0]),
        (boot::Loader::Grub, "proxmox-boot-tool refresh")
    );
    tree.write("etc/kernel/cmdline", "root=ZFS=rpool/ROOT/pve-1 boot=zfs intel_iommu=off\n");
    let loader = || boot::report(&host(&tree)).unwrap().loader;
    assert_eq!(loader(), boot::Loader::Grub, "no UEFI, or an older GRUB, which tells nothing");
    tree.write(LOADER, &utf_16("GRUB 2.12"));
    assert_eq!(loader(), boot::Loader::Grub);
    tree.write(LOADER, &utf_16("systemd-boot 252"));
    let report = boot::report(&host(&tree)).unwrap();
    assert_eq!(report.loader, boot::Loader::SystemdBoot);
    let line = "root=ZFS=rpool/ROOT/pve-1 boot=zfs intel_iommu=on iommu=pt";
    assert_eq!(report.line.as_deref(), Some(line));
    assert_eq!(report.next, ["proxmox-boot-tool refresh", "reboot"]);
}

#[test]
fn what_is_there_is_not_asked_for_again() {
    let tree = without_iommu();
    tree.write("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT='quiet intel_iommu=on iommu=pt'\n");
    let waiting = boot::report(&host(&tree)).unwrap();
    assert_eq!((waiting.line, &*waiting.next), (None, &["reboot".to_owned()][..]));
    tree.write("proc/cmdline", "quiet intel_iommu=on iommu=pt\n");
    fs::remove_file(tree.path("sys/firmware/acpi/tables/DMAR")).unwrap();
    let firmware = boot::report(&host(&tree)).unwrap();
    assert_eq!(firmware.next, [""; 0]);
    assert!(firmware.warnings[0].contains("VT-d"), "{:?}", firmware.warnings);
    tree.write("sys/kernel/iommu_groups/0/type", "DMA\n");
    let on = boot::report(&host(&tree)).unwrap();
    assert_eq!((on.groups, on.line, on.warnings), (1, None, Vec::new()));
    // A newer kernel needs no word for it, and AMD's never did.
    let tree = without_iommu();
    tree.write("proc/sys/kernel/osrelease", "6.8.12-4-pve\n");
    let line = boot::report(&host(&tree)).unwrap().line.unwrap();
    assert_eq!(line, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet iommu=pt\"");
}
