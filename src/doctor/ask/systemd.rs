//! What systemd says.

use std::time::Duration;

use super::{super::told::Unit, said};

const ANSWER: Duration = Duration::from_secs(3);
/// It asks for each property of each unit.
const ANALYSIS: Duration = Duration::from_secs(3);

const PROPERTIES: &str = "Id,LoadState,ActiveState,UnitFileState,Result,ExecMainStatus,\
                          NeedDaemonReload,DropInPaths,Listen";

/// The state of these units, by their names; nothing where there is no systemd.
pub async fn units(names: &[&str]) -> Vec<(String, Unit)> {
    let arguments = [&["show", "--no-pager", "-p", PROPERTIES, "--"], names].concat();
    said("systemctl", &arguments, ANSWER).await.map_or_else(Vec::new, |said| parse(&said.out))
}

/// The exposure of these units, 0 to 10. As JSON, systemd 252 leaves the sum out.
pub async fn exposure(names: &[&str]) -> Vec<(String, f64)> {
    let arguments = [&["--no-pager", "security"], names].concat();
    let said = said("systemd-analyze", &arguments, ANALYSIS).await;
    said.map_or_else(Vec::new, |said| levels(&said.out))
}

/// Whether the kernel's clock is set over the network, by whatever program.
pub async fn synchronised() -> Option<bool> {
    let arguments = ["show", "-p", "NTPSynchronized", "--value"];
    match said("timedatectl", &arguments, ANSWER).await?.out.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// Reads what `systemctl show` prints: a block of lines for each unit.
fn parse(text: &str) -> Vec<(String, Unit)> {
    let block = |block: &str| {
        let (mut name, mut unit) = (None, Unit::default());
        for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
            let words = || value.split_whitespace().map(ToOwned::to_owned);
            match key {
                "Id" => name = Some(value.to_owned()),
                "LoadState" => value.clone_into(&mut unit.load),
                "ActiveState" => value.clone_into(&mut unit.active),
                "UnitFileState" => value.clone_into(&mut unit.file),
                "Result" => value.clone_into(&mut unit.result),
                "ExecMainStatus" => unit.exit = value.parse().ok(),
                "NeedDaemonReload" => unit.stale = value == "yes",
                "DropInPaths" => unit.drop_ins = words().collect(),
                // Each is followed by its kind, in brackets.
                "Listen" => unit.listen.extend(words().filter(|word| !word.starts_with('('))),
                _ => {}
            }
        }
        Some((name?, unit))
    };
    text.split("\n\n").filter_map(block).collect()
}

/// The units and numbers in lines such as `→ Overall exposure level for a.service: 1.3 OK`.
fn levels(text: &str) -> Vec<(String, f64)> {
    let level = |line: &str| {
        let (name, level) = line.split_once("exposure level for ")?.1.split_once(": ")?;
        Some((name.to_owned(), level.split_whitespace().next()?.parse().ok()?))
    };
    text.lines().filter_map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_shows_is_read() {
        let text = "\
Listen=[::]:8000 (Stream)
Listen=127.0.0.1:9 (Stream)
Result=success
Id=dashboard-cast.socket
LoadState=loaded
ActiveState=active
UnitFileState=enabled
DropInPaths=
NeedDaemonReload=no

Result=exit-code
ExecMainStatus=78
Id=dashboard-cast.service
LoadState=loaded
ActiveState=failed
UnitFileState=enabled
DropInPaths=/etc/systemd/system/a.d/x.conf /etc/systemd/system/a.d/y.conf
NeedDaemonReload=yes

Id=c.service
LoadState=not-found
";
        let units = parse(text);
        let names: Vec<&str> = units.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["dashboard-cast.socket", "dashboard-cast.service", "c.service"]);
        assert_eq!(units[0].1.listen, ["[::]:8000", "127.0.0.1:9"]);
        let service = &units[1].1;
        assert_eq!((service.exit, service.stale, service.drop_ins.len()), (Some(78), true, 2));
        assert_eq!(units[2].1.load, "not-found");
        assert_eq!(parse(""), []);
        assert_eq!(parse("garbage\n\n=\nId\n"), []);
    }

    #[test]
    fn the_exposure_is_in_the_last_line_of_each_unit() {
        let text = "✓ UMask= Files\n\n→ Overall exposure level for a@b.service: 1.3 OK 🙂\n\n\
                    ✗ UMask= Files\n\n→ Overall exposure level for c.service: 9.6 UNSAFE 😨\n";
        assert_eq!(levels(text), [("a@b.service".to_owned(), 1.3), ("c.service".to_owned(), 9.6)]);
        assert_eq!(levels("Unit x.service not found.\n"), []);
    }
}
