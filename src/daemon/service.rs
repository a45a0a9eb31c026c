//! What the daemon owes the service manager that started it: that it is ready, how it is, and a sign of
//! life.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{interval, sleep, timeout},
};

use crate::{
    activity::Activity,
    control::{Changes, Core},
    session::Snapshot,
    systemd::{self, Watchdog},
};

/// Between two lines for `systemctl status`, which nobody reads as fast as things can change.
const PAUSE: Duration = Duration::from_millis(500);

/// Says that the daemon is ready, and attends to the service manager for as long as it is polled.
pub(super) async fn attend<C: Core>(core: Arc<C>) {
    if !systemd::is_service() {
        return;
    }
    systemd::ready();
    let mut tasks = JoinSet::new();
    if let Some(watchdog) = Watchdog::of_this_process() {
        tasks.spawn(feed(watchdog, Arc::clone(&core)));
    }
    // Not those of TVs, which the line does not tell of.
    let Changes { mut sessions, mut gpus, .. } = core.changes();
    loop {
        systemd::status(&status_line(&core.sessions(), core.health().encoder.as_deref()));
        sleep(PAUSE).await;
        tokio::select! {
            Ok(()) = sessions.changed() => {}
            Ok(()) = gpus.changed() => {}
            // There will be no more; what feeds the watchdog goes on.
            else => return std::future::pending().await,
        }
    }
}

/// Comes back when there has been no session, and nobody who asked for something, for as long as is
/// configured.
pub(super) async fn idle<C: Core>(
    core: Arc<C>,
    activity: Activity,
    mut limit: watch::Receiver<Option<Duration>>,
) {
    let mut sessions = core.changes().sessions;
    loop {
        let after = *limit.borrow_and_update();
        let quiet = async {
            match after {
                Some(after) if core.sessions().is_empty() => activity.quiet(after).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = quiet => return,
            Ok(()) = sessions.changed() => activity.ask(),
            Ok(()) = limit.changed() => {}
            // Nothing will change any more: the daemon ends.
            else => return,
        }
    }
}

/// Feeds the watchdog as long as the core answers: a lock that is never given back, or a runtime without
/// a free thread, ends the daemon, and what is kept on disk goes on with the next one.
async fn feed<C: Core>(watchdog: Watchdog, core: Arc<C>) {
    let mut ticks = interval(watchdog.interval());
    loop {
        ticks.tick().await;
        let asked = Arc::clone(&core);
        let answer = tokio::spawn(async move { drop((asked.health(), asked.sessions())) });
        match timeout(watchdog.interval(), answer).await {
            Ok(Ok(())) => watchdog.feed(),
            Ok(Err(error)) => tracing::error!(%error, "looking after ourselves"),
            Err(_) => tracing::error!("the core does not answer, leaving it to the watchdog"),
        }
    }
}

/// How it is, in a line.
fn status_line(sessions: &[Snapshot], encoder: Option<&str>) -> String {
    let encoder = encoder.unwrap_or("nothing");
    let mut line = match sessions.len() {
        0 => return format!("idle; {encoder} would encode"),
        1 => "1 session: ".to_owned(),
        several => format!("{several} sessions: "),
    };
    for (number, session) in sessions.iter().enumerate() {
        let separator = if number == 0 { "" } else { "; " };
        // Writing to a string cannot fail.
        let _ = match (&session.tv, &session.cast) {
            (Some(tv), Some(cast)) => {
                write!(line, "{separator}{} {}", tv.name, cast.verdict.finding)
            }
            _ => write!(line, "{separator}{} {}", session.id, session.state.name),
        };
    }
    line + "; " + encoder + " encodes"
}
