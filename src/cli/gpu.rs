//! `dashboard-cast gpu-groups` and `gpu-access`: who may open the GPUs.

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::{
    exit::Failure,
    screen::{Screen, Style, print, print_json, say},
    table::{Cell, Column, Row, Table},
};
use crate::{
    access::{self, Access, GROUPS, Groups, Node},
    error::sentence,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Prints each render node with its owner, and by what an encoder may open it.
pub(super) fn groups(arguments: &Arguments) -> Result<(), Failure> {
    let groups = Groups::read();
    let nodes = access::nodes(&groups);
    if arguments.json {
        let ids = GROUPS.map(|name| (name, groups.id(name)));
        let ids: serde_json::Map<_, _> =
            ids.into_iter().map(|(name, id)| (name.to_owned(), json!(id))).collect();
        return print_json(&json!({ "groups": ids, "nodes": nodes }));
    }
    if nodes.is_empty() {
        say(NO_GPU);
        return Ok(());
    }
    print(&table(&nodes).text(Screen::of(&std::io::stdout())))?;
    let ids = GROUPS.map(|name| match groups.id(name) {
        Some(id) => format!("{name} is {id}"),
        None => format!("there is no {name}"),
    });
    print(&format!("\nAn encoder is in the groups of these names; here, {}.\n", ids.join(", ")))
}

const NO_GPU: &str = "There is no render node (/dev/dri/renderD*). A machine of its own has one when the \
     kernel's driver is loaded (i915, xe); a virtual machine gets one by PCI passthrough (on a \
     Proxmox host: dashboard-cast proxmox vm VMID), a container is given the host's (dashboard-cast proxmox \
     lxc CTID).";

const COLUMNS: [Column; 4] = [
    Column::whole("NODE"),
    Column::whole("OWNER"),
    Column::whole("MODE"),
    Column::shrinking("ENCODERS MAY OPEN IT"),
];

fn table(nodes: &[Node]) -> Table<4> {
    let row = |node: &Node| {
        let owner = match &node.group {
            Some(group) => format!("{}:{} ({group})", node.uid, node.gid),
            None => format!("{}:{} (no name)", node.uid, node.gid),
        };
        let access = match &node.access {
            Access::Group(name) => Cell::new(format!("yes, group {name}"), Style::Good),
            Access::List(name) => Cell::new(format!("yes, by its list: group {name}"), Style::Good),
            Access::AtStart => Cell::new("yes, its list is mended then", Style::Good),
            Access::Nothing(why) => Cell::new(format!("no: {why}"), Style::Bad),
        };
        let notes = node.remedy.iter().map(|remedy| Cell::new(remedy.clone(), Style::Plain));
        Row {
            cells: [
                node.path.display().to_string().into(),
                owner.into(),
                node.mode.clone().into(),
                access,
            ],
            notes: notes.collect(),
        }
    };
    Table { columns: COLUMNS, rows: nodes.iter().map(row).collect() }
}

/// Before an encoder starts, as root without capabilities. What cannot be done is said, and the encoder
/// then finds out by itself what it can.
pub(super) fn grant() {
    for (node, outcome) in access::grant() {
        let node: &Path = &node;
        match outcome {
            Ok(()) => tracing::info!(node = %node.display(), "encoders may open it from now on"),
            Err(error) => tracing::warn!(
                node = %node.display(),
                error = sentence(&error),
                "encoders may not open it"
            ),
        }
    }
}
