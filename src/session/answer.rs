/// What a stop came to. Both are what the caller wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    Stopped,
    NotRunning,
}

/// Whether the program can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The encoder that sessions use or would use, in libavcodec's words. `None` when none works.
    pub encoder: Option<String>,
    /// Whether the GPU's QuickSync engine can be used, by this or by the next session.
    pub quicksync_available: bool,
    /// Why it is this encoder and no better one; a sentence for people.
    pub encoder_reason: Option<String>,
    /// Whether there is a TV to cast to: the default one, or any when there is no default.
    pub cast_device_available: bool,
    /// What is wrong, a sentence each with what to do about it. Empty when all is well.
    pub problems: Vec<String>,
}
