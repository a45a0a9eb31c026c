//! The service as its clients on the bus see it: what the command line calls.
//!
//! Properties are not here but for one: a client that shows something wants all of them at one moment,
//! and `GetManagedObjects` gives them at once.

use std::collections::HashMap;

use zbus::{ObjectPath, OwnedObjectPath, OwnedVariant, Result, Variant, proxy};

/// One event of a session's cast: when, in microseconds since 1970; the event in kebab-case; a sentence;
/// and how often it came in a row.
pub type TimelineEntry = (u64, String, String, u32);

/// `org.dashboardcast1.Manager`: all sessions and TVs.
#[proxy(
    interface = "org.dashboardcast1.Manager",
    default_service = "org.dashboardcast1",
    default_path = "/org/dashboardcast1"
)]
pub trait Manager {
    /// Starts a session and returns its object.
    #[zbus(allow_interactive_auth)]
    fn start_cast(&self, url: &str, options: HashMap<&str, Variant<'_>>)
    -> Result<OwnedObjectPath>;

    /// Starts a cast of the configuration, or finds it running.
    #[zbus(allow_interactive_auth)]
    fn start_named(&self, cast: &str) -> Result<OwnedObjectPath>;

    /// Ends a session, and returns when nothing is left of it.
    #[zbus(allow_interactive_auth)]
    fn stop_cast(&self, session: &ObjectPath<'_>) -> Result<()>;

    /// Ends all sessions, and tells how many there were.
    #[zbus(allow_interactive_auth)]
    fn stop_all(&self) -> Result<u32>;

    /// Reads the configuration again and returns a sentence for each thing that changed.
    #[zbus(allow_interactive_auth)]
    fn reload(&self) -> Result<Vec<String>>;
}

/// `org.dashboardcast1.Session`: one page on its stream, and perhaps on a TV.
#[proxy(interface = "org.dashboardcast1.Session", default_service = "org.dashboardcast1")]
pub trait Session {
    /// Shows another page in the same stream.
    #[zbus(allow_interactive_auth)]
    fn navigate(&self, url: &str) -> Result<()>;

    /// Loads the page again.
    #[zbus(allow_interactive_auth)]
    fn reload(&self) -> Result<()>;

    /// What is on the stream now, as PNG.
    #[zbus(allow_interactive_auth)]
    fn snapshot(&self) -> Result<Vec<u8>>;

    /// Where it can be watched. Nobody is asked for a password for it: it is only ever said beside
    /// something else.
    fn get_media(&self) -> Result<HashMap<String, String>>;

    /// What happened to its cast, the oldest event first.
    #[zbus(property)]
    fn timeline(&self) -> Result<Vec<TimelineEntry>>;
}

/// `org.dashboardcast1.Health`: whether all is well.
#[proxy(
    interface = "org.dashboardcast1.Health",
    default_service = "org.dashboardcast1",
    default_path = "/org/dashboardcast1"
)]
pub trait Health {
    /// The facts of `GET /health`, by the same names.
    fn check(&self) -> Result<HashMap<String, OwnedVariant>>;
}
