//! Waiting until a page is where it should be, and saying meanwhile what it waits for.

use std::{future, io::IsTerminal, time::Duration};

use tokio::{
    signal::unix::Signal,
    time::{Instant, sleep_until},
};

use crate::cli::{
    exit::Failure,
    screen::{Screen, say, wrapped},
    service::{Changes, Service, Session},
};

/// What is broken may come right by itself: pages and TVs are tried again. A page may take 30 s until
/// its loading counts as failed, and then the slate is all that there will be for a while.
const TROUBLE_LIMIT: Duration = Duration::from_secs(30);

/// Where the words of progress begin, below those of the line before.
const INDENT: usize = 9;

/// What a session is on its way to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// On its way.
    Pending,
    /// It is where it should be.
    Shown,
    /// It will not come there without somebody doing something; why, as a sentence.
    Failed(String),
    /// Something is broken, and is tried again; why.
    Troubled(String),
}

impl Outcome {
    fn of(session: &Session) -> Self {
        let problem = session.page.problem.clone();
        match session.state.as_str() {
            "ended" | "stopping" => {
                let why = session.state_detail.clone().or(problem).unwrap_or_default();
                return Self::Failed(format!("the session has ended: {why}"));
            }
            "recovering" => {
                return Self::Troubled(problem.unwrap_or_else(|| session.state_words()));
            }
            _ => {}
        }
        let live = session.state == "live";
        match (&session.cast, session.device.as_ref()) {
            (None, None) if live && problem.is_none() => Self::Shown,
            (None, _) => problem.map_or(Self::Pending, Self::Troubled),
            (Some(cast), _) => match cast.verdict.as_str() {
                // It plays; the rest is said, and is the viewers' to judge.
                "confirmed" | "covered-suspected" => Self::Shown,
                "taken-over" | "tv-off" => {
                    Self::Failed(format!("it is not on the TV: {}", cast.why))
                }
                "broken" => Self::Troubled(cast.why.clone()),
                _ => Self::Pending,
            },
        }
    }
}

/// What was said last, so that it is said once.
#[derive(Debug, Default)]
struct Progress {
    page: String,
    encoder: String,
    tv: String,
}

impl Progress {
    /// The lines that are new.
    fn update(&mut self, session: &Session) -> Vec<String> {
        let page = match (&session.page.problem, session.page.http_status) {
            (Some(problem), _) => problem.clone(),
            (None, None) => "is being opened".to_owned(),
            (None, Some(status)) => {
                let title = session.page.title.as_deref().unwrap_or(&session.url);
                format!("shown: {title} (HTTP {status})")
            }
        };
        let encoder = match &session.video {
            None => "is being started".to_owned(),
            Some(video) => format!(
                "{} {}x{}, at most {}/s",
                video.encoder, video.size.width, video.size.height, video.frame_rate
            ),
        };
        let tv = match (&session.device, &session.cast) {
            (Some(tv), Some(cast)) => {
                format!("{}: {}: {}", tv.name, cast.verdict_words(), cast.why)
            }
            _ => String::new(),
        };
        let parts = [
            ("page   ", page, &mut self.page),
            ("encoder", encoder, &mut self.encoder),
            ("TV     ", tv, &mut self.tv),
        ];
        let mut lines = Vec::new();
        for (name, words, said) in parts {
            if *said != words {
                lines.push(format!("{name}  {words}"));
                *said = words;
            }
        }
        lines
    }
}

/// Comes back once the session is shown, and says meanwhile how far it is when somebody looks on.
///
/// # Errors
/// It has failed, or something has been broken for too long, or the caller has had enough: in the last
/// two cases the session goes on.
pub(super) async fn until_shown(
    service: &Service,
    changes: &Changes,
    mut interrupted: Signal,
    mut session: Session,
) -> Result<(), Failure> {
    let stderr = std::io::stderr();
    let mut progress = Progress::default();
    let mut troubled: Option<Instant> = None;
    loop {
        if stderr.is_terminal() {
            let screen = Screen::of(&stderr);
            for line in progress.update(&session) {
                say(&wrapped(&line, INDENT, screen).join(&format!("\n{:INDENT$}", "")));
            }
        }
        let why = match Outcome::of(&session) {
            Outcome::Shown => return Ok(()),
            Outcome::Failed(why) => return Err(failure(why, &session)),
            Outcome::Pending => {
                troubled = None;
                String::new()
            }
            Outcome::Troubled(why) => {
                troubled.get_or_insert_with(Instant::now);
                why
            }
        };
        let limit = troubled.map(|since| since + TROUBLE_LIMIT);
        let enough = async {
            match limit {
                Some(limit) => sleep_until(limit).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            () = changes.next() => {}
            () = enough => return Err(failure(why, &session)),
            _ = interrupted.recv() => {
                say(&format!("The session goes on: dashboard-cast status {}", session.id));
                return Err(Failure::said());
            }
        }
        session = super::find(service, &session.path).await?;
    }
}

fn failure(why: String, session: &Session) -> Failure {
    let taken = session.cast.as_ref().is_some_and(|cast| cast.verdict == "taken-over");
    let remedy = if taken { "Take the screen: start it with --on-busy preempt. " } else { "" };
    let hint = format!(
        "{remedy}What happened: dashboard-cast status {id}. Unless it has ended, it goes on trying; end it: \
         dashboard-cast stop {id}",
        id = session.id
    );
    Failure::because(why, hint)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::service::tests::session;

    fn with(facts: Value) -> Session {
        let mut properties = json!({"Id": "1a", "Url": "http://x/", "State": "live"});
        for (name, value) in facts.as_object().unwrap() {
            properties[name] = value.clone();
        }
        session(properties)
    }

    fn on_tv(verdict: &str, why: &str) -> Session {
        with(json!({"DeviceName": "Hall", "Verdict": verdict, "VerdictReason": why}))
    }

    #[test]
    fn without_a_tv_live_is_enough_but_a_slate_is_not() {
        assert_eq!(Outcome::of(&with(json!({}))), Outcome::Shown);
        assert_eq!(Outcome::of(&with(json!({"State": "starting"}))), Outcome::Pending);
        let slate = with(json!({"PageProblem": "HTTP 500"}));
        assert_eq!(Outcome::of(&slate), Outcome::Troubled("HTTP 500".to_owned()));
        let ended = with(json!({"State": "ended", "StateDetail": "replaced"}));
        assert!(matches!(Outcome::of(&ended), Outcome::Failed(why) if why.contains("replaced")));
    }

    #[test]
    fn with_a_tv_its_verdict_counts() {
        assert_eq!(Outcome::of(&on_tv("confirmed", "")), Outcome::Shown);
        assert_eq!(Outcome::of(&on_tv("unknown", "on its way")), Outcome::Pending);
        assert_eq!(Outcome::of(&on_tv("broken", "no")), Outcome::Troubled("no".to_owned()));
        let taken = Outcome::of(&on_tv("taken-over", "Netflix is on"));
        assert_eq!(taken, Outcome::Failed("it is not on the TV: Netflix is on".to_owned()));
        // Not yet on the TV's list.
        assert_eq!(Outcome::of(&with(json!({"DeviceName": "Hall"}))), Outcome::Pending);
        // A word that did not exist when this was written.
        assert_eq!(Outcome::of(&on_tv("mirrored", "")), Outcome::Pending);
    }

    #[test]
    fn what_did_not_change_is_not_said_again() {
        let mut progress = Progress::default();
        let starting = with(json!({"State": "starting"}));
        let lines = ["page     is being opened", "encoder  is being started"];
        assert_eq!(progress.update(&starting), lines);
        assert!(progress.update(&starting).is_empty());
        let shown = with(json!({"PageStatus": 200, "PageTitle": "Load"}));
        assert_eq!(progress.update(&shown), ["page     shown: Load (HTTP 200)"]);
    }
}
