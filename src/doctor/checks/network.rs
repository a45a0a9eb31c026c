use std::net::IpAddr;

use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "network",
    question: "Is this machine in a network that a TV could be in?",
    subject: Subject::Tv,
    needs: &["environment"],
    manual: "dashboard-cast.toml(5), [devices]",
    look,
};

/// Interfaces that lead to containers, virtual machines and tunnels, and to no TV.
const INNER: [&str; 12] = [
    "docker",
    "virbr",
    "veth",
    "lxc",
    "lxd",
    "podman",
    "cni",
    "vboxnet",
    "vmnet",
    "tailscale",
    "wg",
    "tun",
];

fn look(machine: &Machine) -> Finding {
    let addresses: Vec<&(String, IpAddr)> =
        machine.told.addresses.iter().filter(|(_, address)| !address.is_loopback()).collect();
    if addresses.is_empty() {
        return help(machine, Finding::fail("this machine is in no network"));
    }
    let outer: Vec<&&(String, IpAddr)> =
        addresses.iter().filter(|(name, address)| !is_inner(name) && is_given(*address)).collect();
    let shown = addresses.iter().map(|(name, address)| format!("{name}: {address}"));
    if outer.is_empty() {
        let found = Finding::fail("this machine has no address in a network that TVs could be in");
        return help(machine, shown.fold(found, Finding::seen));
    }
    let mut names: Vec<&str> = outer.iter().map(|(name, _)| &**name).collect();
    names.dedup();
    let found = match names.as_slice() {
        [name] => Finding::pass(format!("it is, over {name}")),
        names => Finding::pass(format!("it is, over {}", names.join(", ")))
            .seen("each TV is told the address of the interface that leads to it"),
    };
    shown.fold(found, Finding::seen)
}

/// Setting it replaces all of it.
const KEEP: &str = "in its net0, change what is wrong (bridge, ip, tag) and say the rest again, the address \
                    of the card too";

fn help(machine: &Machine, found: Finding) -> Finding {
    if machine.place.is_container() {
        return found.run(
            Place::Host,
            format!("connect the container to the bridge of the TVs' network: {KEEP}"),
            &["pct config CTID"],
        );
    }
    if machine.place.is_vm() {
        return found.run(
            Place::Host,
            format!("connect the virtual machine to the bridge of the TVs' network: {KEEP}"),
            &["qm config VMID"],
        );
    }
    found.run(Place::Here, "connect it, and see whether it gets an address", &["ip -brief address"])
}

fn is_inner(name: &str) -> bool {
    let is_of_docker = |id: &str| id.bytes().all(|b| b.is_ascii_hexdigit());
    INNER.iter().any(|begin| name.starts_with(begin))
        || name.strip_prefix("br-").is_some_and(is_of_docker)
}

/// Link-local ones are what a machine gives itself when nobody gives it one.
const fn is_given(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_link_local(),
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    fn with(addresses: &[(&str, &str)]) -> Finding {
        let all =
            addresses.iter().map(|(name, at)| ((*name).into(), at.parse().unwrap())).collect();
        look(&Tree::new().told(|told| told.addresses = all).machine())
    }

    #[test]
    fn only_an_address_of_a_real_network_will_do() {
        let lan = ("eth0", "192.168.1.5");
        for (addresses, verdict) in [
            (&[lan][..], Verdict::Pass),
            (&[("eth0", "fd00::5")], Verdict::Pass),
            (&[("br-lan", "10.0.0.2")], Verdict::Pass),
            (&[("vmbr0", "10.0.0.2"), ("docker0", "172.17.0.1")], Verdict::Pass),
            (&[], Verdict::Fail),
            (&[("lo", "127.0.0.1"), ("lo", "::1")], Verdict::Fail),
            (&[("docker0", "172.17.0.1"), ("br-1f2e", "172.18.0.1")], Verdict::Fail),
            (&[("eth0", "169.254.3.4"), ("eth0", "fe80::1")], Verdict::Fail),
        ] {
            let found = with(addresses);
            assert_eq!(found.verdict, verdict, "{addresses:?}");
            assert_eq!(found.fixes.is_empty(), verdict == Verdict::Pass);
        }
    }

    #[test]
    fn of_several_it_is_said_which_one_counts() {
        let found = with(&[("eth0", "192.168.1.5"), ("eth0", "fd00::5"), ("eth1", "10.0.0.5")]);
        assert_eq!(found.says, "it is, over eth0, eth1");
        assert!(found.evidence[0].contains("the interface that leads to it"), "{found:?}");
    }

    #[test]
    fn a_container_is_connected_by_its_host() {
        let found = look(&Tree::new().file("run/systemd/container", "lxc").machine());
        assert_eq!(found.fixes[0].commands, ["pct config CTID"], "nothing that would be lost");
        let vm = Tree::new().file("sys/class/dmi/id/sys_vendor", "QEMU\n");
        assert_eq!(look(&vm.machine()).fixes[0].commands, ["qm config VMID"]);
    }
}
