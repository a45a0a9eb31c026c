//! Sessions for people: the table that `status` and `watch` show, and what stands below its lines.

use std::time::Duration;

use super::{
    screen::Style,
    service::{Cast, Session, Size},
    table::{Cell, Column, Row, Table},
};
use crate::config::TimeSpan;

const COLUMNS: [Column; 5] = [
    Column::whole("SESSION"),
    Column::shrinking("PAGE"),
    Column::whole("STATE"),
    Column::shrinking("TV"),
    Column::whole("VERDICT"),
];

/// How much a table says of each session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What is not as it should be.
    Problems,
    /// Its stream, too.
    Stream,
}

pub(super) fn table(sessions: &[Session], detail: Detail) -> Table<5> {
    Table { columns: COLUMNS, rows: sessions.iter().map(|session| row(session, detail)).collect() }
}

fn row(session: &Session, detail: Detail) -> Row<5> {
    let tv = session.device.as_ref().map(|tv| tv.name.clone());
    let verdict = match &session.cast {
        Some(cast) => Cell::new(cast.verdict_words(), verdict_style(cast)),
        None => None.into(),
    };
    let mut notes = problems(session);
    if detail == Detail::Stream
        && let Some(mut stream) = stream(session)
    {
        if let Some(lag) = session.cast.as_ref().and_then(Cast::lag_words) {
            stream.push_str(&format!(", lag {lag}"));
        }
        notes.push(Cell::new(stream, Style::Faint));
    }
    Row {
        cells: [
            session.id.clone().into(),
            session.url.clone().into(),
            Cell::new(session.state.clone(), state_style(session)),
            tv.into(),
            verdict,
        ],
        notes,
    }
}

pub(super) fn state_style(session: &Session) -> Style {
    match session.state.as_str() {
        "live" => Style::Good,
        "recovering" => Style::Doubtful,
        _ => Style::Plain,
    }
}

pub(super) fn verdict_style(cast: &Cast) -> Style {
    match cast.verdict.as_str() {
        "confirmed" => Style::Good,
        "covered-suspected" | "taken-over" | "tv-off" => Style::Doubtful,
        "broken" => Style::Bad,
        _ => Style::Plain,
    }
}

/// What is not as it should be, a sentence each.
fn problems(session: &Session) -> Vec<Cell> {
    let mut problems = Vec::new();
    if let Some(problem) = &session.page.problem {
        problems.push(Cell::new(format!("page: {problem}"), Style::Bad));
    } else if let Some(detail) = session.state_detail.as_ref().filter(|_| session.state != "live") {
        problems.push(Cell::new(format!("{}: {detail}", session.state), state_style(session)));
    }
    if let Some(cast) = session.cast.as_ref().filter(|cast| cast.verdict != "confirmed") {
        problems.push(Cell::new(format!("TV: {}", cast.why), verdict_style(cast)));
    }
    problems
}

/// Frames and kbit in a second: what there is now, and the most.
pub(super) fn rates(now: Option<(u32, u64)>, (frames, bits): (u32, u64)) -> String {
    match now {
        Some((f, b)) => format!("{f} of {frames}/s, {b} of {bits} kbit/s"),
        None => format!("at most {frames}/s, {bits} kbit/s"),
    }
}

/// What is sent, once something is.
pub(super) fn stream(session: &Session) -> Option<String> {
    let video = session.video.as_ref()?;
    let sent = video.sent.map(|sent| (sent.frame_rate, sent.bit_rate / 1000));
    let rates = rates(sent, (video.frame_rate, video.bit_rate / 1000));
    let Size { width, height } = video.size;
    Some(format!("{width}x{height}, {rates}, {}, {} segments", video.encoder, video.segments))
}

/// A span in its two largest units: nobody counts the seconds of a day.
pub(super) fn roughly(span: Duration) -> String {
    let unit = match span.as_secs() {
        0..3_600 => 1,
        3_600..86_400 => 60,
        _ => 3_600,
    };
    TimeSpan::from_secs(span.as_secs() / unit * unit).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::cli::{screen::Screen, service::tests::session};

    fn sessions() -> Vec<Session> {
        vec![
            session(json!({
                "Id": "1a2b3c4d", "State": "live", "DeviceName": "Living room",
                "Url": "http://homeassistant.local:8123/lovelace-kiosk/overview?kiosk=true&theme=x",
                "Verdict": "confirmed", "VerdictReason": "it plays", "Lag": 2.3, "Encoder": "libx264",
                "Width": 1920, "Height": 1080, "FrameRate": 30, "BitRate": 5_000_000,
                "SentFrameRate": 5, "SentBitRate": 812_345, "Segments": 12
            })),
            session(json!({
                "Id": "5e6f7a8b", "Url": "http://x/", "State": "recovering",
                "StateDetail": "page", "PageProblem": "HTTP 500",
                "DeviceName": "Küche", "Verdict": "broken", "VerdictLink": "page",
                "VerdictReason": "HTTP 500"
            })),
        ]
    }

    #[test]
    fn on_80_columns_addresses_give_way_and_words_stay_whole() {
        let screen = Screen { width: Some(80), ..Screen::default() };
        let expected = "\
SESSION   PAGE                            STATE       TV           VERDICT
1a2b3c4d  http://homeassistant.local:81…  live        Living room  confirmed
  1920x1080, 5 of 30/s, 812 of 5000 kbit/s, libx264, 12 segments, lag 2.3 s
5e6f7a8b  http://x/                       recovering  Küche        broken (page)
  page: HTTP 500
  TV: HTTP 500
";
        let text = table(&sessions(), Detail::Stream).text(screen);
        assert_eq!(text, expected);
        assert!(text.lines().all(|line| line.width() <= 80));
    }

    #[test]
    fn in_a_pipe_nothing_is_shortened() {
        let text = table(&sessions(), Detail::Problems).text(Screen::default());
        assert!(text.contains("/overview?kiosk=true&theme=x  live"), "{text}");
        assert!(!text.contains('\x1b') && !text.contains("segments"), "{text}");
    }

    #[test]
    fn spans_are_told_as_people_do() {
        for (seconds, told) in
            [(0, "0s"), (59, "59s"), (3_599, "59min 59s"), (3_661, "1h 1min"), (90_061, "1d 1h")]
        {
            assert_eq!(roughly(Duration::from_secs(seconds)), told);
        }
    }
}
