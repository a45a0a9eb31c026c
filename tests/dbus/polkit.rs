//! A polkit that answers as the test says, and remembers what it was asked.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tokio::sync::Notify;
use zbus::{Connection, OwnedVariant, connection::Builder, interface};

use crate::bus::PrivateBus;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Yes,
    No,
    /// Yes to this action, and to no other.
    Only(&'static str),
    /// Yes, if somebody may be asked for a password, who then gives it.
    Password,
    /// Somebody is asked for a password, and goes for a walk.
    Silence,
    /// It says that the question is wrong.
    Refusal,
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.PolicyKit1.Error")]
enum PolkitError {
    #[zbus(error)]
    Bus(zbus::Error),
    CancellationIdNotUnique(String),
}

/// What it was asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) action: String,
    pub(crate) details: HashMap<String, String>,
    pub(crate) may_ask: bool,
}

#[derive(Debug)]
struct Authority {
    verdict: Arc<Mutex<Verdict>>,
    questions: Arc<Mutex<Vec<Question>>>,
    came: Arc<Notify>,
}

#[derive(Debug)]
pub(crate) struct Polkit {
    verdict: Arc<Mutex<Verdict>>,
    questions: Arc<Mutex<Vec<Question>>>,
    /// Tells of each question.
    pub(crate) came: Arc<Notify>,
    connection: Option<Connection>,
}

impl Polkit {
    pub(crate) async fn start(bus: &PrivateBus, verdict: Verdict) -> Self {
        let mut polkit = Self::absent();
        polkit.decide(verdict);
        let authority = Authority {
            verdict: Arc::clone(&polkit.verdict),
            questions: Arc::clone(&polkit.questions),
            came: Arc::clone(&polkit.came),
        };
        let connection = Builder::address(bus.zbus_address())
            .serve_at("/org/freedesktop/PolicyKit1/Authority", authority)
            .name("org.freedesktop.PolicyKit1")
            .build();
        polkit.connection = Some(connection.await.unwrap());
        polkit
    }

    /// None that could be asked.
    pub(crate) fn absent() -> Self {
        let verdict = Arc::new(Mutex::new(Verdict::No));
        Self { verdict, questions: Arc::default(), came: Arc::default(), connection: None }
    }

    pub(crate) fn decide(&self, verdict: Verdict) {
        *self.verdict.lock().unwrap() = verdict;
    }

    pub(crate) fn questions(&self) -> Vec<Question> {
        self.questions.lock().unwrap().clone()
    }
}

#[interface(name = "org.freedesktop.PolicyKit1.Authority")]
impl Authority {
    async fn check_authorization(
        &self,
        subject: (String, HashMap<String, OwnedVariant>),
        action: String,
        details: HashMap<String, String>,
        flags: u32,
        _cancellation_id: String,
    ) -> Result<((bool, bool, HashMap<String, String>),), PolkitError> {
        let (kind, facts) = subject;
        let name = facts
            .get("name")
            .map_or_else(String::new, |name| String::try_from(name.clone()).unwrap());
        let may_ask = flags & 1 == 1;
        let verdict = *self.verdict.lock().unwrap();
        let is_meant = matches!(verdict, Verdict::Only(allowed) if allowed == action);
        self.questions.lock().unwrap().push(Question { kind, name, action, details, may_ask });
        self.came.notify_one();
        let (yes, challenge) = match verdict {
            Verdict::Yes => (true, false),
            Verdict::No => (false, false),
            Verdict::Only(_) => (is_meant, false),
            Verdict::Password => (may_ask, !may_ask),
            Verdict::Silence if may_ask => std::future::pending().await,
            Verdict::Silence => (false, true),
            Verdict::Refusal => {
                return Err(PolkitError::CancellationIdNotUnique("asked twice".to_owned()));
            }
        };
        Ok(((yes, challenge, HashMap::new()),))
    }

    fn cancel_check_authorization(&self, _cancellation_id: String) {}
}
