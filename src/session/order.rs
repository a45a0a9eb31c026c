use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::SessionSpec;
use crate::ids::{MediaToken, SessionId};

/// All that a session is made from. One that has a TV outlives the daemon in this form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub id: SessionId,
    /// Where anybody who knows it can watch.
    pub token: MediaToken,
    /// Where its TV watches, and nobody else: what is fetched there, the TV has fetched.
    pub tv_token: MediaToken,
    pub started_at: Timestamp,
    /// When it ends by itself.
    pub ends_at: Option<Timestamp>,
    /// When the time of its stream began.
    pub origin: Timestamp,
    pub spec: SessionSpec,
}

impl Order {
    /// Its end has come.
    pub(super) fn is_over(&self) -> bool {
        self.ends_at.is_some_and(|end| end <= Timestamp::now())
    }
}
