use super::{Check, Subject};
use crate::{
    config::{Config, PagePolicy},
    doctor::{
        finding::{Finding, Place},
        machine::Machine,
        told::Page,
    },
};

pub(super) const CHECK: Check = Check {
    id: "pages",
    question: "Do the pages of the configuration come?",
    subject: Subject::Page,
    needs: &["configuration"],
    manual: "dashboard-cast.toml(5), [casts.NAME]",
    look,
};

/// In the path of an address that a page was not meant to lead to.
const LOGINS: [&str; 7] = ["login", "signin", "sign-in", "sign_in", "/auth", "/sso", "oauth"];
const RELOAD: &str = "systemctl reload dashboard-cast";

fn look(machine: &Machine) -> Finding {
    let config = machine.config();
    let refused: Vec<Finding> = refused(&config).collect();
    let Some(pages) = &machine.told.pages else {
        return Finding::worst_of(refused)
            .unwrap_or_else(|| Finding::skipped("nobody asked for the pages"));
    };
    let findings = refused.into_iter().chain(pages.iter().map(page)).collect();
    Finding::worst_of(findings)
        .unwrap_or_else(|| Finding::skipped("the configuration describes no cast"))
}

/// Pages that the configuration itself does not let in.
fn refused(config: &Config) -> impl Iterator<Item = Finding> {
    let policy = PagePolicy::from(&config.pages);
    config.casts.iter().filter_map(move |(name, cast)| {
        let error = policy.check(&cast.url).err()?;
        Some(
            Finding::fail(format!("the page of casts.{name} may not be opened"))
                .seen(error.to_string())
                .run(Place::Here, "change the keys of [pages] that it speaks of", &[RELOAD]),
        )
    })
}

fn page(page: &Page) -> Finding {
    let (cast, url) = (&page.cast, &page.url);
    let (status, led_to) = match &page.fetched {
        Ok((status, led_to)) => (*status, led_to.as_deref()),
        Err(why) => {
            return Finding::fail(format!("the page of casts.{cast} does not come"))
                .seen(format!("{url}: {why}"))
                .run(
                    Place::Here,
                    "see that its server runs and lets this machine in",
                    &[&format!("curl -vkL -o /dev/null '{url}'")],
                );
        }
    };
    let evidence = match led_to {
        Some(place) => format!("{url}: HTTP {status}, led to {place}"),
        None => format!("{url}: HTTP {status}"),
    };
    let wants_login = matches!(status, 401 | 403) || led_to.is_some_and(is_login);
    let found = match status {
        _ if wants_login && page.authenticated => {
            return Finding::pass(format!(
                "the page of casts.{cast} asks for a login, which it has"
            ))
            .seen(evidence)
            .seen("nothing secret was sent; dashboard-cast status tells whether it is taken, once it runs");
        }
        _ if wants_login => return login(cast, status).seen(evidence),
        200..=299 => {
            return Finding::pass(format!("the page of casts.{cast} comes")).seen(evidence);
        }
        300..=399 => Finding::warn(format!("the page of casts.{cast} leads from one to the next")),
        404 | 410 => Finding::fail(format!("there is no page at the address of casts.{cast}")),
        500..=599 => Finding::fail(format!("the server of casts.{cast}'s page is in trouble")),
        _ => Finding::fail(format!("the server refuses the page of casts.{cast}")),
    };
    let found = found.seen(evidence);
    match status {
        500..=599 => found.run(
            Place::Network,
            "see to the server of the page",
            &[&format!("curl -vkL -o /dev/null '{url}'")],
        ),
        _ => found.run(
            Place::Here,
            format!(
                "put the address that a browser shows when the page is open into casts.{cast}.url"
            ),
            &[RELOAD],
        ),
    }
}

fn login(cast: &str, status: u16) -> Finding {
    let says = match status {
        401 | 403 => format!("the page of casts.{cast} is only for those who log in"),
        _ => format!(
            "the page of casts.{cast} leads to a login page, which is what the TV would show"
        ),
    };
    let file = format!("/etc/dashboard-cast/{cast}.json");
    Finding::fail(says).run(
        Place::Here,
        format!("write what logs in (cookies, headers, localStorage or basic) into a file, and name it in \
                 casts.{cast}.auth-file = \"{file}\""),
        &[&format!("install -o root -g dashboard-cast -m 640 /dev/stdin {file}"), RELOAD],
    )
}

fn is_login(address: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default().to_lowercase();
    LOGINS.iter().any(|word| path.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree};

    fn with(fetched: Result<(u16, Option<&str>), &str>, authenticated: bool) -> Finding {
        let page = Page {
            cast: "hall".into(),
            url: "http://h:3000/d/1".into(),
            fetched: fetched
                .map(|(status, place)| (status, place.map(ToOwned::to_owned)))
                .map_err(ToOwned::to_owned),
            authenticated,
        };
        look(&Tree::new().told(|told| told.pages = Some(vec![page])).machine())
    }

    #[test]
    fn a_page_comes_or_not_and_the_key_is_named() {
        assert_eq!(look(&Tree::new().machine()).verdict, Verdict::Skipped);
        let login = Some("http://h:3000/login?next=/d/1");
        for (fetched, authenticated, verdict, words) in [
            (Ok((200, None)), false, Verdict::Pass, "comes"),
            (Ok((200, Some("http://h:3000/d/2"))), false, Verdict::Pass, "comes"),
            (Ok((200, login)), false, Verdict::Fail, "login page"),
            (Ok((200, login)), true, Verdict::Pass, "asks for a login"),
            (Ok((401, None)), false, Verdict::Fail, "log in"),
            (Ok((403, None)), true, Verdict::Pass, "asks for a login"),
            (Ok((404, None)), false, Verdict::Fail, "no page"),
            (Ok((502, None)), false, Verdict::Fail, "in trouble"),
            (Ok((302, None)), false, Verdict::Warn, "leads"),
            (Ok((418, None)), false, Verdict::Fail, "refuses"),
            (Err("connection refused"), false, Verdict::Fail, "does not come"),
        ] {
            let found = with(fetched, authenticated);
            assert_eq!(found.verdict, verdict, "{found:?}");
            assert!(found.says.contains(words), "{found:?}");
            assert_eq!(found.fixes.is_empty(), verdict == Verdict::Pass, "{found:?}");
        }
        let found = with(Ok((401, None)), false);
        assert!(found.fixes[0].words.contains("casts.hall.auth-file"), "{found:?}");
    }

    #[test]
    fn a_page_that_is_not_on_the_list_is_refused_without_being_asked_for() {
        let config =
            "[pages]\nallow = [\"other\"]\n[casts.hall]\nurl = \"http://h/?token=secret\"\n";
        let tree = Tree::new().file("etc/dashboard-cast/dashboard-cast.toml", config);
        let found = look(&tree.machine());
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.evidence[0].contains("Add \"http://h\" to allow"), "{found:?}");
        assert!(!format!("{found:?}").contains("secret"));
    }
}
