//! The log as entries of the journal, with what is known about each in fields of their own.
//!
//! A line of `journalctl` says all that a person needs; `journalctl SESSION=…` and its like find what
//! belongs together. Those that matter most have a `MESSAGE_ID`, with which the catalog explains them
//! (`journalctl -x`).

use std::fmt::{self, Write as _};

use libsystemd::logging::{Priority, connected_to_journal, journal_send};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// Events by their name in the code, and what their entries are known by. The catalog in
/// `systemd/dashboard-cast.catalog` says more about each.
const CATALOG: [(&str, &str); 13] = [
    ("session-started", "fcd56bd2e4fd42748a990d8b8038c28c"),
    ("session-ended", "8f703af66c51433fa7731ac1e0f494dc"),
    ("worker-failed", "1fdb31582c774292b43da871f2275300"),
    ("page-failed", "352175a4d8f7469b8b34b78c22e907af"),
    ("tv-event", "a8a9173fa0604bd6b021b4d19d36f826"),
    ("configuration-refused", "2c8cbda0762b4eabaf57fdbacbd4319d"),
    ("no-bus", "80985a2de7f0448581ae2df3cc60388a"),
    ("gpu-found", "f1419116a6b740d9848b6ea8b743016d"),
    ("gpu-gone", "8c898443ecdb44f28dfafc7c66d92251"),
    ("encoder-works", "bcca3759b89a436ca85e6074ca3157df"),
    ("encoder-refused", "69fbca8ed9754ad5a9a09c1e26c9ab05"),
    ("encoder-lost", "66506d974382427da27de5dee200bb23"),
    ("nothing-kept", "10e685ead94c4e3cae297b40b8e1bc49"),
];

/// Sends what is logged to the journal.
#[derive(Debug)]
pub struct Journal(());

impl Journal {
    /// Where stderr is the journal anyway, as in a service.
    pub fn where_connected() -> Option<Self> {
        connected_to_journal().then_some(Self(()))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut entry = Entry::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                entry.within(span.name(), fields);
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        entry.say(event.metadata().name(), fields);
        let metadata = event.metadata();
        entry.note("CODE_MODULE", metadata.module_path().unwrap_or_default());
        // Whoever hears of it could only log it.
        let _ = journal_send(priority(metadata.level()), &entry.message, entry.fields.into_iter());
    }
}

fn priority(level: &Level) -> Priority {
    match *level {
        Level::ERROR => Priority::Error,
        Level::WARN => Priority::Warning,
        Level::INFO => Priority::Info,
        Level::DEBUG | Level::TRACE => Priority::Debug,
    }
}

/// What a span or an event has to say, in its own order.
#[derive(Debug, Default)]
struct Fields(Vec<(&'static str, String)>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }
}

/// An entry of the journal.
#[derive(Debug, Default)]
struct Entry {
    message: String,
    fields: Vec<(String, String)>,
}

impl Entry {
    fn note(&mut self, name: &str, value: &str) {
        self.fields.push((name.to_ascii_uppercase(), value.to_owned()));
    }

    /// It happened within this: what the span is about is a field of the span's name, and what the
    /// message begins with.
    fn within(&mut self, span: &str, fields: &Fields) {
        for (name, value) in &fields.0 {
            if *name == "id" {
                // Writing to a string cannot fail.
                let _ = write!(self.message, "{value}: ");
                self.note(span, value);
            } else {
                self.note(name, value);
            }
        }
    }

    fn say(&mut self, event: &str, Fields(fields): Fields) {
        if let Some((_, id)) = CATALOG.iter().find(|(name, _)| *name == event) {
            self.note("MESSAGE_ID", id);
        }
        let message = fields.iter().find(|(name, _)| *name == "message");
        self.message.push_str(message.map_or("", |(_, message)| message));
        for (name, value) in fields.iter().filter(|(name, _)| *name != "message") {
            // Writing to a string cannot fail.
            let _ = match *name {
                // For programs: the message says the same in words.
                "device" | "event" | "verdict" => Ok(()),
                "error" | "why" => write!(self.message, ": {value}"),
                _ => write!(self.message, " {name}={value}"),
            };
            self.note(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_explains_what_has_an_id() {
        let catalog = include_str!("../../systemd/dashboard-cast.catalog");
        let explained: Vec<_> =
            catalog.lines().filter_map(|line| line.strip_prefix("-- ")).collect();
        assert_eq!(explained, CATALOG.map(|(_, id)| id));
    }

    #[test]
    fn a_line_says_all_and_fields_find_what_belongs_together() {
        let mut entry = Entry::default();
        entry.within("session", &Fields(vec![("id", "1f2e3d4c".to_owned())]));
        let fields = [
            ("message", "session ended"),
            ("reason", "stopped"),
            ("verdict", "confirmed"),
            ("error", "no more"),
        ];
        let fields = fields.map(|(name, value)| (name, value.to_owned()));
        entry.say("session-ended", Fields(fields.into()));
        assert_eq!(entry.message, "1f2e3d4c: session ended reason=stopped: no more");
        let fields: Vec<_> =
            entry.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            fields,
            [
                ("SESSION", "1f2e3d4c"),
                ("MESSAGE_ID", CATALOG[1].1),
                ("REASON", "stopped"),
                ("VERDICT", "confirmed"),
                ("ERROR", "no more"),
            ]
        );
    }
}
