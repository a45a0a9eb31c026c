//! Whether anybody is there who wants something of this service.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// Counts those who are there. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct Activity(watch::Sender<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    /// How many are there now.
    present: usize,
    /// When somebody came, left, or asked for something.
    last: Instant,
}

/// Somebody who is there until this is dropped.
#[derive(Debug)]
pub struct Visit(Activity);

impl Default for Activity {
    fn default() -> Self {
        Self(watch::Sender::new(State { present: 0, last: Instant::now() }))
    }
}

impl Activity {
    /// Somebody comes.
    pub fn come(&self) -> Visit {
        self.note(1);
        Visit(self.clone())
    }

    /// Somebody asked for something, who is not known to come or go.
    pub fn ask(&self) {
        self.note(0);
    }

    fn note(&self, coming: isize) {
        self.0.send_modify(|state| {
            state.present = state.present.saturating_add_signed(coming);
            state.last = Instant::now();
        });
    }

    /// Comes back when nobody has been there for this long.
    pub async fn quiet(&self, limit: Duration) {
        let mut state = self.0.subscribe();
        loop {
            let State { present, last } = *state.borrow_and_update();
            tokio::select! {
                () = sleep_until(last + limit), if present == 0 => return,
                // The sender is here.
                _ = state.changed() => {}
            }
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.note(-1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn who_is_there_keeps_it_awake_and_who_asks_for_a_while() {
        let activity = Activity::default();
        let begin = Instant::now();
        let people = async {
            sleep_until(begin + LIMIT / 2).await;
            let visit = activity.come();
            sleep_until(begin + LIMIT * 5).await;
            drop(visit);
            sleep_until(begin + LIMIT * 5 + LIMIT / 2).await;
            activity.ask();
        };
        tokio::join!(people, activity.quiet(LIMIT));
        assert_eq!(begin.elapsed(), LIMIT * 6 + LIMIT / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_at_all_is_quiet_from_the_start() {
        let begin = Instant::now();
        Activity::default().quiet(LIMIT).await;
        assert_eq!(begin.elapsed(), LIMIT);
    }
}
