//! `dashboard-cast proxmox` on the files of hosts of several releases.

use std::{fs, process::Command};

use serde_json::json;

use crate::{
    PROGRAM,
    bus::Ran,
    proxmox_tree::{CONTAINER, DEBIAN_13, NEW, OLD, RELEASES, Tree, is_accepted},
};

const FILE: &str = "etc/pve/lxc/101.conf";

fn run(tree: &Tree, arguments: &[&str]) -> Ran {
    let mut command = Command::new(PROGRAM);
    Ran::of(command.arg("proxmox").args(arguments).arg("--root").arg(tree.root()))
}

#[test]
fn on_each_release_it_shows_then_writes_then_has_nothing_to_do() {
    for release in RELEASES {
        let tree = Tree::usual(release);
        let shown = run(&tree, &["lxc", "101"]).succeeded();
        assert!(shown.words.contains("dashboard-cast proxmox lxc 101 --apply"), "{shown:?}");
        assert_eq!(tree.read(FILE), CONTAINER, "it only shows");
        let written = run(&tree, &["lxc", "101", "--apply"]).succeeded();
        assert_eq!(written.out, shown.out);
        assert!(
            written.words.contains("/var/lib/dashboard-cast-proxmox/lxc-101.conf."),
            "{written:?}"
        );
        assert!(written.words.contains("pct start 101"), "{written:?}");
        let after = tree.read(FILE);
        let added: Vec<_> =
            written.out.lines().filter_map(|line| line.strip_prefix("+ ")).collect();
        assert!(!added.is_empty());
        for line in added {
            assert!(is_accepted(line) && after.contains(&format!("{line}\n")), "{line}");
        }
        let files = tree.files("");
        let again = run(&tree, &["lxc", "101", "--apply"]).succeeded();
        assert!(again.words.contains("nothing is to be changed"), "{again:?}");
        assert_eq!((again.out.as_str(), tree.read(FILE), tree.files("")), ("", after, files));
    }
}

#[test]
fn what_is_printed_is_what_changes() {
    let tree = Tree::usual(NEW);
    tree.runs(101, 4243, DEBIAN_13);
    let shown = run(&tree, &["lxc", "101"]).succeeded();
    let expected = "\
+ dev0: /dev/dri/renderD128,gid=992
- features: keyctl=1
+ features: keyctl=1,nesting=1
";
    assert_eq!(shown.out, expected);
    assert!(shown.words.starts_with("Intel Coffee Lake, /dev/dri/renderD128"), "{shown:?}");
    assert!(run(&tree, &["lxc", "101", "--apply"]).words.contains("pct reboot 101"));
}

#[test]
fn json_has_all_of_it() {
    let tree = Tree::usual(NEW);
    let planned = run(&tree, &["lxc", "101", "--json"]).succeeded().json();
    let expected = json!({
        "container": 101, "file": "/etc/pve/lxc/101.conf", "release": "8.2.7",
        "node": "/dev/dri/renderD128", "gpu": "Intel Coffee Lake", "form": "dev", "gid": 104,
        "changes": [
            {"add": "dev0: /dev/dri/renderD128,gid=104"},
            {"remove": "features: keyctl=1"},
            {"add": "features: keyctl=1,nesting=1"},
        ],
        "warnings": [], "next": ["pct start 101"], "written": false, "backup": null,
    });
    assert_eq!(planned, expected);
    let written = run(&tree, &["lxc", "101", "--apply", "--json"]).succeeded().json();
    let backup = written["backup"].as_str().expect("a path").trim_start_matches('/').to_owned();
    assert_eq!((&written["written"], tree.read(&backup).as_str()), (&json!(true), CONTAINER));
    tree.machine(200, "machine: q35\n");
    let machine = run(&tree, &["vm", "200", "--json"]).succeeded().json();
    assert_eq!(machine["line"], "hostpci0: 0000:00:02.0,pcie=1");
    assert_eq!(machine["group"][0]["address"], "0000:00:02.0");
    assert_eq!(machine["gpu"]["driver"], "i915");
    let host = run(&tree, &["host", "--json"]).succeeded().json();
    assert_eq!((&host["groups"], &host["line"]), (&json!(1), &json!(null)));
}

#[test]
fn refusals_say_what_to_do_and_leave_everything_as_it_is() {
    let tree = Tree::usual(NEW);
    let files = tree.files("");
    run(&tree, &["lxc", "999", "--apply"]).failed(1, &["no container 999", "There are 101."]);
    run(&tree, &["lxc", "101", "--node", "/dev/dri/renderD9"])
        .failed(1, &["not a GPU of this host", "/dev/dri/renderD128 (Intel Coffee Lake)"]);
    for word in ["abc", "99", "-1"] {
        run(&tree, &["lxc", word]).failed(2, &["--help"]);
    }
    fs::remove_file(tree.path("etc/pve/storage.cfg")).expect("removing a file");
    run(&tree, &["lxc", "101", "--apply"]).failed(1, &["cannot be read", "--gid"]);
    assert_eq!(tree.read(FILE), CONTAINER);
    let given = run(&tree, &["lxc", "101", "--gid", "104"]).succeeded();
    assert!(given.words.contains("lxc 101 --gid 104 --apply"), "{given:?}");
    let without: Vec<_> = files.into_iter().filter(|file| file != "etc/pve/storage.cfg").collect();
    assert_eq!(tree.files("").into_iter().collect::<Vec<_>>(), without);
    let elsewhere = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(PROGRAM);
    let ran = Ran::of(command.args(["proxmox", "host", "--root"]).arg(elsewhere.path()));
    ran.failed(1, &["this is no Proxmox host", "Run it on the host"]);
}

#[test]
fn a_machine_and_the_host_are_told_what_to_do_and_nothing_is_done() {
    let tree = Tree::of(OLD);
    tree.pci("0000:00:02.0", (0x8086, 0x3e9b), 0x03_0000, None, Some("i915"));
    tree.machine(200, "machine: q35\n");
    tree.write("proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
    tree.write("proc/sys/kernel/osrelease", "5.15.158-2-pve\n");
    tree.write("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n");
    let files = tree.files("");
    let host = run(&tree, &["host"]).succeeded();
    assert_eq!(host.out, "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet intel_iommu=on iommu=pt\"\n");
    for said in
        ["/etc/default/grub", "VT-d", "  update-grub\n  reboot\n", "Containers need no IOMMU"]
    {
        assert!(host.words.contains(said), "{said}\n{host:?}");
    }
    let machine = run(&tree, &["vm", "200"]).succeeded();
    assert_eq!(machine.out, "hostpci0: 0000:00:02.0,pcie=1\n");
    let set = "qm set 200 --hostpci0 0000:00:02.0,pcie=1";
    assert!(
        machine.words.contains(set) && machine.words.contains("no IOMMU groups"),
        "{machine:?}"
    );
    assert_eq!(tree.files(""), files);
    let tree = Tree::usual(NEW);
    tree.machine(200, "machine: q35\n");
    tree.pci("0000:00:1f.6", (0x8086, 0x15bb), 0x02_0000, Some(0), Some("e1000e"));
    let machine = run(&tree, &["vm", "200"]).succeeded();
    let expected = "\
ADDRESS       ID         DRIVER  DEVICE
0000:00:02.0  8086:3e9b  i915    Intel Coffee Lake
0000:00:1f.6  8086:15bb  e1000e  network card

hostpci0: 0000:00:02.0,pcie=1
";
    assert_eq!(machine.out, expected);
    assert!(machine.words.contains("Group 0 has other devices"), "{machine:?}");
}
