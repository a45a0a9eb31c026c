use super::{Check, Subject};
use crate::doctor::{
    container::nest,
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "browser-sandbox",
    question: "Can the browser make its sandbox?",
    subject: Subject::Page,
    needs: &[],
    manual: "dashboard-cast(8), SECURITY",
    look,
};

/// Each of them closes user namespaces to programs without rights, of which Chromium makes its sandbox.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("user.max_user_namespaces", "0", "15000"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];

fn look(machine: &Machine) -> Finding {
    let tried = machine.told.namespaces.as_ref();
    for (name, closed, open) in SETTINGS {
        let path = format!("proc/sys/{}", name.replace('.', "/"));
        let value = machine.value(&path);
        // AppArmor lets programs make them that a profile allows it.
        let excused =
            name.contains("apparmor") && (profile(machine) || matches!(tried, Some(Ok(()))));
        if value.as_deref() == Some(closed) && !excused {
            let place = if machine.place.is_container() { Place::Host } else { Place::Here };
            let setting = format!("{name} = {open}");
            return Finding::fail("the kernel is told to let no browser make its sandbox")
                .seen(format!("{name} is {closed}"))
                .run(
                    place,
                    "let it, now and at each boot",
                    &[
                        &format!("sysctl -w {name}={open}"),
                        &format!("echo '{setting}' >/etc/sysctl.d/60-dashboard-cast.conf"),
                    ],
                );
        }
    }
    let label = machine.value("proc/self/attr/current").unwrap_or_default();
    let refused = match tried {
        Some(Err(why)) => Some(why.as_str()),
        Some(Ok(())) => None,
        // Nobody has tried: a profile of LXC's without a namespace of its own lets nobody.
        None if machine.place.is_container() && is_narrow(&label) => {
            Some("its profile of AppArmor's")
        }
        None => None,
    };
    match refused {
        Some(why) if machine.place.is_container() => {
            let found = Finding::fail("the container lets no browser make its sandbox")
                .seen(why)
                .seen(format!("/proc/self/attr/current: {label}"));
            nest(machine, found, "let the container nest")
        }
        Some(why) => {
            Finding::fail("no program without rights can make a user namespace").seen(why).run(
                Place::Here,
                "see what refuses it",
                &[
                    "setpriv --reuid=65534 --regid=65534 --clear-groups unshare --user true",
                    "journalctl -k -g apparmor -n 20",
                ],
            )
        }
        None if tried.is_some() => Finding::pass("it can").seen("a user namespace was made"),
        None => Finding::pass("nothing that is known stands in its way"),
    }
}

fn is_narrow(label: &str) -> bool {
    label.starts_with("lxc-") && !label.contains("//&") && !label.contains("nesting")
}

/// Whether AppArmor has a profile for Chromium that allows it.
fn profile(machine: &Machine) -> bool {
    let mut names = machine.list("etc/apparmor.d").into_iter();
    names.any(|name| {
        let text = machine.text(&format!("etc/apparmor.d/{name}")).unwrap_or_default();
        text.contains("/chromium")
            && text.lines().any(|line| line.trim_start().starts_with("userns"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    #[test]
    fn a_setting_that_closes_user_namespaces_is_found() {
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Pass);
        for (path, value) in [
            ("proc/sys/kernel/unprivileged_userns_clone", "0\n"),
            ("proc/sys/user/max_user_namespaces", "0\n"),
            ("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n"),
        ] {
            let found = look(&Tree::new().file(path, value).machine());
            assert_eq!(found.verdict, Verdict::Fail, "{path}");
            assert!(found.fixes[0].commands[0].starts_with("sysctl -w "), "{found:?}");
            assert_eq!(found.fixes[0].place, Place::Here);
        }
        let tree = Tree::new()
            .file("proc/sys/user/max_user_namespaces", "0\n")
            .file("run/systemd/container", "lxc");
        assert_eq!(look(&tree.machine()).fixes[0].place, Place::Host);
    }

    #[test]
    fn a_profile_excuses_apparmors_restriction() {
        let tree =
            Tree::new().file("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n").file(
                "etc/apparmor.d/chromium",
                "profile /usr/lib/chromium/chromium {\n  userns,\n}\n",
            );
        assert_eq!(look(&tree.machine()).verdict, Verdict::Pass);
    }

    #[test]
    fn a_container_that_may_not_nest_is_the_hosts_to_change() {
        let lxc = |label: &str| {
            let tree = Tree::new().file("run/systemd/container", "lxc");
            tree.file("proc/self/attr/current", label)
        };
        assert_eq!(look(&lxc("unconfined\n").machine()).verdict, Verdict::Pass);
        let found = look(&lxc("lxc-100_</var/lib/lxc> (enforce)\n").machine());
        assert_eq!(found.verdict, Verdict::Fail);
        assert_eq!(found.fixes[0].commands[1], "pct set CTID --features FEATURES,nesting=1");
        let gpu = lxc("lxc-100_</var/lib/lxc> (enforce)\n");
        let gpu = gpu.gpu("0000:00:02.0", 0x46d1, Some(("i915", 128)));
        let fix = look(&gpu.machine()).fixes.remove(0);
        assert_eq!(fix.commands[0], "dashboard-cast proxmox lxc CTID --apply");
        assert!(fix.words.contains("--features FEATURES,nesting=1"), "{fix:?}");
        let tried = |outcome| lxc("unconfined").told(|told| told.namespaces = Some(outcome));
        assert_eq!(look(&tried(Ok(())).machine()).verdict, Verdict::Pass);
        let found = look(&tried(Err("Operation not permitted".into())).machine());
        assert_eq!((found.verdict, found.fixes[0].place), (Verdict::Fail, Place::Host));
    }
}
