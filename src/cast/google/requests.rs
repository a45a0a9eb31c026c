//! What the TV was asked and has not answered.

use tokio::time::Instant;

use super::failure::PlayerError;

/// A question, with what is needed to make sense of its answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    /// What runs on the TV.
    Look,
    Launch {
        /// It was cancelled once and asked again.
        again: bool,
        /// The run of the player that was there before.
        before: Option<String>,
    },
    Load {
        url: String,
        /// What was loaded before.
        before: Option<i64>,
        /// What the player has said of its trouble since.
        error: Option<PlayerError>,
    },
    /// What the player does.
    Poll,
    Play,
    Stop,
    SetVolume,
}

#[derive(Debug)]
struct Open {
    id: u32,
    request: Request,
    /// `None`: it waits for a person.
    deadline: Option<Instant>,
}

/// Holds at most one request of each kind, so a TV that answers nothing does not make it grow: the
/// younger request is the one that counts, an answer to the older is taken for mere news.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u32,
    open: Vec<Open>,
}

impl Requests {
    /// Notes a request and gives it its number, which is unique on this connection and never 0.
    pub(super) fn open(&mut self, request: Request, deadline: Instant) -> u32 {
        let kind = std::mem::discriminant(&request);
        self.open.retain(|open| std::mem::discriminant(&open.request) != kind);
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.open.push(Open { id: self.last, request, deadline: Some(deadline) });
        self.last
    }

    pub(super) fn get(&self, id: u32) -> Option<&Request> {
        self.open.iter().find(|open| open.id == id).map(|open| &open.request)
    }

    /// The request of which this is true, with its number.
    pub(super) fn find(&self, is: fn(&Request) -> bool) -> Option<(u32, &Request)> {
        self.open.iter().find(|open| is(&open.request)).map(|open| (open.id, &open.request))
    }

    pub(super) fn find_mut(&mut self, is: fn(&Request) -> bool) -> Option<&mut Request> {
        self.open.iter_mut().map(|open| &mut open.request).find(|request| is(request))
    }

    pub(super) fn close(&mut self, id: u32) -> Option<Request> {
        let at = self.open.iter().position(|open| open.id == id)?;
        Some(self.open.swap_remove(at).request)
    }

    /// Closes the request of which this is true.
    pub(super) fn take(&mut self, is: fn(&Request) -> bool) -> Option<Request> {
        let at = self.open.iter().position(|open| is(&open.request))?;
        Some(self.open.swap_remove(at).request)
    }

    /// Sets when a request has waited long enough; `None` for never.
    pub(super) fn set_deadline(&mut self, id: u32, deadline: Option<Instant>) {
        if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
            open.deadline = deadline;
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.iter().filter_map(|open| open.deadline).min()
    }

    /// Closes one request whose time is over.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<Request> {
        let over = |open: &Open| open.deadline.is_some_and(|deadline| deadline <= now);
        let at = self.open.iter().position(over)?;
        Some(self.open.swap_remove(at).request)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn there_is_one_of_each_kind_and_the_youngest_counts() {
        let mut requests = Requests::default();
        let now = Instant::now();
        let first = requests.open(Request::Look, now);
        let second = requests.open(Request::Look, now);
        let other = requests.open(Request::Poll, now);
        assert!(first != second && second != other);
        assert_eq!(requests.close(first), None);
        assert_eq!(requests.close(second), Some(Request::Look));
        assert_eq!(requests.close(second), None);
        assert_eq!(requests.get(other), Some(&Request::Poll));
    }

    #[test]
    fn time_takes_what_is_due_and_spares_what_waits_for_a_person() {
        let mut requests = Requests::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        requests.open(Request::Play, later);
        let launch = requests.open(Request::Launch { again: false, before: None }, now);
        requests.set_deadline(launch, None);
        assert_eq!(requests.deadline(), Some(later));
        assert_eq!(requests.take_expired(now), None);
        assert_eq!(requests.take_expired(later), Some(Request::Play));
        assert_eq!(requests.take_expired(later), None);
        assert_eq!(requests.deadline(), None);
    }

    #[test]
    fn numbers_start_again_without_zero() {
        let mut requests = Requests { last: u32::MAX, open: Vec::new() };
        assert_eq!(requests.open(Request::Look, Instant::now()), 1);
    }
}
