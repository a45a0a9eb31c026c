//! What is left when the daemon ends, by word or by force: nothing.

use std::{net::TcpListener, process::ExitStatus};

use rustix::process::Signal;

use crate::{
    pages::{Pages, plain},
    stage::{PATIENCE, Stage, turn},
    support::{
        processes::{Process, interrupt_group},
        wait::wait_for,
    },
};

#[test]
fn sigterm_takes_running_sessions_along() {
    let status = end_with_a_running_session(Signal::TERM);
    assert!(status.success(), "{status}");
}

#[test]
fn a_killed_daemon_takes_running_sessions_along() {
    let status = end_with_a_running_session(Signal::KILL);
    assert!(!status.success(), "{status}");
}

#[test]
fn ctrl_c_on_a_terminal_leaves_the_workers_to_the_daemon() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let mut stage = Stage::set("");
    stage.open(&pages.url("board")).wait_live();
    let family = stage.family();
    interrupt_group(stage.daemon.id(), &family);
    let status = stage.daemon.end(Signal::INT);
    assert!(status.success(), "{status}");
    let log = stage.daemon.log();
    assert!(!log.contains("signal:"), "a worker did not end by itself:\n{log}");
    check_gone(&stage, &family);
}

#[track_caller]
fn end_with_a_running_session(signal: Signal) -> ExitStatus {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let mut stage = Stage::set("");
    stage.open(&pages.url("board")).wait_live();
    let family = stage.family();
    let status = stage.daemon.end(signal);
    check_gone(&stage, &family);
    status
}

#[test]
fn what_a_killed_daemon_and_its_killed_workers_left_goes_with_the_next_daemon() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let mut stage = Stage::set("");
    stage.open(&pages.url("board")).wait_live();
    let family = stage.family();
    // The browser worker would clean up if it could.
    stage.process(&["worker browser"], &[]).kill();
    stage.daemon.end(Signal::KILL);
    wait_for("end of every process", PATIENCE, || {
        family.iter().all(|process| !process.is_alive()).then_some(())
    });
    let next = stage.again();
    next.check_bare();
    assert_eq!(std::fs::read_dir(next.runtime()).unwrap().count(), 1, "its own directory");
}

#[track_caller]
fn check_gone(stage: &Stage, family: &[Process]) {
    wait_for("end of every process", PATIENCE, || {
        family.iter().all(|process| !process.is_alive()).then_some(())
    });
    wait_for("end of every descendant", PATIENCE, || stage.family().is_empty().then_some(()));
    wait_for("end of the runtime directory", PATIENCE, || {
        (!stage.runtime().exists()).then_some(())
    });
    let port = stage.daemon.url("").port().expect("a port");
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
}
