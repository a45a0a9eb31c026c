//! Measures what a dashboard on a stream costs, beside the usual way of doing it.
//!
//! Every case runs both pipelines, one after the other, and compares CPU time of their whole process
//! trees. `make bench` runs all; the environment narrows it: `BENCH_CASE` (comma-separated names),
//! `BENCH_PIPELINES` (`reference`, `ours`), `BENCH_SETTLE` and `BENCH_WINDOW` (seconds).
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a bench prints, panics when it cannot measure, and shares modules with the tests"
)]

mod child;
mod ours;
mod pages;
mod reference;
mod report;
mod tree;
mod video;

#[path = "../../tests/cast/scripted/mod.rs"]
mod scripted;
#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "../../tests/casting/viewer.rs"]
mod viewer;

use std::{
    env,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use ours::Ours;
use pages::{Colour, Pages};
use reference::Reference;
use report::{Limit, Report};
use scripted::ScriptedTv;
use support::{netdata::Netdata, wait::wait_for};
use tree::Cpu;
use video::{Matrix, last_colour, ssim};
use viewer::Viewer;

/// What is held against the reference, and how far each may go: the most, and what is aimed at.
const CPU_CASES: [(&str, &str, Limit); 4] = [
    ("charts", "12 charts, redrawn each second", Limit::most(0.15, 0.08)),
    ("static", "static page", Limit::most(0.04, 0.02)),
    ("netdata", "netdata, live", Limit::most(0.20, 0.10)),
    ("animation", "animation, 30 frames/s", Limit::most(0.9, 0.7)),
];
const START: Limit = Limit::most(3.0, 1.5);
const CHANGE: Limit = Limit::most(1.2, 1.0);
const MEMORY: Limit = Limit::most(160.0, 100.0);
const SECOND_TV: Limit = Limit::most(0.02, 0.01);

const PATIENCE: Duration = Duration::from_secs(30);
const STARTS: usize = 5;
const CHANGES: u32 = 8;

fn main() -> ExitCode {
    // What a browser orphans stays below this process, where it is counted and swept.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .expect("becoming the reaper of orphans");
    let cases = list("BENCH_CASE");
    let bench = Bench {
        // Early, because it has to collect for a minute before its case.
        netdata: named(cases.as_deref(), "netdata").then(Netdata::start).flatten(),
        cases,
        pipelines: list("BENCH_PIPELINES"),
        settle: seconds("BENCH_SETTLE", 8),
        window: seconds("BENCH_WINDOW", 20),
        pages: Pages::serve(),
    };
    let mut report = Report::default();
    bench.cpu(&mut report);
    if bench.runs("start") && bench.measures("ours") {
        bench.start(&mut report);
    }
    if bench.runs("change") && bench.measures("ours") {
        bench.change(&mut report);
    }
    if bench.runs("second-tv") && bench.measures("ours") {
        bench.second_tv(&mut report);
    }
    if bench.runs("picture") {
        bench.picture(&mut report);
    }
    print!("{report}");
    if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Bench {
    cases: Option<Vec<String>>,
    pipelines: Option<Vec<String>>,
    settle: Duration,
    window: Duration,
    pages: Pages,
    netdata: Option<Netdata>,
}

impl Bench {
    fn runs(&self, case: &str) -> bool {
        named(self.cases.as_deref(), case)
    }

    fn measures(&self, pipeline: &str) -> bool {
        named(self.pipelines.as_deref(), pipeline)
    }

    fn cpu(&self, report: &mut Report) {
        let mut memory = (0.0_f64, 0.0_f64);
        for (case, title, limit) in CPU_CASES {
            if !self.runs(case) {
                continue;
            }
            let url = match (case, &self.netdata) {
                ("netdata", None) => {
                    report.skip(title, "this Debian has no netdata");
                    continue;
                }
                ("netdata", Some(netdata)) => {
                    netdata.warm();
                    netdata.live_url()
                }
                _ => self.pages.url(&format!("{case}.html")),
            };
            let reference = self.measures("reference").then(|| {
                eprintln!("bench: {title}: reference");
                let _running = Reference::start(&url);
                self.cores(report)
            });
            self.sweep();
            let ours = self.measures("ours").then(|| {
                eprintln!("bench: {title}: ours");
                let ours = Ours::start();
                let _session = ours.cast(&url);
                let cores = self.cores(report);
                let (pss, rss) = ours.memory();
                memory = (memory.0.max(pss), memory.1.max(rss));
                cores
            });
            self.sweep();
            report.cpu(title, reference, ours, limit);
        }
        if memory.0 > 0.0 {
            let note = format!("most of the cases above, PSS; RSS {:.0}", memory.1);
            report.value("memory beside Chromium, MiB", memory.0, MEMORY, &note);
        }
    }

    /// What runs below this process and is no part of a pipeline.
    fn others(&self) -> Vec<u32> {
        self.netdata.iter().map(Netdata::id).collect()
    }

    fn sweep(&self) {
        child::sweep(&self.others());
    }

    /// Mean cores in use by what runs below this process.
    fn cores(&self, report: &mut Report) -> f64 {
        thread::sleep(self.settle);
        let (before, started) = (Cpu::now(&self.others()), Instant::now());
        thread::sleep(self.window);
        let used = Cpu::now(&self.others()).since(&before);
        let window = started.elapsed().as_secs_f64();
        for (program, used) in used.by_program() {
            eprintln!("bench:     {:.3} {program}", used / window);
        }
        report.elsewhere(used.elsewhere() / window);
        used.used() / window
    }

    fn start(&self, report: &mut Report) {
        eprintln!("bench: start");
        let ours = Ours::start();
        let mut taken: Vec<f64> = (0..STARTS)
            .map(|_| {
                let session = ours.cast(&self.pages.url("static.html"));
                session.start.as_secs_f64()
            })
            .collect();
        taken.sort_by(f64::total_cmp);
        let note = format!("worst of {STARTS}; median {:.2}", taken[STARTS / 2]);
        report.value("POST /start → first segment, s", taken[STARTS - 1], START, &note);
    }

    fn change(&self, report: &mut Report) {
        eprintln!("bench: change");
        let ours = Ours::start();
        let session = ours.cast(&self.pages.url("colour.html"));
        thread::sleep(self.settle);
        let mut colour = Colour::Red;
        let mut taken: Vec<f64> = (0..CHANGES)
            .map(|turn| {
                // Spread over the segment, or every change would meet the same moment of it.
                let (mut name, at, _) = session.next(&session.newest());
                thread::sleep(
                    (at + Duration::from_secs(1) * turn / CHANGES).duration_since(Instant::now()),
                );
                colour = colour.other();
                let changed = Instant::now();
                self.pages.show(colour);
                loop {
                    let (next, at, segment) = session.next(&name);
                    if Colour::of(last_colour(&segment)) == colour {
                        break (at - changed).as_secs_f64();
                    }
                    assert!(
                        changed.elapsed() < Duration::from_secs(20),
                        "the page's change is not on the stream"
                    );
                    name = next;
                }
            })
            .collect();
        taken.sort_by(f64::total_cmp);
        let middle = taken[taken.len() / 2];
        let worst = taken.last().copied().unwrap_or(f64::INFINITY);
        let note = format!("worst of {CHANGES}; median {middle:.2}");
        report.value("page change → its segment, s", worst, CHANGE, &note);
    }

    /// What a second TV with the same page adds to what the daemon does for the first one. They share the rest,
    /// in which a difference this small would drown.
    fn second_tv(&self, report: &mut Report) {
        eprintln!("bench: a second TV");
        let tvs = [(); 2].map(|()| Arc::new(ScriptedTv::start()));
        let ours = Ours::with_tvs(&tvs.each_ref().map(|tv| tv.address()));
        let url = self.pages.url("charts.html");
        let mut playing = Vec::new();
        let costs = tvs.each_ref().map(|tv| {
            let viewer = Viewer::of(Arc::clone(tv));
            let session = ours.cast_to(&url, tv.address());
            wait_for("a TV that fetches", PATIENCE, || {
                let content = tv.state().media?.content;
                (viewer.seen(&content).segments > 2).then_some(())
            });
            playing.push((session, viewer));
            let (before, started) = (ours.cpu(), Instant::now());
            self.cores(report);
            (ours.cpu() - before) / started.elapsed().as_secs_f64()
        });
        let note = format!("12 charts; for the first one {:.3}", costs[0]);
        report.value("a second TV, cores of the daemon", costs[1] - costs[0], SECOND_TV, &note);
    }

    fn picture(&self, report: &mut Report) {
        for (page, title) in [
            ("static.html", "SSIM, static page"),
            ("charts.html#frozen", "SSIM, 12 charts, frozen"),
        ] {
            eprintln!("bench: {title}");
            let url = self.pages.url(page);
            let reference = self.measures("reference").then(|| {
                let reference = Reference::start(&url);
                thread::sleep(2 * self.settle);
                let picture = reference.picture();
                ssim(&reference.newest_segment(), Matrix::Bt601, &picture)
            });
            self.sweep();
            let ours = self.measures("ours").then(|| {
                let ours = Ours::start();
                let session = ours.cast(&url);
                thread::sleep(2 * self.settle);
                let picture = session.picture();
                ssim(&session.newest_segment(), Matrix::Bt709, &picture)
            });
            self.sweep();
            report.picture(title, reference, ours);
        }
    }
}

fn named(list: Option<&[String]>, name: &str) -> bool {
    list.is_none_or(|list| list.iter().any(|item| item == name))
}

fn list(variable: &str) -> Option<Vec<String>> {
    let value = env::var(variable).ok()?;
    Some(value.split(',').map(|item| item.trim().into()).collect())
}

fn seconds(variable: &str, default: u64) -> Duration {
    let seconds = env::var(variable).map_or(default, |value| {
        value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a number of seconds"))
    });
    Duration::from_secs(seconds)
}
