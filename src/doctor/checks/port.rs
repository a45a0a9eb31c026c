use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "port",
    question: "Can TVs fetch from this machine's port?",
    subject: Subject::Service,
    needs: &["units"],
    manual: "dashboard-cast(8), AS A SERVICE",
    look,
};

const SOCKET: &str = "dashboard-cast.socket";
/// What the package's socket has.
const USUAL: u16 = 8000;

fn look(machine: &Machine) -> Finding {
    let socket = machine.told.unit(SOCKET);
    let ours = socket.is_some_and(|unit| unit.active == "active");
    let port =
        socket.and_then(|unit| unit.listen.iter().find_map(|at| number(at))).unwrap_or(USUAL);
    if !machine.is_there("proc/net/tcp") {
        return Finding::skipped("/proc/net/tcp is not there");
    }
    let listeners: Vec<Listener> = ["proc/net/tcp", "proc/net/tcp6"]
        .into_iter()
        .flat_map(|path| listeners(&machine.text(path).unwrap_or_default()))
        .filter(|listener| listener.port == port)
        .collect();
    let Some(first) = listeners.first() else {
        return match socket {
            Some(_) => Finding::fail(format!("nobody listens on port {port}"))
                .seen("/proc/net/tcp, /proc/net/tcp6")
                .run(
                    Place::Here,
                    "have systemd listen",
                    &["systemctl restart dashboard-cast.socket"],
                ),
            None => Finding::skipped(format!(
                "nobody listens on port {port}, and systemd was not asked"
            )),
        };
    };
    let holder = holder(machine, &first.inode);
    if socket.is_some() && !ours {
        let who = holder.as_deref().unwrap_or("another program");
        return Finding::fail(format!("{who} listens on port {port}, so the service cannot"))
            .seen("/proc/net/tcp, /proc/net/tcp6")
            .run(
                Place::Here,
                "end it, or move it or the service to another port",
                &[
                    &format!("ss -Hltnp 'sport = :{port}'"),
                    "systemctl edit dashboard-cast.socket",
                    "systemctl restart dashboard-cast.socket",
                ],
            );
    }
    if listeners.iter().all(|listener| listener.is_local) {
        return Finding::warn(format!("only this machine reaches port {port}, and no TV does"))
            .seen("it listens on a loopback address alone")
            .run(
                Place::Here,
                format!(
                    "take the drop-in's address off: ListenStream= and then ListenStream={port}"
                ),
                &[
                    "systemctl edit dashboard-cast.socket",
                    "systemctl restart dashboard-cast.socket",
                ],
            );
    }
    let found = walled(machine, port)
        .unwrap_or_else(|| Finding::pass(format!("port {port} is open on all addresses")));
    match holder {
        Some(who) => found.seen(format!("held by {who}")),
        None => found,
    }
}

/// Of `[::]:8000` or `[::]:8000 (Stream)`.
fn number(listen: &str) -> Option<u16> {
    listen.split_whitespace().next()?.rsplit(':').next()?.parse().ok()
}

#[derive(Debug, PartialEq, Eq)]
struct Listener {
    port: u16,
    is_local: bool,
    inode: String,
}

fn listeners(table: &str) -> Vec<Listener> {
    let read = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (address, port) = local.split_once(':')?;
        (*state == "0A").then_some(())?;
        let is_local = match address.len() {
            // The bytes of each word are turned round.
            8 => address.ends_with("7F"),
            _ => address == "00000000000000000000000001000000",
        };
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(Listener { port, is_local, inode: (*inode).to_owned() })
    };
    table.lines().skip(1).filter_map(read).collect()
}

/// The program that holds a socket, where we may know.
fn holder(machine: &Machine, inode: &str) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let mut processes = machine.list("proc").into_iter().filter(|name| name.parse::<u32>().is_ok());
    processes.find_map(|process| {
        let open = machine.list(&format!("proc/{process}/fd"));
        let held = open.iter().any(|fd| {
            machine.link(&format!("proc/{process}/fd/{fd}")).is_some_and(|target| target == wanted)
        });
        let name = held.then(|| machine.value(&format!("proc/{process}/comm")))?;
        Some(format!("{} (process {process})", name.unwrap_or_default()))
    })
}

/// Whether ufw, which many put on their servers, keeps TVs out.
fn walled(machine: &Machine, port: u16) -> Option<Finding> {
    let settings = machine.text("etc/ufw/ufw.conf")?;
    let is_on = settings.lines().any(|line| line.trim().eq_ignore_ascii_case("ENABLED=yes"));
    let rules = machine.text("etc/ufw/user.rules").filter(|_| is_on)?;
    let has = |rule: &str| {
        let about = format!(" {port} ");
        rule.starts_with("### tuple ### allow")
            && (rule.contains(&about) || rule.contains(" any any "))
    };
    if rules.lines().any(has) {
        return None;
    }
    let command = format!("ufw allow from NETWORK/24 to any port {port} proto tcp");
    let found = Finding::warn(format!("the firewall has no rule that lets TVs in at port {port}"));
    let found = found.seen("/etc/ufw/user.rules");
    Some(found.run(Place::Here, "let the network of the TVs in", &[&command]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree, told::Unit};

    const HEAD: &str = "  sl  local_address rem_address   st\n";

    fn line(address: &str) -> String {
        format!("{HEAD}   0: {address}:1F40 0:0 0A 0:0 00:0 0 0 0 777 1 0 100\n")
    }

    fn with(table: &str, active: &str) -> Tree {
        let unit = Unit {
            load: "loaded".into(),
            active: active.into(),
            listen: vec!["[::]:8000 (Stream)".into()],
            ..Unit::default()
        };
        Tree::new()
            .file("proc/net/tcp", HEAD)
            .file("proc/net/tcp6", table)
            .told(|told| told.units = vec![(SOCKET.into(), unit)])
    }

    #[test]
    fn who_listens_and_for_whom() {
        let all = line(&"0".repeat(32));
        let local = line("00000000000000000000000001000000");
        for (tree, verdict, words) in [
            (with(&all, "active"), Verdict::Pass, "open on all addresses"),
            (with(&local, "active"), Verdict::Warn, "only this machine"),
            (with(HEAD, "active"), Verdict::Fail, "nobody listens"),
            (with(&all, "inactive"), Verdict::Fail, "another program listens on port 8000"),
            (Tree::new(), Verdict::Skipped, "/proc/net/tcp"),
        ] {
            let found = look(&tree.machine());
            assert_eq!(found.verdict, verdict, "{found:?}");
            assert!(found.says.contains(words), "{found:?}");
        }
    }

    #[test]
    fn a_program_that_took_the_port_is_named() {
        let tree = with(&line(&"0".repeat(32)), "failed")
            .link("proc/42/fd/3", "socket:[777]")
            .file("proc/42/comm", "python3\n");
        let found = look(&tree.machine());
        assert!(found.says.starts_with("python3 (process 42) listens on port 8000"), "{found:?}");
        assert_eq!(found.fixes[0].commands[0], "ss -Hltnp 'sport = :8000'");
    }

    #[test]
    fn a_firewall_without_a_rule_is_warned_of() {
        let tree = with(&line(&"0".repeat(32)), "active")
            .file("etc/ufw/ufw.conf", "ENABLED=yes\n")
            .file("etc/ufw/user.rules", "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n");
        let found = look(&tree.machine());
        assert_eq!(found.verdict, Verdict::Warn);
        assert!(found.fixes[0].commands[0].contains("port 8000 proto tcp"));
        let rule = "### tuple ### allow tcp 8000 0.0.0.0/0 any 0.0.0.0/0 in\n";
        let tree = tree.file("etc/ufw/user.rules", rule);
        assert_eq!(look(&tree.machine()).verdict, Verdict::Pass);
    }
}
