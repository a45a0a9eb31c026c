//! What a host is to do for a container of its own.

use super::{
    finding::{Finding, Place},
    machine::{Machine, node_path},
};

/// With what gives a container a node. By hand, a device of the container's that is there must stay, and
/// Proxmox before 8.1 knows none.
pub(super) fn give(machine: &Machine, finding: Finding, words: &str, node: &str) -> Finding {
    let gid = machine.render_group();
    let words = format!(
        "{words} (on a host without dashboard-cast, from Proxmox 8.1 on: pct set CTID --devN \
         {node},gid={gid}, N being the first number that pct config CTID does not use); CTID is the \
         container's number"
    );
    finding.run(Place::Host, words, &[&giving(machine, node), "pct reboot CTID"])
}

/// The command for the host that gives a container this node, and lets it nest. It finds the node by
/// itself where there is one GPU of Intel's.
fn giving(machine: &Machine, node: &str) -> String {
    let driven = || machine.cards.iter().filter(|card| !card.nodes.is_empty());
    let mut intel = driven().filter(|card| card.is_intel()).flat_map(|card| &card.nodes);
    let is_only = match (intel.next(), intel.next()) {
        (Some(number), None) => node_path(*number) == node,
        (Some(_), Some(_)) => false,
        // No bus can be seen; else there is another maker's.
        (None, _) => driven().next().is_none(),
    };
    let named = if is_only { String::new() } else { format!(" --node {node}") };
    format!("dashboard-cast proxmox lxc CTID{named} --apply")
}

/// With what lets a container nest. By hand, its other features must be said again; and what says them by
/// itself wants a GPU.
pub(super) fn nest(machine: &Machine, finding: Finding, words: &str) -> Finding {
    let set = "pct set CTID --features FEATURES,nesting=1";
    let keep = "FEATURES being those that pct config CTID shows, to keep them";
    match machine.intel().and_then(|card| card.nodes.first()) {
        Some(number) => {
            let words = format!(
                "{words}; this gives it the GPU's node, too (on a host without dashboard-cast: {set}, {keep}); \
                 CTID is the container's number"
            );
            let give = giving(machine, &node_path(*number));
            finding.run(Place::Host, words, &[&give, "pct reboot CTID"])
        }
        None => {
            let words = format!("{words}, {keep}; CTID is the container's number");
            finding.run(Place::Host, words, &["pct config CTID", set, "pct reboot CTID"])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::testing::Tree;

    #[test]
    fn of_several_nodes_the_one_that_is_meant_is_named_to_the_host() {
        let intel = || Tree::new().gpu("0000:00:02.0", 0xa780, Some(("i915", 128)));
        let amd = || Tree::new().display("0000:01:00.0", 0x1002, 0x164e, Some(("amdgpu", 128)));
        let node = "/dev/dri/renderD128";
        let given = |tree: Tree| giving(&tree.machine(), node).contains("--node");
        assert!(!given(intel()) && !given(Tree::new()));
        assert!(given(intel().gpu("0000:03:00.0", 0x56a0, Some(("xe", 129)))));
        assert!(given(amd()));
        assert!(given(amd().gpu("0000:03:00.0", 0x56a0, Some(("xe", 129)))));
    }
}
