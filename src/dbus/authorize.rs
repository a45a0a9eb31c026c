//! Who may call. The bus policy has let the caller in; whether it may do what it asks for is polkit's
//! decision, and polkit is asked about the sender of the message, never about us.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::process::getuid;
use tokio::time::timeout;
use zbus::{
    Connection,
    fdo::DBusProxy,
    message::{Flags, Header},
    names::UniqueName,
    proxy::{Builder, CacheProperties},
};
use zbus_polkit::policykit1::{
    AuthorityProxy, AuthorizationResult, CheckAuthorizationFlags, Subject,
};

use super::{
    error::{Error, Kind},
    names::Bus,
    turns::{Turn, Turns},
};

/// For somebody to find the password. The caller has long given up then.
const PASSWORD_LIMIT: Duration = Duration::from_secs(120);
/// For polkit to read its rules; a slow disk is no reason to refuse anybody.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// Its members may cast; the same in the polkit rule that comes with the service.
const GROUP: &str = "dashboard-cast";

/// What polkit decides about. `dbus/org.dashboardcast1.policy` describes them to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Show a page on a TV, look at it, take it off.
    Cast,
    /// Have another configuration count.
    Configure,
}

impl Action {
    const fn id(self) -> &'static str {
        match self {
            Self::Cast => "org.dashboardcast1.cast",
            Self::Configure => "org.dashboardcast1.configure",
        }
    }
}

/// With this the names of its own errors begin.
const POLKIT_ERROR: &str = "org.freedesktop.PolicyKit1.";

/// Lets callers do things, or not. A clone is another handle.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    bus: Bus,
    /// The group's number, where there is such a group.
    group: Option<u32>,
    commands: Turns,
    passwords: Turns,
    /// That polkit cannot be asked has been said.
    is_alone: Arc<AtomicBool>,
}

impl Gate {
    pub(super) fn new(bus: Bus) -> Self {
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        let group = number_of(GROUP, &groups);
        let (commands, passwords) = (Turns::of_commands(), Turns::of_passwords());
        Self { bus, group, commands, passwords, is_alone: Arc::default() }
    }

    /// Lets the sender of this message do this, as long as the answer is held. `details` are what
    /// polkit can show and log.
    ///
    /// # Errors
    /// It may not, or does too much at a time.
    pub(super) async fn admit(
        &self,
        connection: &Connection,
        call: &Header<'_>,
        action: Action,
        details: &[(&str, &str)],
    ) -> Result<Turn, Error> {
        let Some(sender) = call.sender() else {
            return Err(Error::new(Kind::AccessDenied, "the message has no sender"));
        };
        let turn = self.commands.take(sender)?;
        // A session bus takes connections of its own user only.
        if self.bus == Bus::Session {
            return Ok(turn);
        }
        let question = Question { connection, call, action, details };
        // Nobody is asked for a password at first: most callers need none, and those who do wait apart.
        let answer = match question.ask(CheckAuthorizationFlags::empty(), ANSWER_LIMIT).await? {
            Ok(answer) => answer,
            // It is there, and has its reasons.
            Err(zbus::Error::MethodError(name, why, _)) if name.starts_with(POLKIT_ERROR) => {
                tracing::debug!(%name, why, "polkit refuses to answer");
                return Err(Error::new(Kind::AccessDenied, "polkit refuses to answer"));
            }
            Err(error) => {
                if !self.is_alone.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "polkit cannot be asked; user and group decide");
                }
                return self.decide_alone(connection, sender, action).await.map(|()| turn);
            }
        };
        self.is_alone.store(false, Ordering::Relaxed);
        let may_ask = call.primary().flags().contains(Flags::ALLOW_INTERACTIVE_AUTH);
        if !(may_ask && answer.is_challenge && !answer.is_authorized) {
            return judge(&answer, may_ask).map(|()| turn);
        }
        drop(turn);
        let waiting = self.passwords.take(sender)?;
        let flags = CheckAuthorizationFlags::ALLOW_USER_INTERACTION;
        let answer = question.ask(flags, PASSWORD_LIMIT).await?.map_err(|error| {
            tracing::debug!(%error, "polkit was lost while it asked for a password");
            Error::new(Kind::AccessDenied, "polkit was lost while it asked for a password")
        })?;
        drop(waiting);
        judge(&answer, may_ask)?;
        self.commands.take(sender)
    }

    /// Without polkit: root and our own user may do all, members of the group may cast.
    async fn decide_alone(
        &self,
        connection: &Connection,
        sender: &UniqueName<'_>,
        action: Action,
    ) -> Result<(), Error> {
        let refusal = || {
            let message = match action {
                Action::Cast => format!("only root and members of the group {GROUP} may do this"),
                Action::Configure => "only root may do this".to_owned(),
            };
            Error::new(Kind::AccessDenied, message)
        };
        let bus: DBusProxy<'_> = uncached(connection).await.map_err(|_| refusal())?;
        // It fails for a caller that has gone.
        let caller =
            bus.get_connection_credentials(sender.clone().into()).await.map_err(|_| refusal())?;
        let user = caller.unix_user_id().ok_or_else(refusal)?;
        let groups = caller.unix_group_ids().map(Vec::as_slice).unwrap_or_default();
        let is_member = self.group.is_some_and(|group| groups.contains(&group));
        if user == 0 || user == getuid().as_raw() || (action == Action::Cast && is_member) {
            Ok(())
        } else {
            Err(refusal())
        }
    }
}

/// What polkit is asked.
struct Question<'a> {
    connection: &'a Connection,
    call: &'a Header<'a>,
    action: Action,
    details: &'a [(&'a str, &'a str)],
}

impl Question<'_> {
    /// What polkit says, or why it cannot be asked.
    ///
    /// # Errors
    /// It does not answer, and then nobody may do anything: it might say no.
    async fn ask(
        &self,
        flags: CheckAuthorizationFlags,
        limit: Duration,
    ) -> Result<zbus::Result<AuthorizationResult>, Error> {
        let asking = async {
            let subject = Subject::new_for_message_header(self.call)
                .map_err(|error| zbus::Error::Failure(error.to_string()))?;
            let details: HashMap<_, _> = self.details.iter().copied().collect();
            let polkit: AuthorityProxy<'_> = uncached(self.connection).await?;
            let (action, id) = (self.action.id(), self.cancellation_id());
            polkit.check_authorization(&subject, action, &details, flags, &id).await
        };
        let Ok(answer) = timeout(limit, asking).await else {
            self.cancel().await;
            return Err(Error::new(Kind::AccessDenied, "there was no answer in time"));
        };
        Ok(answer)
    }

    /// Takes the question away again.
    async fn cancel(&self) {
        let Ok(polkit) = uncached::<AuthorityProxy<'_>>(self.connection).await else { return };
        let id = self.cancellation_id();
        let cancelling = polkit.cancel_check_authorization(&id);
        match timeout(ANSWER_LIMIT, cancelling).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "cancelling a question of polkit"),
            Err(_) => tracing::debug!("polkit does not answer"),
        }
    }

    /// Unlike any other question of ours: a serial number is its sender's own.
    fn cancellation_id(&self) -> String {
        let sender = self.call.sender().map_or("", |sender| sender.as_str());
        format!("{sender}/{}", self.call.primary().serial_num())
    }
}

fn judge(answer: &AuthorizationResult, may_ask: bool) -> Result<(), Error> {
    if answer.is_authorized {
        return Ok(());
    }
    if answer.is_challenge {
        let message = match may_ask {
            true => "authentication required, and nobody could be asked for a password",
            false => "authentication required, and the call does not allow to ask for a password",
        };
        return Err(Error::new(Kind::InteractiveAuthorizationRequired, message));
    }
    Err(Error::new(Kind::AccessDenied, "polkit does not allow this to the caller"))
}

/// A proxy that remembers no properties and so subscribes to nothing.
async fn uncached<'a, P>(connection: &Connection) -> zbus::Result<P>
where
    P: zbus::proxy::Defaults + zbus::proxy::ProxyImpl<'a> + From<zbus::Proxy<'a>>,
{
    Builder::new(connection).cache_properties(CacheProperties::No).build().await
}

/// The number of a group in the words of `/etc/group`, where a package's group is.
fn number_of(group: &str, groups: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(group)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let groups = "root:x:0:\ndashboard-cast-gpu:x:998:\ndashboard-cast:x:997:me,you\nbroken\n";
        assert_eq!(number_of("dashboard-cast", groups), Some(997));
        assert_eq!(number_of("dashboard", groups), None);
        assert_eq!(number_of("broken", groups), None);
    }
}
