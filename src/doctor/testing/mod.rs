//! Machines that are not there, for tests.

mod machines;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    time::Duration,
};

use tempfile::TempDir;

use super::{Machine, Told, machine::node_path};
use crate::{
    access::File,
    gpu,
    session::{Proof, Refusal},
};
pub(crate) use machines::{MACHINES, machine};

/// What came of trying an encoder, on each GPU that has it, or on that of this node.
struct Trial {
    encoder: String,
    node: Option<u32>,
    outcome: Result<Proof, Refusal>,
}

impl Trial {
    fn is_of(&self, encoder: &str, node: &str) -> bool {
        self.encoder == encoder && self.node.is_none_or(|number| node_path(number) == node)
    }
}

/// Files of a machine, and what is told of it.
pub(crate) struct Tree {
    root: TempDir,
    nodes: Vec<File>,
    trials: Vec<Trial>,
    pub(crate) told: Told,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root, nodes: Vec::new(), trials: Vec::new(), told: Told::default() }
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A file for its owner alone.
    pub(crate) fn secret(self, path: &str, text: &str) -> Self {
        let tree = self.file(path, text);
        let path = tree.root.path().join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        tree
    }

    pub(crate) fn link(self, path: &str, target: &str) -> Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    /// What stands in /dev/dri.
    pub(crate) fn node(mut self, file: File) -> Self {
        self.nodes.push(file);
        self
    }

    /// A GPU on the bus, with the kernel's driver if it has one, and then with a render node.
    pub(crate) fn gpu(self, pci: &str, device: u16, driver: Option<(&str, u32)>) -> Self {
        self.display(pci, 0x8086, device, driver)
    }

    pub(crate) fn display(
        self,
        pci: &str,
        vendor: u16,
        device: u16,
        driver: Option<(&str, u32)>,
    ) -> Self {
        let place = format!("sys/bus/pci/devices/{pci}");
        let tree = self
            .file(&format!("{place}/class"), "0x030000\n")
            .file(&format!("{place}/vendor"), &format!("{vendor:#06x}\n"))
            .file(&format!("{place}/device"), &format!("{device:#06x}\n"));
        let Some((driver, number)) = driver else { return tree };
        tree.file(&format!("{place}/drm/renderD{number}/dev"), &format!("226:{number}\n"))
            .link(&format!("{place}/driver"), &format!("../../../bus/pci/drivers/{driver}"))
            .link(
                &format!("sys/class/drm/renderD{number}"),
                &format!("../../bus/pci/devices/{pci}/drm/renderD{number}"),
            )
            .link(&format!("{place}/drm/renderD{number}/device"), "../..")
    }

    /// With these drivers' files.
    pub(crate) fn installed(self, files: &[&str]) -> Self {
        files
            .iter()
            .fold(self, |tree, name| tree.file(&format!("usr/lib/x86_64-linux-gnu/dri/{name}"), ""))
    }

    /// With a proof of this encoder, on each GPU that has it.
    pub(crate) fn works(self, encoder: &str, rate_control: &str) -> Self {
        self.tried(encoder, None, Ok(proof(rate_control)))
    }

    /// With a proof of this encoder on the GPU of this node alone.
    pub(crate) fn works_on(self, node: u32, encoder: &str, rate_control: &str) -> Self {
        self.tried(encoder, Some(node), Ok(proof(rate_control)))
    }

    /// With a trial of this encoder that failed, on each GPU that has it.
    pub(crate) fn refused(self, encoder: &str, refusal: Refusal) -> Self {
        self.tried(encoder, None, Err(refusal))
    }

    /// With a trial of this encoder that failed on the GPU of this node.
    pub(crate) fn refused_on(self, node: u32, encoder: &str, refusal: Refusal) -> Self {
        self.tried(encoder, Some(node), Err(refusal))
    }

    fn tried(mut self, encoder: &str, node: Option<u32>, outcome: Result<Proof, Refusal>) -> Self {
        self.trials.push(Trial { encoder: encoder.to_owned(), node, outcome });
        self
    }

    pub(crate) fn told(mut self, tell: impl FnOnce(&mut Told)) -> Self {
        tell(&mut self.told);
        self
    }

    pub(crate) fn machine(&self) -> Machine {
        let root = self.root.path();
        let mut told = self.told.clone();
        if !self.trials.is_empty() {
            // Who judges knows encoders by their names: so, once for each GPU.
            let gpus = gpu::judged(root, |_| None).into_iter().enumerate().map(|(at, gpu)| {
                let outcome = |encoder: &str| {
                    let trials = self.trials.iter().filter(|it| it.is_of(encoder, &gpu.node));
                    // What is said of this GPU comes before what is said of all.
                    let trial = trials.min_by_key(|trial| trial.node.is_none());
                    trial.map(|trial| trial.outcome.clone())
                };
                gpu::judged(root, outcome).swap_remove(at)
            });
            told.gpus = Some(gpus.collect());
        }
        Machine::new(root.to_owned(), self.nodes.clone(), told)
    }
}

fn proof(rate_control: &str) -> Proof {
    Proof {
        rate_control: rate_control.to_owned(),
        driver: "Intel iHD driver".to_owned(),
        similarity: 0.999,
        took: Duration::from_secs(1),
    }
}
