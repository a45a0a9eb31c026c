use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use super::{Check, Subject};
use crate::{
    doctor::{
        finding::{Finding, Place},
        machine::Machine,
    },
    render::browser::PROGRAMS,
};

pub(super) const CHECK: Check = Check {
    id: "chromium",
    question: "Is there a browser, where its unit lets it run?",
    subject: Subject::Page,
    needs: &["environment", "configuration"],
    manual: "dashboard-cast.toml(5), [browser]",
    look,
};

/// Where the browser's unit lets programs run.
const ALLOWED: [&str; 3] = ["usr/bin", "usr/lib", "etc/chromium.d"];
/// As the kernel does.
const MOST_LINKS: usize = 40;
/// Of a script; a browser itself is far larger.
const LARGEST: u64 = 64 << 10;
const UNIT: &str = "dashboard-cast-browser@.service";

fn look(machine: &Machine) -> Finding {
    let configured = machine.config().browser.program;
    let program = match &configured {
        Some(program) => Some(program.as_path()),
        None => PROGRAMS.iter().map(Path::new).find(|path| is_file(machine, path)),
    };
    let Some(program) = program else {
        return Finding::fail("there is no Chromium")
            .seen(format!("none of {} is there", PROGRAMS.join(", ")))
            .run(Place::Here, "install it", &["apt install chromium"]);
    };
    let shown = program.display();
    if !is_file(machine, program) {
        return Finding::fail("the configured browser is not there")
            .seen(format!("browser.program is {shown}"))
            .run(
                Place::Here,
                "take browser.program out of the configuration; Debian's Chromium is found without it",
                &["apt install chromium", "systemctl reload dashboard-cast"],
            );
    }
    if is_of_snap(machine, &program.to_string_lossy()) {
        return Finding::fail("the browser is a snap, which cannot run in the service's sandbox")
            .seen(format!("{shown} starts /snap/bin/chromium"))
            .run(
                Place::Here,
                "install a browser from a package, and name it under [browser] where it is not found",
                &["apt install ./google-chrome-stable_current_amd64.deb"],
            );
    }
    let real = real(machine, program);
    if !ALLOWED.iter().any(|place| real.starts_with(place)) && !is_let_run(machine, &real) {
        let directory = format!("/{}", real.parent().unwrap_or(&real).display());
        return Finding::fail("the browser is where its unit lets no program run")
            .seen(format!("{shown} is /{}", real.display()))
            .run(
                Place::Here,
                format!("add to the unit, under [Service]: ExecPaths={directory}"),
                &[&format!("systemctl edit {UNIT}")],
            );
    }
    let version =
        machine.package("chromium").map_or_else(String::new, |v| format!(", Chromium {v}"));
    Finding::pass(format!("there is{version}")).seen(shown.to_string())
}

fn is_file(machine: &Machine, path: &Path) -> bool {
    // A link may lead to a place that is only right below the root.
    machine.is_there(&path.to_string_lossy()) && !machine.path(&path.to_string_lossy()).is_dir()
}

/// Ubuntu's package of that name is a script that starts one.
fn is_of_snap(machine: &Machine, program: &str) -> bool {
    let is_small = fs::metadata(machine.path(program)).is_ok_and(|file| file.len() <= LARGEST);
    let text = is_small.then(|| machine.text(program)).flatten().unwrap_or_default();
    text.starts_with("#!") && text.contains("/snap/bin/")
}

/// Where the links lead, without the root.
fn real(machine: &Machine, program: &Path) -> PathBuf {
    let mut path = program.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(machine.path(&path.to_string_lossy())) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) => break,
        }
    }
    let mut real = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => real.push(name),
            Component::ParentDir => drop(real.pop()),
            _ => {}
        }
    }
    real
}

/// Whether a drop-in names its place.
fn is_let_run(machine: &Machine, real: &Path) -> bool {
    let units =
        machine.told.units.iter().filter(|(name, _)| name.starts_with("dashboard-cast-browser@"));
    let texts = units.flat_map(|(_, unit)| &unit.drop_ins).filter_map(|path| machine.text(path));
    let places: Vec<String> = texts
        .flat_map(|text| {
            let lines = text.lines().filter_map(|line| line.trim().strip_prefix("ExecPaths="));
            lines.flat_map(str::split_whitespace).map(ToOwned::to_owned).collect::<Vec<_>>()
        })
        .collect();
    places.iter().any(|place| real.starts_with(place.trim_start_matches(['-', '+', '/'])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree, told::Unit};

    const CONFIG: &str = "etc/dashboard-cast/dashboard-cast.toml";

    #[test]
    fn debians_browser_passes_with_its_version() {
        let status = "Package: chromium\nStatus: install ok installed\nVersion: 150.0-1\n";
        let tree = Tree::new().file("usr/bin/chromium", "ELF").file("var/lib/dpkg/status", status);
        assert_eq!(look(&tree.machine()).says, "there is, Chromium 150.0-1");
    }

    #[test]
    fn one_that_is_not_there_or_is_a_snap_fails() {
        let found = look(&Tree::new().machine());
        assert_eq!(found.fixes[0].commands, ["apt install chromium"]);
        let gone = Tree::new().file(CONFIG, "[browser]\nprogram = \"/opt/none\"\n");
        let found = look(&gone.machine());
        assert_eq!(
            (found.verdict, &*found.evidence[0]),
            (Verdict::Fail, "browser.program is /opt/none")
        );
        let snap =
            Tree::new().file("usr/bin/chromium-browser", "#!/bin/sh\nexec /snap/bin/chromium\n");
        assert!(look(&snap.machine()).says.contains("snap"));
    }

    #[test]
    fn one_outside_the_sandbox_needs_a_drop_in() {
        let tree = Tree::new()
            .link("usr/bin/google-chrome", "../../opt/google/chrome/chrome")
            .file("opt/google/chrome/chrome", "ELF");
        let found = look(&tree.machine());
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.fixes[0].words.ends_with("ExecPaths=/opt/google/chrome"), "{found:?}");
        let tree = tree.file("etc/b.conf", "[Service]\nExecPaths=/opt/google\n").told(|told| {
            let unit = Unit { drop_ins: vec!["/etc/b.conf".into()], ..Unit::default() };
            told.units = vec![("dashboard-cast-browser@x.service".into(), unit)];
        });
        assert_eq!(look(&tree.machine()).verdict, Verdict::Pass);
    }
}
