//! A session on a TV.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    house::PATIENCE,
    support::{
        stage::{Session, Stage},
        wait::wait_for,
    },
};

/// What a verdict must be known within, on a machine that is busy with other things as well; on one
/// that is not it is half of that.
const LIMIT: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(crate) struct Cast<'a> {
    stage: &'a Stage,
    pub(crate) id: String,
}

impl<'a> Cast<'a> {
    pub(crate) fn new(stage: &'a Stage, id: &str) -> Self {
        Self { stage, id: id.to_owned() }
    }

    #[track_caller]
    pub(crate) fn session(&self) -> Session<'a> {
        self.stage.session(&self.id)
    }

    /// The session as a whole.
    #[track_caller]
    pub(crate) fn view(&self) -> Value {
        self.session().view()
    }

    /// What is known of its TV.
    #[track_caller]
    pub(crate) fn tv(&self) -> Value {
        let id = &self.view()["device"]["id"];
        let devices = self.stage.get("devices").json();
        let mut devices = devices["devices"].as_array().expect("TVs").iter();
        devices.find(|tv| tv["id"] == *id).expect("its TV").clone()
    }

    /// How it is on the TV, as a name.
    #[track_caller]
    pub(crate) fn state(&self) -> String {
        self.view()["cast"]["state"]["name"].as_str().expect("a state").to_owned()
    }

    /// All that happened to it, the oldest event first.
    #[track_caller]
    pub(crate) fn timeline(&self) -> Vec<Value> {
        let timeline = self.stage.get(&format!("sessions/{}/timeline", self.id));
        assert_eq!(timeline.status, 200, "{timeline:?}");
        timeline.json()["events"].as_array().expect("events").clone()
    }

    /// How often this happened.
    #[track_caller]
    pub(crate) fn count(&self, event: &str) -> u64 {
        let timeline = self.timeline();
        let such = timeline.iter().filter(|entry| entry["event"] == event);
        such.map(|entry| entry["times"].as_u64().expect("a number")).sum()
    }

    /// How often the verdict became this.
    #[track_caller]
    pub(crate) fn times(&self, verdict: &str) -> usize {
        let begin = format!("{verdict}: ");
        let is = |entry: &&Value| {
            let detail = entry["detail"].as_str().expect("a detail");
            entry["event"] == "verdict" && detail.starts_with(&begin)
        };
        self.timeline().iter().filter(is).count()
    }

    /// Waits until the verdict became this more often than `before`, be it for a moment.
    #[track_caller]
    pub(crate) fn wait_times(&self, verdict: &str, before: usize) {
        let end = Instant::now() + PATIENCE;
        wait_for(verdict, 2 * PATIENCE, || {
            if self.times(verdict) > before {
                return Some(());
            }
            let late = Instant::now() >= end;
            assert!(!late, "no {verdict} in {PATIENCE:?}: {:#?}", self.timeline());
            None
        });
    }

    /// Waits for a state, and returns its detail.
    #[track_caller]
    pub(crate) fn wait_state(&self, name: &str) -> String {
        self.wait(name, PATIENCE, |view| view["state"]["name"] == name);
        self.view()["cast"]["state"]["detail"].as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn wait_confirmed(&self) {
        self.wait("confirmed", PATIENCE, |view| verdict(view) == "confirmed");
    }

    /// Checks that the verdict is this within the time that it may take, and prints that time.
    #[track_caller]
    pub(crate) fn expect(&self, expected: &str, since: Instant, fact: &str) {
        let left = LIMIT.saturating_sub(since.elapsed());
        self.wait(expected, left, |view| verdict(view) == expected);
        eprintln!("{fact}: {expected} after {:.1} s", since.elapsed().as_secs_f64());
        let cast = &self.view()["cast"];
        assert!(cast["why"].as_str().is_some_and(|why| !why.is_empty()), "{cast}");
    }

    #[track_caller]
    fn wait(&self, what: &str, limit: Duration, reached: impl Fn(&Value) -> bool) {
        let end = Instant::now() + limit;
        wait_for(what, 2 * (limit + PATIENCE), || {
            let view = self.view();
            if reached(&view["cast"]) {
                return Some(());
            }
            let late = Instant::now() >= end;
            assert!(!late, "no {what} in {limit:?}: {view:#}\n{:#?}", self.timeline());
            None
        });
    }
}

/// As the timeline has it.
fn verdict(cast: &Value) -> String {
    let verdict = cast["verdict"].as_str().unwrap_or("none");
    match cast["link"].as_str() {
        Some(link) => format!("{verdict}({link})"),
        None => verdict.to_owned(),
    }
}
