//! `dashboard-cast status`: what is running.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    exit::Failure,
    screen::{Screen, Style, print, print_json, say, wrapped},
    service::{Event, Media, Service, ServiceError, Session, choose, since},
    sessions::{Detail, roughly, state_style, stream, table, verdict_style},
};
use crate::dbus::Bus;

/// Of the events of a session's cast; the rest is in the JSON.
const EVENTS_SHOWN: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Shows all of this session, given by its id, the beginning of it, its TV or its target.
    session: Option<String>,
    /// Prints JSON, as `GET /status` answers, or `GET /sessions/ID` with the events on its TV.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(bus: Bus, arguments: Arguments) -> Result<(), Failure> {
    let service = Service::connect(bus).await?;
    let screen = Screen::of(&std::io::stdout());
    let sessions = service.objects().await?.sessions;
    if let Some(asked) = &arguments.session {
        let session = choose(&sessions, Some(asked)).map_err(ServiceError::from)?;
        let media = service.media(session).await?;
        let events = service.timeline(session).await?;
        if arguments.json {
            let mut view = session.view(media.as_ref());
            view["events"] = json!(events);
            return print_json(&view);
        }
        return print(&page(session, media.as_ref(), &events, Timestamp::now(), screen));
    }
    if arguments.json {
        let mut views = Vec::new();
        for session in &sessions {
            match service.media(session).await {
                Ok(media) => views.push(session.view(media.as_ref())),
                Err(ServiceError::Ended) => {}
                Err(error) => return Err(error.into()),
            }
        }
        return print_json(&status(&views));
    }
    if sessions.is_empty() {
        say("Nothing is running.");
    }
    print(&table(&sessions, Detail::Problems).text(screen))
}

/// As `GET /status` answers.
fn status(sessions: &[Value]) -> Value {
    let running = sessions.iter().rfind(|session| session["state"] != "ended");
    json!({
        "status": if running.is_some() { "casting" } else { "idle" },
        "stream": running,
        "sessions": sessions,
    })
}

/// All of a session, a fact a line.
fn page(
    session: &Session,
    media: Option<&Media>,
    events: &[Event],
    now: Timestamp,
    screen: Screen,
) -> String {
    let mut lines = Lines { text: String::new(), screen };
    lines.add("Session", &session.id, Style::Plain);
    lines.add("Page", &session.url, Style::Plain);
    if let Some(shown) = shown(session) {
        lines.add("", &shown, Style::Plain);
    }
    if let Some(problem) = &session.page.problem {
        lines.add("", problem, Style::Bad);
    }
    lines.add("State", &session.state_words(), state_style(session));
    if let Some(tv) = &session.device {
        lines.add("TV", &tv.name, Style::Plain);
    }
    if let Some(cast) = &session.cast {
        let verdict = format!("{}: {}", cast.verdict_words(), cast.why);
        lines.add("Verdict", &verdict, verdict_style(cast));
        let state = match &cast.state.detail {
            Some(detail) => format!("{} ({detail})", cast.state.name),
            None => cast.state.name.clone(),
        };
        lines.add("Cast", &state, Style::Plain);
        if let Some(lag) = cast.lag_words() {
            lines.add("Lag", &lag, Style::Plain);
        }
    }
    if let Some(stream) = stream(session) {
        lines.add("Video", &stream, Style::Plain);
    }
    if let Some(again) =
        session.video.as_ref().map(|video| video.discontinuities).filter(|n| *n > 0)
    {
        lines.add("", &format!("the encoder was started again {}", times(again)), Style::Doubtful);
    }
    lines.add("Audio", &session.audio, Style::Plain);
    if let Some(at) = session.started_at {
        lines.add("Started", &format!("{} ago", roughly(since(at, now))), Style::Plain);
    }
    if let Some(media) = media {
        lines.add("HLS", &media.hls, Style::Plain);
        lines.add("fMP4", &media.fmp4, Style::Plain);
    }
    let shown = events.len().saturating_sub(EVENTS_SHOWN);
    for (number, event) in events.iter().skip(shown).enumerate() {
        let at =
            event.at.map_or_else(String::new, |at| format!("{} ago: ", roughly(since(at, now))));
        let again =
            if event.times > 1 { format!(" ({})", times(event.times)) } else { String::new() };
        let name = if number == 0 { "Events" } else { "" };
        lines.add(name, &format!("{at}{}: {}{again}", event.event, event.detail), Style::Plain);
    }
    lines.text
}

/// What the page says of itself.
fn shown(session: &Session) -> Option<String> {
    let page = &session.page;
    let mut parts: Vec<String> = page.title.iter().map(|title| format!("\"{title}\"")).collect();
    parts.extend(page.http_status.map(|status| format!("HTTP {status}")));
    if page.reloads > 0 {
        parts.push(format!("loaded again {}", times(page.reloads)));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

struct Lines {
    text: String,
    screen: Screen,
}

impl Lines {
    fn add(&mut self, name: &str, value: &str, style: Style) {
        let mut name = Style::Heading.paint(&format!("{name:9}"), self.screen);
        for line in wrapped(value, 9, self.screen) {
            self.text.push_str(&format!("{name}{}\n", style.paint(&line, self.screen)));
            name = " ".repeat(9);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::service::tests::session;

    #[test]
    fn what_is_not_running_is_idle() {
        let expected = json!({"status": "idle", "stream": null, "sessions": []});
        assert_eq!(status(&[]), expected);
        let two = ["live", "ended"].map(|state| json!({"session_id": state, "state": state}));
        let status = status(&two);
        assert_eq!(status["status"], "casting");
        assert_eq!(status["stream"]["session_id"], "live");
    }

    #[test]
    fn all_of_a_session_is_told() {
        let session = session(json!({
            "Id": "1a2b3c4d", "StartedAt": 1_700_000_000_000_000_u64, "Url": "http://dash.lan/",
            "State": "live", "Audio": "silent", "DeviceName": "Kitchen", "Verdict": "confirmed",
            "VerdictReason": "it plays", "CastState": "playing", "Lag": 2.0, "PageTitle": "Load",
            "PageStatus": 200, "PageReloads": 2, "Encoder": "libx264", "Width": 1280,
            "Height": 720, "FrameRate": 30, "BitRate": 2_500_000, "SentFrameRate": 4,
            "SentBitRate": 799_600, "Segments": 7, "Discontinuities": 1
        }));
        let media = Media { hls: "http://h/a.m3u8".to_owned(), fmp4: "http://h/a.mp4".to_owned() };
        let events = [
            (1_700_000_001_000_000, "launching".to_owned(), "the player is started".to_owned(), 1),
            (1_700_000_002_000_000, "playing".to_owned(), "it plays".to_owned(), 3),
        ]
        .map(Event::from);
        let now = Timestamp::from_second(1_700_000_062).unwrap();
        let expected = "\
Session  1a2b3c4d
Page     http://dash.lan/
         \"Load\", HTTP 200, loaded again 2 times
State    live
TV       Kitchen
Verdict  confirmed: it plays
Cast     playing
Lag      2.0 s
Video    1280x720, 4 of 30/s, 799 of 2500 kbit/s, libx264, 7 segments
         the encoder was started again once
Audio    silent
Started  1min 2s ago
HLS      http://h/a.m3u8
fMP4     http://h/a.mp4
Events   1min 1s ago: launching: the player is started
         1min ago: playing: it plays (3 times)
";
        assert_eq!(page(&session, Some(&media), &events, now, Screen::default()), expected);
    }
}
