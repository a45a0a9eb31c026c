//! The questions, one a file. Each reads what it needs of a [`Machine`] and says what it found.

mod browser_sandbox;
mod bus;
mod casting;
mod chromium;
mod clock;
mod configuration;
mod cpu;
mod credentials;
mod device_cgroup;
mod disk;
mod encoder;
mod environment;
mod exposure;
mod firmware;
mod gpu_wanted;
mod igpu;
mod iommu;
mod kernel_driver;
mod libavcodec;
mod memory;
mod network;
mod node_access;
mod node_number;
pub(super) mod packages;
mod pages;
mod polkit;
mod port;
mod proof;
mod quicksync_runtime;
mod render_node;
mod search;
mod service;
mod shared_memory;
mod tvs;
mod units;
mod va_driver;
mod va_encoder;

use serde::Serialize;

use super::{finding::Finding, machine::Machine};

/// A question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Check {
    /// Short, in lower case with hyphens; does not change.
    pub(super) id: &'static str,
    pub(super) question: &'static str,
    pub(super) subject: Subject,
    /// The checks whose trouble would explain any of this one's.
    pub(super) needs: &'static [&'static str],
    /// The section of a manual page that tells more.
    pub(super) manual: &'static str,
    pub(super) look: fn(&Machine) -> Finding,
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    Machine,
    Service,
    Gpu,
    Page,
    Tv,
}

/// All of them, what is needed before what needs it.
pub(super) const ALL: &[Check] = &[
    // The machine.
    environment::CHECK,
    memory::CHECK,
    disk::CHECK,
    clock::CHECK,
    // The service.
    packages::CHECK,
    configuration::CHECK,
    credentials::CHECK,
    units::CHECK,
    bus::CHECK,
    polkit::CHECK,
    port::CHECK,
    service::CHECK,
    exposure::CHECK,
    // The GPU, from the processor to the proof.
    gpu_wanted::CHECK,
    cpu::CHECK,
    iommu::CHECK,
    igpu::CHECK,
    kernel_driver::CHECK,
    render_node::CHECK,
    node_number::CHECK,
    node_access::CHECK,
    device_cgroup::CHECK,
    va_driver::CHECK,
    va_encoder::CHECK,
    quicksync_runtime::CHECK,
    firmware::CHECK,
    libavcodec::CHECK,
    proof::CHECK,
    encoder::CHECK,
    // The pages.
    chromium::CHECK,
    browser_sandbox::CHECK,
    shared_memory::CHECK,
    pages::CHECK,
    // The TVs.
    network::CHECK,
    search::CHECK,
    tvs::CHECK,
    casting::CHECK,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Manual pages in troff have their own hyphens.
    #[test]
    fn the_manual_has_the_section_that_a_check_sends_people_to() {
        let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("debian/man");
        for Check { id, manual, .. } in ALL {
            let (page, section) = manual.split_once(", ").expect("a page and a section");
            let file = page.replace('(', ".").replace(')', "");
            let text = std::fs::read_to_string(pages.join(file)).expect("a manual page of ours");
            let text = text.replace("\\-", "-");
            assert!(text.contains(section), "{id}: {page} has nothing of {section}");
        }
    }

    #[test]
    fn what_is_needed_stands_before_what_needs_it() {
        for (at, check) in ALL.iter().enumerate() {
            let before = &ALL[..at];
            assert!(before.iter().all(|other| other.id != check.id), "{} twice", check.id);
            for need in check.needs {
                assert!(before.iter().any(|other| other.id == *need), "{} needs {need}", check.id);
            }
        }
    }
}
