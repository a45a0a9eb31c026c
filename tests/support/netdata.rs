//! A dashboard that nobody here wrote.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

const POLL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(120);
/// It writes what it has collected, which nobody needs.
const END: Duration = Duration::from_secs(5);
/// Seconds that the dashboard's charts span.
const HISTORY: usize = 60;

/// Debian's netdata on the loopback, with its files in a directory of its own.
#[derive(Debug)]
pub(crate) struct Netdata {
    process: Child,
    port: u16,
    _directory: TempDir,
}

impl Netdata {
    /// `None` where there is none to be had: Debian 13 has no netdata, and the set-up has noted that.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        // It is in /usr/sbin, which is not on everyone's PATH.
        let program = ["/usr/sbin/netdata", "/usr/bin/netdata"]
            .into_iter()
            .find(|path| fs::exists(path).unwrap_or(false));
        let Some(program) = program else {
            let noted = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/setup/not-in-debian");
            assert!(noted.exists(), "netdata is not installed: run .ci/setup test");
            return None;
        };
        let directory = tempfile::tempdir().expect("making a directory");
        let root = directory.path();
        // It empties its cache directory when it starts, so that is no place for its configuration.
        for name in ["cache", "lib", "log"] {
            fs::create_dir(root.join(name)).expect("making netdata's directories");
        }
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let config = root.join("netdata.conf");
        // The collectors kept are those that a small host shows and that need no other program.
        let text = format!(
            "[global]\n run as user = {user}\n\
             [db]\n mode = ram\n\
             [directories]\n cache = {root}/cache\n lib = {root}/lib\n log = {root}/log\n lock = {root}/lib\n\
             [web]\n bind to = 127.0.0.1:{port}\n\
             [ml]\n enabled = no\n\
             [plugins]\n apps = no\n cgroups = no\n charts.d = no\n ebpf = no\n fping = no\n \
             go.d = no\n ioping = no\n nfacct = no\n perf = no\n python.d = no\n slabinfo = no\n",
            user = if rustix::process::geteuid().is_root() {
                "root".into()
            } else {
                std::env::var("USER").unwrap_or_default()
            },
            root = root.display(),
        );
        fs::write(&config, text).expect("writing netdata.conf");
        let process = Command::new(program)
            .arg("-D")
            .args(["-p", &port.to_string(), "-i", "127.0.0.1", "-c"])
            .arg(&config)
            .env("DISABLE_TELEMETRY", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("starting netdata");
        Some(Self { process, port, _directory: directory })
    }

    /// Waits until its charts are full: with less history, they ask for new figures less often.
    #[track_caller]
    pub(crate) fn warm(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.history() < HISTORY {
            assert!(Instant::now() < deadline, "netdata collects nothing");
            thread::sleep(POLL);
        }
    }

    /// Seconds for which it has figures.
    fn history(&self) -> usize {
        let url = format!(
            "http://127.0.0.1:{}/api/v1/data?chart=system.cpu&after=-{HISTORY}&format=csv",
            self.port
        );
        ureq::get(&url)
            .call()
            .and_then(|mut answer| answer.body_mut().read_to_string())
            .map_or(0, |csv| csv.lines().skip(1).filter(|row| !row.contains("null")).count())
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The dashboard as a person would type it.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The dashboard at its last minute, told to stay live whether or not it has the focus.
    pub(crate) fn live_url(&self) -> String {
        format!("{}#;after=-{HISTORY};before=0;update_always=true", self.url())
    }
}

impl Drop for Netdata {
    fn drop(&mut self) {
        let group = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let kill = |signal| {
            // It can only fail when everybody has ended.
            group.map(|group| kill_process_group(group, signal))
        };
        kill(Signal::TERM);
        let deadline = Instant::now() + END;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        kill(Signal::KILL);
        drop(self.process.wait());
    }
}
