use std::fmt;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Somebody said stop.
    Stopped,
    /// Another page was started for the same target.
    Replaced,
    /// The requested duration is over.
    Elapsed,
    /// The daemon ends.
    Shutdown,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "stopped",
            Self::Replaced => "replaced",
            Self::Elapsed => "duration-elapsed",
            Self::Shutdown => "shutdown",
        })
    }
}
