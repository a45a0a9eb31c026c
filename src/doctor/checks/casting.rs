use serde_json::Value;

use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "casting",
    question: "Do the TVs fetch and show what is cast to them?",
    subject: Subject::Tv,
    needs: &["service", "chromium", "browser-sandbox", "pages", "network", "tvs"],
    manual: "dashboard-cast(8), Verdicts",
    look,
};

fn look(machine: &Machine) -> Finding {
    let Some(Ok(service)) = &machine.told.service else {
        return Finding::skipped("the service was not asked, or does not answer");
    };
    let casts: Vec<Finding> = service.sessions.iter().filter_map(session).collect();
    Finding::worst_of(casts).unwrap_or_else(|| {
        Finding::skipped("no cast is running; what a TV fetches and plays is seen while one runs")
    })
}

/// A text at this place, such as `/cast/verdict`.
fn text<'a>(session: &'a Value, place: &str) -> Option<&'a str> {
    session.pointer(place)?.as_str()
}

/// How a cast does; `None` of a session that is for no TV.
fn session(session: &Value) -> Option<Finding> {
    let verdict = text(session, "/cast/verdict")?;
    let id = text(session, "/session_id").unwrap_or("?");
    let url = text(session, "/url").unwrap_or("a page");
    let tv = text(session, "/device/name").unwrap_or("the TV");
    let why = text(session, "/cast/why").unwrap_or("no reason is told");
    let evidence = format!("session {id}, {url} on {tv}: {verdict}: {why}");
    let status = format!("dashboard-cast status {id}");
    let found = match verdict {
        "confirmed" => Finding::pass(format!("{tv} fetches the stream, and its player moves on")),
        "unknown" => Finding::pass(format!("the cast to {tv} is on its way")),
        "covered-suspected" => {
            Finding::warn(format!("{tv} plays, and says that it shows another input"))
                .advise(Place::Tv, "choose the input of the Cast receiver")
        }
        "taken-over" => {
            Finding::warn(format!("people want something else on {tv}, so it is left alone")).run(
                Place::Here,
                "to have the page on it again, start the cast anew",
                &[&status, "dashboard-cast start URL --on-busy preempt"],
            )
        }
        "tv-off" => Finding::warn(format!("{tv} is off, or shows another input"))
            .advise(Place::Tv, "switch it on, to the input of the Cast receiver"),
        _ => broken(session, tv, text(session, "/cast/link").unwrap_or_default(), &status),
    };
    Some(match text(session, "/page/problem") {
        Some(problem) if !found.is_broken() => {
            page(tv, &status).seen(evidence).seen(format!("page: {problem}"))
        }
        _ => found.seen(evidence),
    })
}

fn page(tv: &str, status: &str) -> Finding {
    Finding::fail(format!("on {tv} is the reason why the page does not come")).run(
        Place::Here,
        "see to the page; a certificate that is not trusted is accepted under [pages], with \
         accept-certificates-of",
        &[status, "journalctl -b -u dashboard-cast -n 50"],
    )
}

/// The first link from the page to the screen that does not hold.
fn broken(session: &Value, tv: &str, link: &str, status: &str) -> Finding {
    let logs = "journalctl -b -u 'dashboard-cast-encoder@*' -u dashboard-cast -n 50";
    match link {
        "page" => {
            let problem = text(session, "/page/problem").map(|problem| format!("page: {problem}"));
            problem.into_iter().fold(page(tv, status), Finding::seen)
        }
        "encoder" | "stream" => Finding::fail(format!("nothing comes out of the encoder for {tv}"))
            .run(Place::Here, "see what it says", &[logs, "dashboard-cast health"]),
        "network" => Finding::fail(format!("{tv} was told to play, and does not fetch the stream"))
            .advise(
                Place::Network,
                "let the TV connect to TCP port 8000 of this machine: firewalls, VLANs and isolation of \
                 Wi-Fi clients stand in the way",
            )
            .run(Place::Here, "see whether a firewall of this machine drops it", &[
                "nft list ruleset",
                "ss -tn 'sport = :8000'",
            ]),
        "tv" => Finding::fail(format!("{tv} cannot be spoken to"))
            .advise(Place::Tv, "take it off the mains for ten seconds")
            .advise(Place::Network, "let this machine connect to TCP port 8009 of the TV"),
        "player" => Finding::fail(format!("{tv} fetches the stream, and its player stands still"))
            .run(
                Place::Here,
                "try an easier stream: quality = \"720p\" in the section of the cast",
                &[status, "systemctl reload dashboard-cast"],
            )
            .advise(Place::Tv, "take it off the mains for ten seconds"),
        _ => Finding::fail(format!("the page is not on {tv}")).run(Place::Here, "see why", &[status]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::{finding::Verdict, testing::Tree, told::Service};

    fn with(sessions: Vec<Value>) -> Finding {
        let service = Service { health: Value::Null, sessions };
        look(&Tree::new().told(|told| told.service = Some(Ok(service))).machine())
    }

    fn cast(verdict: &str, link: Option<&str>, problem: Option<&str>) -> Value {
        json!({
            "session_id": "0123abcd", "url": "http://h/d", "device": {"id": "x", "name": "Hall"},
            "page": {"problem": problem, "reloads": 0},
            "cast": {"state": {"name": "playing"}, "verdict": verdict, "link": link, "why": "so"},
        })
    }

    #[test]
    fn without_a_cast_nothing_is_known() {
        let served = json!({"session_id": "0123abcd", "url": "http://h/", "cast": null});
        for sessions in [Vec::new(), vec![served], vec![json!(1)]] {
            let found = with(sessions);
            assert_eq!(found.verdict, Verdict::Skipped);
            assert!(found.says.contains("while one runs"), "{found:?}");
        }
    }

    #[test]
    fn each_verdict_of_a_cast_has_its_words_and_its_place() {
        for (verdict, link, expected, place) in [
            ("confirmed", None, Verdict::Pass, None),
            ("unknown", None, Verdict::Pass, None),
            ("taken-over", None, Verdict::Warn, Some(Place::Here)),
            ("tv-off", None, Verdict::Warn, Some(Place::Tv)),
            ("covered-suspected", None, Verdict::Warn, Some(Place::Tv)),
            ("broken", Some("page"), Verdict::Fail, Some(Place::Here)),
            ("broken", Some("encoder"), Verdict::Fail, Some(Place::Here)),
            ("broken", Some("network"), Verdict::Fail, Some(Place::Network)),
            ("broken", Some("tv"), Verdict::Fail, Some(Place::Tv)),
            ("broken", Some("player"), Verdict::Fail, Some(Place::Here)),
            ("broken", None, Verdict::Fail, Some(Place::Here)),
        ] {
            let found = with(vec![cast(verdict, link, None)]);
            assert_eq!(found.verdict, expected, "{found:?}");
            assert_eq!(found.fixes.first().map(|fix| fix.place), place, "{found:?}");
            assert!(found.says.contains("Hall"), "{found:?}");
            let says = format!("session 0123abcd, http://h/d on Hall: {verdict}: so");
            assert!(found.evidence.contains(&says), "{found:?}");
        }
    }

    #[test]
    fn the_worst_cast_is_told_and_a_slate_is_no_page() {
        let found = with(vec![cast("confirmed", None, None), cast("tv-off", None, None)]);
        assert_eq!(found.verdict, Verdict::Warn);
        let found = with(vec![cast("confirmed", None, Some("HTTP 502"))]);
        assert_eq!(found.verdict, Verdict::Fail);
        assert!(found.evidence.contains(&"page: HTTP 502".to_owned()), "{found:?}");
    }
}
