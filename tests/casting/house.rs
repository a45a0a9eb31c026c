//! TVs, a page for them, and a daemon that knows them.
//!
//! Most tests are guests: each has a TV of its own, and they share a daemon. As all show the same
//! page, they share a browser as well. What kills and restarts things has a house of its own.

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    cast::Cast,
    support::{
        pages::{Pages, plain},
        stage::Stage,
        wait::wait_for,
    },
    tv::Tv,
};

/// For what takes a few seconds on a machine that has nothing else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One Chromium is all that two cores can draw and encode in time: guests share one, others wait.
static TURN: RwLock<()> = RwLock::new(());

/// For tests with a house of their own.
pub(crate) fn turn() -> RwLockWriteGuard<'static, ()> {
    TURN.write().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct House {
    // Fields are dropped in this order: the daemon ends before what it needs.
    pub(crate) stage: Stage,
    pub(crate) pages: Pages,
    pub(crate) tvs: Vec<Tv>,
}

impl House {
    /// With TVs named by their number: `tv-0`, `tv-1` and so on.
    #[track_caller]
    pub(crate) fn with(count: usize) -> Self {
        Self::built(count, "")
    }

    #[track_caller]
    fn built(count: usize, devices: &str) -> Self {
        let tvs: Vec<Tv> = (0..count).map(|_| Tv::start()).collect();
        let names = tvs.iter().enumerate().map(|(n, tv)| format!("{}={}", name(n), tv.address()));
        let config = config(&names.collect::<Vec<_>>(), devices);
        let pages = Pages::serve();
        pages.put_page("board", plain(""));
        Self { stage: Stage::set(&config), pages, tvs }
    }

    /// Starts the page on a TV; `request` says what else is wanted.
    #[track_caller]
    pub(crate) fn start(&self, tv: usize, mut request: Value) -> Cast<'_> {
        request["device"] = json!(name(tv));
        self.start_anywhere(request)
    }

    #[track_caller]
    pub(crate) fn start_anywhere(&self, mut request: Value) -> Cast<'_> {
        request["url"] = json!(self.pages.url("board"));
        let session = self.stage.start(request);
        Cast::new(&self.stage, &session.id)
    }

    /// A cast that was there before the daemon.
    #[track_caller]
    pub(crate) fn cast(&self, id: &str) -> Cast<'_> {
        let path = format!("sessions/{id}");
        wait_for("kept session", PATIENCE, || (self.stage.get(&path).status == 200).then_some(()));
        Cast::new(&self.stage, id)
    }

    /// Another daemon in the place of one that has ended.
    #[track_caller]
    pub(crate) fn again(self) -> Self {
        let Self { stage, pages, tvs } = self;
        Self { stage: stage.again(), pages, tvs }
    }
}

/// A configuration with these TVs.
pub(crate) fn config(tvs: &[String], devices: &str) -> String {
    format!(
        "[sessions]\nmost = 32\n\
         [devices]\ndiscover = false\nstatic = {}\n{devices}\n",
        json!(tvs)
    )
}

fn name(tv: usize) -> String {
    format!("tv-{tv}")
}

/// Enough for all guests of a run. The first one is the default.
const ROOMS: usize = 48;

struct Shared {
    house: House,
    next: AtomicUsize,
}

/// The shared house stands as long as there are guests.
static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

/// A test with a TV of its own in the shared house.
pub(crate) struct Guest {
    shared: Option<Arc<Shared>>,
    number: usize,
    started: Mutex<Vec<String>>,
    _turn: RwLockReadGuard<'static, ()>,
}

impl Guest {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let mut guest = Self::of_default();
        let number = guest.shared().next.fetch_add(1, Ordering::Relaxed);
        assert!(number < ROOMS, "there are more guests than TVs");
        guest.number = number;
        guest
    }

    /// One test has the TV that is meant when none is named.
    #[track_caller]
    pub(crate) fn of_default() -> Self {
        let turn = TURN.read().unwrap_or_else(PoisonError::into_inner);
        let mut door = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = door.upgrade().unwrap_or_else(|| {
            let house = House::built(ROOMS, &format!("default = \"{}\"", name(0)));
            // Keeps browser and encoder running between the guests.
            let keeper = house.start_anywhere(json!({"device": "none", "target": "keeper"}));
            keeper.session().wait_live();
            let shared = Arc::new(Shared { house, next: AtomicUsize::new(1) });
            *door = Arc::downgrade(&shared);
            shared
        });
        Self { shared: Some(shared), number: 0, started: Mutex::default(), _turn: turn }
    }

    fn shared(&self) -> &Shared {
        self.shared.as_ref().expect("a house that stands while there is a guest")
    }

    pub(crate) fn house(&self) -> &House {
        &self.shared().house
    }

    pub(crate) fn stage(&self) -> &Stage {
        &self.house().stage
    }

    pub(crate) fn tv(&self) -> &Tv {
        &self.house().tvs[self.number]
    }

    /// The TV's.
    pub(crate) fn name(&self) -> String {
        name(self.number)
    }

    /// Starts the page on the guest's TV.
    #[track_caller]
    pub(crate) fn start(&self, mut request: Value) -> Cast<'_> {
        request["device"] = json!(self.name());
        self.start_anywhere(request)
    }

    #[track_caller]
    pub(crate) fn start_anywhere(&self, request: Value) -> Cast<'_> {
        let cast = self.house().start_anywhere(request);
        self.started.lock().unwrap_or_else(PoisonError::into_inner).push(cast.id.clone());
        cast
    }

    /// The page is on the guest's TV, and confirmed.
    #[track_caller]
    pub(crate) fn confirmed(&self, request: Value) -> Cast<'_> {
        let cast = self.start(request);
        cast.wait_confirmed();
        cast
    }

    #[track_caller]
    pub(crate) fn stop(&self, cast: &Cast<'_>) {
        let answer = self.stage().post("stop", &json!({"session_id": cast.id}).to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("dashboard-cast has said so far:\n{}", self.stage().daemon.log());
        }
        for id in self.started.get_mut().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // It may have ended, and whoever is panicking must not do so again.
            let url = self.shared.as_ref().map(|shared| shared.house.stage.daemon.url("stop"));
            let stop = json!({"session_id": id}).to_string();
            let request = url.map(|url| ureq::post(url.as_str()).content_type("application/json"));
            drop(request.map(|request| request.send(stop)));
        }
        // The last guest pulls the house down before another one builds it again.
        let _door = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.shared.take());
    }
}
