//! `dashboard-cast watch`: what is running, as it changes, until Ctrl-C.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use clap::Args;
use jiff::Timestamp;
use rustix::process;
use serde_json::json;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    exit::Failure,
    screen::{Screen, Style, escaped, fitted, is_capable, print},
    service::{Service, ServiceError, Session},
    sessions::{Detail, table},
};
use crate::dbus::Bus;

/// Faster would only flicker, and each look is a call to the service.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(200);
/// Counters grow without a signal.
const REDRAW: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Prints each change as a line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(bus: Bus, arguments: Arguments) -> Result<(), Failure> {
    let mut ends = Ends::new()?;
    let watching = async {
        let service = Service::connect(bus).await?;
        let out = io::stdout();
        if out.is_terminal() && is_capable() && !arguments.json {
            draw(&service).await
        } else {
            write_lines(&service, arguments.json).await
        }
    };
    tokio::select! {
        () = ends.next() => Ok(()),
        outcome = watching => outcome,
    }
}

/// What ends it: none of them is a failure.
struct Ends([Signal; 3]);

impl Ends {
    fn new() -> io::Result<Self> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    async fn next(&mut self) {
        let Self([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// The sessions; `None` when the service has gone, which a watcher waits out.
async fn look(service: &Service) -> Result<Option<Vec<Session>>, ServiceError> {
    match service.objects().await {
        Ok(objects) => Ok(Some(objects.sessions)),
        Err(error) if error.is_away() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The other screen of a terminal: its own comes back as it was, however this ends.
struct Canvas;

impl Canvas {
    fn open() -> Result<Self, Failure> {
        print("\x1b[?1049h\x1b[?25l")?;
        Ok(Self)
    }
}

impl Drop for Canvas {
    fn drop(&mut self) {
        let mut out = io::stdout();
        // A terminal that is gone needs nothing back.
        drop(out.write_all(b"\x1b[?25h\x1b[?1049l").and_then(|()| out.flush()));
    }
}

/// One view, drawn over and over.
async fn draw(service: &Service) -> Result<(), Failure> {
    let mut resized = signal(SignalKind::window_change())?;
    let mut suspended = signal(SignalKind::from_raw(process::Signal::TSTP.as_raw()))?;
    let changes = service.changes().await?;
    // A service that is not there at the start is an error, as for every other verb.
    let mut sessions = Some(service.objects().await?.sessions);
    let mut canvas = Canvas::open()?;
    let mut ticks = interval(REDRAW);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        print(&frame(sessions.as_deref(), Screen::of(&io::stdout())))?;
        tokio::select! {
            _ = resized.recv() => continue,
            _ = suspended.recv() => {
                // The shell is not to be written on the canvas.
                drop(canvas);
                process::kill_process(process::getpid(), process::Signal::STOP).map_err(io::Error::from)?;
                canvas = Canvas::open()?;
            }
            () = changes.next() => sleep(LOOK_AT_MOST_EVERY).await,
            _ = ticks.tick() => {}
        }
        sessions = look(service).await?;
    }
}

/// A whole screen, no line more.
fn frame(sessions: Option<&[Session]>, screen: Screen) -> String {
    let heading = match sessions {
        None => "The service is not running.".to_owned(),
        Some([]) => "Nothing is running.".to_owned(),
        Some([_]) => "1 session".to_owned(),
        Some(several) => format!("{} sessions", several.len()),
    };
    let heading = fitted(&format!("{heading}  (Ctrl-C ends)"), screen);
    let mut lines = vec![Style::Faint.paint(&heading, screen), String::new()];
    lines.extend(table(sessions.unwrap_or_default(), Detail::Stream).lines(screen));
    if let Some(height) = screen.height
        && lines.len() > height
    {
        let shown = height.saturating_sub(1);
        let more = format!("… {} lines more", lines.len() - shown);
        lines.truncate(shown);
        lines.push(fitted(&more, screen));
    }
    // Each line clears what it leaves of the one before; what is below the last one goes, too.
    format!("\x1b[H{}\x1b[K\x1b[J", lines.join("\x1b[K\r\n"))
}

/// A line for each change.
async fn write_lines(service: &Service, json: bool) -> Result<(), Failure> {
    let changes = service.changes().await?;
    let mut sessions = Some(service.objects().await?.sessions);
    let mut log = Log::default();
    loop {
        print(&log.update(sessions.as_deref().unwrap_or_default(), Timestamp::now(), json))?;
        changes.next().await;
        sleep(LOOK_AT_MOST_EVERY).await;
        sessions = look(service).await?;
    }
}

/// What was printed last of each session that runs.
#[derive(Debug, Default)]
struct Log {
    printed: BTreeMap<String, String>,
}

impl Log {
    fn update(&mut self, sessions: &[Session], now: Timestamp, json: bool) -> String {
        // Nobody needs the nanoseconds of a line.
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let mut text = String::new();
        let mut before = std::mem::take(&mut self.printed);
        for session in sessions {
            let line = line(session);
            if before.remove(&session.id).as_ref() != Some(&line) {
                text.push_str(&match json {
                    true => json_line(json!(session), now),
                    false => format!("{now} {} {line}\n", session.id),
                });
            }
            self.printed.insert(session.id.clone(), line);
        }
        for id in before.keys() {
            text.push_str(&match json {
                true => json_line(json!({"session_id": id, "state": "ended"}), now),
                false => format!("{now} {id} ended\n"),
            });
        }
        text
    }
}

fn json_line(mut value: serde_json::Value, now: Timestamp) -> String {
    value["at"] = json!(now);
    format!("{}\n", escaped(&value.to_string()))
}

/// What makes a session another one for who watches: not its counters, and not its title, in which
/// many a page has a clock.
pub(super) fn line(session: &Session) -> String {
    let mut line = session.state_words();
    if let Some(cast) = &session.cast {
        line.push_str(&format!(" {}", cast.verdict_words()));
    }
    line.push_str(&format!(" {}", session.title()));
    if let Some(problem) = &session.page.problem {
        line.push_str(&format!(": page: {problem}"));
    } else if let Some(cast) = session.cast.as_ref().filter(|cast| cast.verdict != "confirmed") {
        line.push_str(&format!(": TV: {}", cast.why));
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::cli::service::tests::session;

    fn now() -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_123).unwrap()
    }

    fn on_tv(verdict: &str, segments: u64) -> Session {
        session(json!({
            "Id": "1a", "Url": "http://x/", "State": "live", "DeviceName": "Hall",
            "Verdict": verdict, "VerdictReason": "so it is", "Encoder": "libx264",
            "Segments": segments
        }))
    }

    #[test]
    fn a_change_is_a_line_and_a_counter_is_none() {
        let mut log = Log::default();
        let first = log.update(&[on_tv("unknown", 1)], now(), false);
        let expected = "2023-11-14T22:13:20Z 1a live unknown http://x/ on Hall: TV: so it is\n";
        assert_eq!(first, expected);
        assert_eq!(log.update(&[on_tv("unknown", 2)], now(), false), "");
        let confirmed = log.update(&[on_tv("confirmed", 3)], now(), false);
        assert_eq!(confirmed, "2023-11-14T22:13:20Z 1a live confirmed http://x/ on Hall\n");
        assert_eq!(log.update(&[], now(), false), "2023-11-14T22:13:20Z 1a ended\n");
        assert_eq!(log.update(&[], now(), false), "");
    }

    #[test]
    fn a_change_is_a_line_of_json() {
        let mut log = Log::default();
        let text = log.update(&[on_tv("unknown", 1)], now(), true);
        let line: Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(line["cast"]["verdict"], "unknown");
        assert_eq!(line["at"], "2023-11-14T22:13:20Z");
        let gone: Value = serde_json::from_str(&log.update(&[], now(), true)).unwrap();
        assert_eq!(gone["state"], "ended");
    }

    #[test]
    fn a_view_is_never_larger_than_the_terminal() {
        let many: Vec<_> = (0..40).map(|number| on_tv("unknown", number)).collect();
        let screen = Screen { width: Some(80), height: Some(24), colours: false };
        let frame = frame(Some(&many), screen);
        assert_eq!(frame.split("\r\n").count(), 24);
        assert!(frame.contains("… 100 lines more"), "{frame}");
    }
}
