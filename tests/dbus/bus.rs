//! A bus of a test's own.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use zbus::{Address, Connection, connection::Builder};

use crate::support::bus::launch;

/// The rules of Debian's system bus that matter here: who may be what is up to the services' policies,
/// as is who may call them. `KIND`, `SOCKET` and `POLICY` are put in.
const CONFIG: &str = r#"<busconfig>
  <type>KIND</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
  </policy>
  <policy user="polkitd">
    <allow own="org.freedesktop.PolicyKit1"/>
  </policy>
  POLICY
  <limit name="max_outgoing_bytes">1000000</limit>
</busconfig>
"#;

const CONFIG_FILE: &str = "bus.conf";

const OPEN: &str =
    r#"<policy context="default"><allow own="*"/><allow send_type="method_call"/></policy>"#;

/// The policy that is shipped, for our user instead of the service's.
#[track_caller]
fn own_policy() -> String {
    let shipped = shipped("org.dashboardcast1.conf");
    let service = r#"<policy user="dashboard-cast">"#;
    assert!(shipped.contains(service), "{shipped}");
    let own = rustix::process::getuid().as_raw();
    shipped.replace(service, &format!(r#"<policy user="{own}">"#))
}

#[track_caller]
fn configure(directory: &Path, kind: &str, policy: &str) {
    let inner = policy.split_once("<busconfig>").map_or("", |(_, rest)| rest);
    let inner = inner.split_once("</busconfig>").map_or("", |(inner, _)| inner);
    let socket = directory.join("socket");
    let config = CONFIG
        .replace("KIND", kind)
        .replace("SOCKET", socket.to_str().expect("a path in UTF-8"))
        .replace("POLICY", inner);
    fs::write(directory.join(CONFIG_FILE), config).expect("writing the configuration");
}

/// Ends with its bus when dropped.
#[derive(Debug)]
pub(crate) struct PrivateBus {
    child: Child,
    directory: TempDir,
    variable: &'static str,
}

/// Somebody who is not the service's user, and no member of anything.
pub(crate) const NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups ";

impl PrivateBus {
    /// A system bus with the policy that is shipped, for our user instead of the service's.
    #[track_caller]
    pub(crate) fn system() -> Self {
        Self::start("system", &own_policy())
    }

    /// A system bus that knows nothing of us.
    #[track_caller]
    pub(crate) fn bare() -> Self {
        Self::start("system", "<busconfig/>")
    }

    #[track_caller]
    pub(crate) fn session() -> Self {
        Self::start("session", &format!("<busconfig>{OPEN}</busconfig>"))
    }

    #[track_caller]
    fn start(kind: &str, policy: &str) -> Self {
        let directory = tempfile::tempdir().expect("making a directory");
        // Other users must be able to try.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("opening it");
        configure(directory.path(), kind, policy);
        let variable = match kind {
            "system" => "DBUS_SYSTEM_BUS_ADDRESS",
            _ => "DBUS_SESSION_BUS_ADDRESS",
        };
        let (child, _) = launch(&directory.path().join(CONFIG_FILE));
        Self { child, directory, variable }
    }

    /// Gives a bare one the policy that is shipped, as an installation does.
    #[track_caller]
    pub(crate) fn learn(&self) {
        configure(self.directory.path(), "system", &own_policy());
        let bus = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(bus.expect("a process id"), Signal::HUP).expect("telling the bus");
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.directory.path().join("socket").display())
    }

    pub(crate) fn zbus_address(&self) -> Address {
        self.address().as_str().try_into().expect("an address")
    }

    /// Has the program look for its bus here.
    pub(crate) fn environment(&self) -> (&'static str, String) {
        (self.variable, self.address())
    }

    /// Ends it without a word, as when it crashes.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killing the bus of this test");
        self.child.wait().expect("the end of the bus");
    }

    /// Another bus at the same place.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        fs::remove_file(self.directory.path().join("socket"))
            .expect("the socket of the bus before");
        (self.child, _) = launch(&self.directory.path().join(CONFIG_FILE));
    }

    pub(crate) async fn client(&self) -> Connection {
        Builder::address(self.zbus_address()).build().await.expect("a connection to the bus")
    }

    /// Runs a line as in a shell on which this is the bus.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Output {
        Command::new("sh")
            .args(["-c", line])
            .env(self.variable, self.address())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// What the line prints; it must end well.
    #[track_caller]
    pub(crate) fn ask(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
    }

    /// What the line complains about; it must fail.
    #[track_caller]
    pub(crate) fn complain(&self, line: &str) -> String {
        let output = self.run(line);
        assert!(!output.status.success(), "{line}: {output:?}");
        String::from_utf8(output.stderr).expect("UTF-8").trim_end().to_owned()
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A file of `dbus/`.
#[track_caller]
pub(crate) fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dbus").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
