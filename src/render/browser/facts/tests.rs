use serde_json::json;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const PAGE: &str = "http://host/d";

/// A page, told in Chromium's words.
struct Story {
    facts: Facts,
    start: Instant,
    now: Instant,
}

impl Story {
    fn begin() -> Self {
        let start = Instant::now();
        let facts = Facts::new("F".into(), Size::new(1280, 720), 30 * SECOND);
        Self { facts, start, now: start }
    }

    /// Told of everything that is due until then.
    fn wait(&mut self, span: Duration) -> Vec<String> {
        let until = self.now + span;
        let mut told = Vec::new();
        while let Some(deadline) = self.facts.deadline().filter(|deadline| *deadline <= until) {
            self.now = deadline;
            told.extend(self.facts.tick(deadline).map(|effect| word(&effect)));
        }
        self.now = until;
        told
    }

    fn command(&mut self, url: &str) -> String {
        let effect = self.facts.commanded(&url.parse().unwrap(), self.now);
        word(&effect)
    }

    fn event(&mut self, method: &str, params: Value) -> String {
        let method = method.to_owned();
        let effect = self.facts.event(&Event { method, params }, self.now);
        effect.map_or_else(String::new, |effect| word(&effect))
    }

    fn start(&mut self, loader: &str, url: &str) -> String {
        self.event(
            "Page.frameStartedNavigating",
            json!({"frameId": "F", "loaderId": loader, "url": url,
                   "navigationType": "differentDocument"}),
        )
    }

    fn response(&mut self, loader: &str, status: u16) -> String {
        self.event(
            "Network.responseReceived",
            json!({"frameId": "F", "loaderId": loader, "requestId": loader, "type": "Document",
                   "response": {"url": PAGE, "status": status}}),
        )
    }

    fn request_fails(&mut self, loader: &str, error: &str) -> String {
        self.event(
            "Network.loadingFailed",
            json!({"requestId": loader, "type": "Document", "errorText": error}),
        )
    }

    fn commit(&mut self, loader: &str, url: &str) -> String {
        self.event(
            "Page.frameNavigated",
            json!({"frame": {"id": "F", "loaderId": loader, "url": url}}),
        )
    }

    fn error_page(&mut self, loader: &str) -> String {
        self.event(
            "Page.frameNavigated",
            json!({"frame": {"id": "F", "loaderId": loader, "unreachableUrl": PAGE,
                             "url": "chrome-error://chromewebdata/"}}),
        )
    }

    fn lifecycle(&mut self, loader: &str, name: &str) -> String {
        self.event("Page.lifecycleEvent", json!({"frameId": "F", "loaderId": loader, "name": name}))
    }

    fn looked(&mut self, answer: Value) -> Vec<String> {
        let effects = self.facts.looked(Some(&answer), self.now);
        effects.iter().map(word).collect()
    }

    /// A page that answers well.
    fn answered(&mut self, title: &str) -> Vec<String> {
        self.looked(json!([title, 1280, 720, 1, "host/d", false]))
    }

    /// From the command to the page that is there.
    #[track_caller]
    fn loaded() -> Self {
        let mut story = Self::begin();
        assert_eq!(story.command(PAGE), "loading http://host/d");
        assert_eq!(story.start("L1", PAGE), "");
        assert_eq!(story.response("L1", 200), "");
        assert_eq!(story.commit("L1", PAGE), "");
        assert_eq!(story.lifecycle("L1", "load"), "look");
        assert_eq!(story.answered("Home"), ["loaded http://host/d Home Some(200)"]);
        story
    }

    fn passed(&self) -> u64 {
        (self.now - self.start).as_secs()
    }
}

fn word(effect: &Effect) -> String {
    match effect {
        Effect::Look => "look".into(),
        Effect::Tell(BrowserEvent::Loading { url }) => format!("loading {url}"),
        Effect::Tell(BrowserEvent::Loaded { url, title, http_status }) => {
            format!("loaded {url} {title} {http_status:?}")
        }
        Effect::Tell(BrowserEvent::Failed(failure)) => format!("failed {failure:?}"),
        Effect::Tell(BrowserEvent::Title(title)) => format!("title {title}"),
        Effect::Tell(BrowserEvent::Responsive) => "responsive".into(),
        Effect::Tell(other) => format!("{other:?}"),
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_page_is_loaded_when_it_is_drawn_even_if_one_image_never_comes() {
    let mut story = Story::begin();
    story.command(PAGE);
    story.start("L1", PAGE);
    story.response("L1", 200);
    story.commit("L1", PAGE);
    assert_eq!(story.lifecycle("L1", "firstContentfulPaint"), "");
    assert_eq!(story.lifecycle("L1", "DOMContentLoaded"), "look");
    assert_eq!(story.answered("t"), ["loaded http://host/d t Some(200)"]);
    assert_eq!(story.lifecycle("L1", "load"), "");
}

#[test]
fn an_http_error_is_a_failure_whatever_page_comes_with_it() {
    let mut story = Story::begin();
    story.command(PAGE);
    story.start("L1", PAGE);
    assert_eq!(story.response("L1", 503), "failed Http { status: 503 }");
    assert_eq!(story.commit("L1", PAGE), "");
    assert_eq!(story.lifecycle("L1", "load"), "");
    assert_eq!(story.wait(300 * SECOND), NOTHING);
}

#[test]
fn an_http_error_without_a_page_is_told_once() {
    let mut story = Story::begin();
    story.command(PAGE);
    story.start("L1", PAGE);
    assert_eq!(story.response("L1", 500), "failed Http { status: 500 }");
    let error = "net::ERR_HTTP_RESPONSE_CODE_FAILURE";
    assert_eq!(story.request_fails("L1", error), "");
    assert!(story.facts.navigation_failed(error, story.now).is_none());
    assert_eq!(story.error_page("L1"), "");
}

#[test]
fn a_failed_request_is_told_once_with_chromiums_word() {
    for (error, kind) in [
        ("net::ERR_NAME_NOT_RESOLVED", "Network"),
        ("net::ERR_CERT_AUTHORITY_INVALID", "Certificate"),
    ] {
        let mut story = Story::begin();
        story.command(PAGE);
        story.start("L1", PAGE);
        assert_eq!(
            story.request_fails("L1", error),
            format!("failed {kind} {{ error: {error:?} }}")
        );
        assert!(story.facts.navigation_failed(error, story.now).is_none());
        assert_eq!(story.error_page("L1"), "");
        assert_eq!(story.lifecycle("L1", "load"), "");
    }
}

#[test]
fn a_navigation_that_never_begins_has_failed() {
    let mut story = Story::begin();
    story.command("chrome://crash");
    let effect = story.facts.navigation_failed("net::ERR_ABORTED", story.now);
    assert_eq!(word(&effect.unwrap()), "failed Network { error: \"net::ERR_ABORTED\" }");
}

#[test]
fn a_certificate_refused_by_us_is_told_as_such() {
    let mut story = Story::begin();
    story.command(PAGE);
    story.start("L1", PAGE);
    story.facts.refused_certificate("ERR_CERT_DATE_INVALID");
    assert_eq!(
        story.request_fails("L1", "net::ERR_ABORTED"),
        "failed Certificate { error: \"net::ERR_CERT_DATE_INVALID\" }"
    );
}

#[test]
fn a_page_that_does_not_come_fails_in_time_and_may_come_later() {
    let mut story = Story::begin();
    story.command(PAGE);
    story.start("L1", PAGE);
    assert_eq!(story.wait(300 * SECOND), ["failed Timeout { seconds: 30 }"]);
    assert!(story.facts.is_stuck());
    story.response("L1", 200);
    story.commit("L1", PAGE);
    assert_eq!(story.lifecycle("L1", "load"), "look");
    assert_eq!(story.answered("t"), ["loaded http://host/d t Some(200)"]);
    assert!(!story.facts.is_stuck());
}

#[test]
fn forwarding_for_ever_is_not_loading_for_ever() {
    let mut story = Story::begin();
    story.command(PAGE);
    for n in 0..10 {
        story.start(&format!("L{n}"), PAGE);
        story.commit(&format!("L{n}"), PAGE);
        let told = story.wait(4 * SECOND);
        if !told.is_empty() {
            assert_eq!(told, ["failed Timeout { seconds: 30 }"]);
            assert!(story.passed() <= 32);
            return;
        }
    }
    panic!("no timeout after {} s", story.passed());
}

#[test]
fn a_page_that_reloads_itself_loads_again() {
    let mut story = Story::loaded();
    assert_eq!(story.start("L2", PAGE), "loading http://host/d");
    assert_eq!(story.wait(4 * SECOND), NOTHING);
    story.response("L2", 200);
    story.commit("L2", PAGE);
    assert_eq!(story.lifecycle("L1", "load"), "");
    assert_eq!(story.lifecycle("L2", "load"), "look");
    assert_eq!(story.answered("t"), ["loaded http://host/d t Some(200)"]);
}

#[test]
fn moving_within_the_document_is_not_loading() {
    let mut story = Story::loaded();
    let within = json!({"frameId": "F", "loaderId": "L1", "url": "http://host/d#1",
                        "navigationType": "sameDocument"});
    assert_eq!(story.event("Page.frameStartedNavigating", within), "");
}

#[test]
fn the_fragment_belongs_to_the_url() {
    let mut story = Story::begin();
    story.command("http://host/#a");
    story.start("L1", "http://host/#a");
    let commit = json!({"frame": {"id": "F", "loaderId": "L1", "url": "http://host/",
                                  "urlFragment": "#a"}});
    story.event("Page.frameNavigated", commit);
    story.lifecycle("L1", "load");
    assert_eq!(story.answered("t"), ["loaded http://host/#a t None"]);
}

#[test]
fn frames_inside_the_page_are_not_the_page() {
    let mut story = Story::loaded();
    let frame = json!({"frameId": "G", "loaderId": "L2", "url": "http://ads/",
                       "navigationType": "differentDocument"});
    assert_eq!(story.event("Page.frameStartedNavigating", frame), "");
    let response = json!({"frameId": "G", "loaderId": "L1", "type": "Document",
                          "response": {"url": "http://ads/", "status": 404}});
    assert_eq!(story.event("Network.responseReceived", response), "");
    let commit = json!({"frame": {"id": "G", "parentId": "F", "loaderId": "L2", "url": "x:"}});
    assert_eq!(story.event("Page.frameNavigated", commit), "");
}

#[test]
fn a_download_leaves_the_page_as_it_was() {
    let mut story = Story::loaded();
    assert_eq!(story.start("L2", "http://host/a.zip"), "loading http://host/a.zip");
    story.response("L2", 200);
    assert_eq!(story.request_fails("L2", "net::ERR_ABORTED"), "look");
    assert_eq!(story.answered("Home"), ["loaded http://host/d Home Some(200)"]);
}

#[test]
fn a_download_instead_of_the_page_is_a_failure() {
    let mut story = Story::begin();
    story.command(PAGE);
    story.start("L1", PAGE);
    assert_eq!(
        story.request_fails("L1", "net::ERR_ABORTED"),
        "failed Network { error: \"net::ERR_ABORTED\" }"
    );
}

#[test]
fn a_command_voids_the_page_that_was_loading() {
    let mut story = Story::begin();
    story.command(PAGE);
    story.start("L1", PAGE);
    assert_eq!(story.command("http://host/e"), "loading http://host/e");
    assert_eq!(story.request_fails("L1", "net::ERR_ABORTED"), "");
    story.start("L2", "http://host/e");
    story.commit("L2", "http://host/e");
    assert_eq!(story.lifecycle("L2", "load"), "look");
    assert_eq!(story.answered("t"), ["loaded http://host/e t None"]);
}

#[test]
fn the_error_page_of_a_page_left_behind_is_not_about_the_next() {
    let mut story = Story::begin();
    story.command(PAGE);
    story.start("L1", PAGE);
    story.request_fails("L1", "net::ERR_CONNECTION_REFUSED");
    story.command(PAGE);
    assert_eq!(story.error_page("L1"), "");
    story.start("L2", PAGE);
    assert_eq!(story.error_page("L1"), "");
    story.commit("L2", PAGE);
    assert_eq!(story.lifecycle("L2", "load"), "look");
}

#[test]
fn a_command_gets_its_own_full_time() {
    let mut story = Story::begin();
    story.command(PAGE);
    assert_eq!(story.wait(29 * SECOND), NOTHING);
    story.command(PAGE);
    assert_eq!(story.wait(29 * SECOND), NOTHING);
    assert_eq!(story.wait(SECOND), ["failed Timeout { seconds: 30 }"]);
}

#[test]
fn a_title_is_told_when_it_changes_and_is_short() {
    let mut story = Story::loaded();
    assert_eq!(story.wait(5 * SECOND), ["look"]);
    assert_eq!(story.answered("Home"), NOTHING);
    assert_eq!(story.wait(5 * SECOND), ["look"]);
    let long = "é".repeat(1000);
    assert_eq!(story.answered(&long), [format!("title {}", "é".repeat(200))]);
}

#[test]
fn a_page_that_does_not_answer_is_unresponsive_until_it_does() {
    let mut story = Story::loaded();
    assert_eq!(story.wait(300 * SECOND), ["look", "failed Unresponsive { seconds: 15 }"]);
    assert!(story.facts.is_stuck());
    assert_eq!(story.answered("Home"), ["responsive"]);
    assert!(!story.facts.is_stuck());
    assert_eq!(story.wait(5 * SECOND), ["look"]);
}

#[test]
fn a_page_whose_scripts_spoil_the_answer_still_answered() {
    let mut story = Story::loaded();
    for answer in [json!(null), json!("x"), json!([{}, "a", -1, 1e300, 7, "no"])] {
        assert_eq!(story.wait(5 * SECOND), ["look"]);
        assert_eq!(story.looked(answer), NOTHING);
    }
    assert_eq!(story.wait(5 * SECOND), ["look"]);
    assert!(story.facts.looked(None, story.now).is_empty());
}

#[test]
fn a_crash_is_told_once_and_a_reload_brings_the_page_back() {
    let mut story = Story::loaded();
    assert_eq!(story.event("Inspector.targetCrashed", json!({})), "failed Crashed");
    assert_eq!(story.event("Target.targetCrashed", json!({"targetId": "F"})), "");
    assert_eq!(story.wait(300 * SECOND), NOTHING);
    story.command(PAGE);
    story.start("L2", PAGE);
    story.response("L2", 200);
    story.commit("L2", PAGE);
    assert_eq!(story.lifecycle("L2", "load"), "look");
}

#[test]
fn a_renderer_that_ends_while_its_page_is_replaced_is_no_crash() {
    let mut story = Story::loaded();
    story.command(PAGE);
    assert_eq!(story.event("Inspector.targetCrashed", json!({})), "");
    story.start("L2", PAGE);
    story.response("L2", 200);
    story.commit("L2", PAGE);
    assert_eq!(story.lifecycle("L2", "load"), "look");
}

#[test]
fn a_viewport_that_stays_wrong_is_a_failure_until_it_is_right() {
    let mut story = Story::loaded();
    assert_eq!(story.wait(5 * SECOND), ["look"]);
    let small = json!(["Home", 1018, 658, 1, "host/d", false]);
    assert_eq!(story.looked(small.clone()), NOTHING);
    assert_eq!(story.wait(SECOND), ["look"]);
    assert_eq!(story.looked(small.clone()), NOTHING);
    assert_eq!(story.wait(SECOND), ["look"]);
    assert_eq!(story.looked(small.clone()), ["failed Viewport { width: 1018, height: 658 }"]);
    assert_eq!(story.wait(5 * SECOND), ["look"]);
    assert_eq!(story.looked(small), NOTHING);
    assert_eq!(story.wait(5 * SECOND), ["look"]);
    assert_eq!(story.answered("Home"), ["loaded http://host/d Home Some(200)"]);
}

#[test]
fn a_page_that_goes_on_asking_for_a_login_is_a_failure_until_it_is_the_wanted_one() {
    let mut story = Story::loaded();
    assert_eq!(story.wait(5 * SECOND), ["look"]);
    let login = json!(["Log in", 1280, 720, 1, "host/login", true]);
    assert_eq!(story.looked(login.clone()), ["title Log in"]);
    assert_eq!(story.wait(SECOND), ["look"]);
    assert_eq!(story.answered("Home"), ["title Home"], "it has logged in by itself");
    for told in [&["title Log in"][..], &[], &["failed Login"], &[]] {
        let told: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert_eq!(story.wait(5 * SECOND), ["look"]);
        assert_eq!(story.looked(login.clone()), told);
    }
    story.command(PAGE);
    story.start("L2", PAGE);
    story.response("L2", 200);
    story.commit("L2", "http://host/login");
    assert_eq!(story.lifecycle("L2", "load"), "look");
    assert_eq!(story.looked(json!(null)), NOTHING, "an answer that was spoilt is none");
    assert_eq!(story.wait(5 * SECOND), ["look"]);
    assert_eq!(story.looked(login.clone()), ["failed Login"], "nobody sees it for a moment");
    assert_eq!(
        story.wait(60 * SECOND),
        ["look", "failed Unresponsive { seconds: 15 }"],
        "nor when it hangs and comes back"
    );
    assert_eq!(story.looked(login), ["failed Login"]);
    assert_eq!(story.wait(5 * SECOND), ["look"]);
    assert_eq!(story.answered("Home"), ["title Home", "loaded http://host/login Home Some(200)"]);
}

#[test]
fn a_field_for_a_password_is_nothing_where_the_page_should_be() {
    let mut story = Story::loaded();
    for _ in 0..4 {
        assert_eq!(story.wait(5 * SECOND), ["look"]);
        assert_eq!(story.looked(json!(["Home", 1280, 720, 1, "host/d/", true])), NOTHING);
    }
}

#[test]
fn what_was_wrong_with_a_page_says_nothing_of_another_one() {
    let mut story = Story::loaded();
    let login = json!(["Home", 1280, 720, 1, "host/login", true]);
    for told in [&[][..], &[], &["failed Login"]] {
        assert_eq!(story.wait(5 * SECOND), ["look"]);
        let told: Vec<_> = told.iter().map(ToString::to_string).collect();
        assert_eq!(story.looked(login.clone()), told);
    }
    story.command("http://host/e");
    story.start("L2", "http://host/e");
    story.response("L2", 200);
    story.commit("L2", "http://host/login");
    assert_eq!(story.lifecycle("L2", "load"), "look");
    assert_eq!(story.looked(login), ["loaded http://host/login Home Some(200)"]);
}

#[test]
fn a_password_in_an_address_is_not_told() {
    let mut story = Story::begin();
    assert_eq!(story.command("http://me:secret@host/d"), "loading http://host/d");
    story.start("L1", "http://me:secret@host/d");
    story.commit("L1", "http://me:secret@host/d");
    assert_eq!(story.lifecycle("L1", "load"), "look");
    assert_eq!(story.answered("t"), ["loaded http://host/d t None"]);
    assert_eq!(without_password(&"x".repeat(9999)).len(), 2048);
}
