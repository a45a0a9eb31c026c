//! `dashboard-cast proxmox`: a Proxmox host gives its GPU to a guest.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint, value_parser};
use serde_json::json;

use super::{
    exit::Failure,
    screen::{Screen, Style, plain, print, print_json, say},
    table::{Cell, Column, Row, Table},
};
use crate::proxmox::{
    Change, Host, Pci, apply, boot,
    lxc::{self, Form, Wish},
    vm,
};

#[derive(Debug, Args)]
#[command(after_long_help = TRUTH)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Prints JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Reads and writes below this directory instead of /.
    #[arg(long, global = true, hide = true, default_value = "/", value_hint = ValueHint::DirPath)]
    root: PathBuf,
}

const TRUTH: &str = "A container needs the GPU's render node, and nothing else: it may be unprivileged, and \
     the host needs no IOMMU for it. Only a virtual machine needs the IOMMU, and while it runs it has the \
     GPU alone.";

#[derive(Debug, Subcommand)]
enum What {
    /// Gives the GPU's render node to a container.
    ///
    /// Prints which lines of its configuration change; with --apply, writes them, once, and keeps what
    /// was there before in /var/lib/dashboard-cast-proxmox. The container may be unprivileged, and the
    /// host needs no IOMMU.
    Lxc {
        /// The container's number.
        #[arg(value_name = "CTID", value_parser = value_parser!(u32).range(100..=999_999_999))]
        id: u32,
        /// Writes it.
        #[arg(long)]
        apply: bool,
        /// The render node, when there are several GPUs, such as /dev/dri/renderD129.
        #[arg(long, value_hint = ValueHint::FilePath)]
        node: Option<PathBuf>,
        /// The number of the group render in the container, when it cannot be read there.
        #[arg(long)]
        gid: Option<u32>,
    },
    /// Says how to give the whole GPU to a virtual machine.
    ///
    /// Prints what is in the GPU's IOMMU group, and the line of the configuration. It writes nothing.
    Vm {
        /// The virtual machine's number.
        #[arg(value_name = "VMID", value_parser = value_parser!(u32).range(100..=999_999_999))]
        id: u32,
        /// The GPU's address, when there are several, such as 0000:03:00.0.
        #[arg(long, value_name = "ADDRESS")]
        pci: Option<String>,
    },
    /// Says with which parameters the host must be started so that virtual machines can have its GPU.
    ///
    /// Containers need none. It writes and restarts nothing.
    Host,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (host, json) = (Host::at(&arguments.root)?, arguments.json);
    match &arguments.what {
        What::Lxc { id, apply, node, gid } => {
            let wish = Wish { id: *id, node: node.clone(), gid: *gid };
            container(&host, &wish, *apply, json)
        }
        What::Vm { id, pci } => machine(&vm::plan(&host, *id, pci.as_deref())?, json),
        What::Host => start(&boot::report(&host)?, json),
    }
}

fn container(host: &Host, wish: &Wish, write: bool, json: bool) -> Result<(), Failure> {
    let plan = lxc::plan(host, wish)?;
    let backup = if write { apply(host, &plan)? } else { None };
    if json {
        let mut value = serde_json::to_value(&plan).map_err(std::io::Error::from)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("release".to_owned(), json!(host.release()));
            object.insert("written".to_owned(), json!(backup.is_some()));
            object.insert("backup".to_owned(), json!(backup));
        }
        return print_json(&value);
    }
    let (id, file) = (plan.id, plan.file.display());
    say(&format!(
        "{}, {} of Proxmox VE {}, for group {} of container {id}:",
        plan.gpu,
        plan.node.display(),
        host.release(),
        plan.gid
    ));
    print(&changes(&plan.changes, Screen::of(&std::io::stdout())))?;
    warn(&plan.warnings);
    match (plan.changes.is_empty(), &backup) {
        (true, _) => say(&format!("{file} is as it should be; nothing is to be changed.")),
        (false, None) => say(&format!(
            "Nothing is written. Write it with: dashboard-cast proxmox lxc {id}{} --apply",
            options(wish)
        )),
        (false, Some(backup)) => {
            say(&format!("{file} is written; what it was is in {}.", backup.display()));
            then(&plan.next);
        }
    }
    if plan.form == Form::Classic && write {
        say("After an upgrade to Proxmox VE 8.1 or later, run this again: it then uses dev0.");
    }
    Ok(())
}

/// What must be said again to have the same plan.
fn options(wish: &Wish) -> String {
    let node = wish.node.as_deref().map(|node| format!(" --node {}", node.display()));
    let gid = wish.gid.map(|gid| format!(" --gid {gid}"));
    node.into_iter().chain(gid).collect()
}

/// As differences are written.
fn changes(changes: &[Change], screen: Screen) -> String {
    let line = |change: &Change| match change {
        Change::Remove(line) => Style::Bad.paint(&format!("- {}", plain(line)), screen) + "\n",
        Change::Add(line) => Style::Good.paint(&format!("+ {}", plain(line)), screen) + "\n",
    };
    changes.iter().map(line).collect()
}

const COLUMNS: [Column; 4] = [
    Column::whole("ADDRESS"),
    Column::whole("ID"),
    Column::whole("DRIVER"),
    Column::shrinking("DEVICE"),
];

fn machine(plan: &vm::Plan, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(plan);
    }
    if let Some(group) = plan.gpu.group {
        say(&format!("What goes with the GPU, in IOMMU group {group}:"));
        let row = |device: &Pci| Row {
            cells: [
                Cell::from(device.address.clone()),
                format!("{:04x}:{:04x}", device.vendor, device.device).into(),
                device.driver.clone().into(),
                device.name.clone().into(),
            ],
            notes: Vec::new(),
        };
        let table = Table { columns: COLUMNS, rows: plan.group.iter().map(row).collect() };
        print(&format!("{}\n", table.text(Screen::of(&std::io::stdout()))))?;
    }
    print(&format!("{}\n", plan.line))?;
    warn(&plan.warnings);
    if plan.is_there {
        say(&format!("Virtual machine {} has it; nothing is to be changed.", plan.id));
    }
    then(&plan.next);
    Ok(())
}

fn start(report: &boot::Report, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(report);
    }
    if report.groups > 0 {
        say(&format!("The IOMMU is on, with {} groups; nothing is to be changed.", report.groups));
    }
    if let Some(line) = &report.line {
        say(&format!(
            "In {}, the line with the kernel's parameters is to be:",
            report.file.display()
        ));
        print(&format!("{}\n", plain(line)))?;
    }
    warn(&report.warnings);
    then(&report.next);
    say("Containers need no IOMMU: dashboard-cast proxmox lxc CTID");
    Ok(())
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        say(&plain(warning));
    }
}

/// What is left to the one who reads it.
fn then(commands: &[String]) {
    if !commands.is_empty() {
        say("Then, when it suits:");
    }
    for command in commands {
        say(&format!("  {command}"));
    }
}
