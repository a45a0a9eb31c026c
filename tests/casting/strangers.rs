//! What is no TV, or is none now.

use std::{
    io::Write as _,
    mem,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    cast::Cast,
    house::{PATIENCE, config, turn},
    support::{
        pages::{Pages, plain},
        stage::Stage,
        wait::wait_for,
    },
};

/// What a listener does to whoever connects.
#[derive(Clone, Copy, Debug)]
enum Manner {
    HangsUp,
    TalksRubbish,
    SaysNothing,
}

/// Something at an address of the loopback that is no TV. Ends when dropped.
struct Stranger {
    address: SocketAddr,
    visits: Arc<Mutex<Vec<Instant>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stranger {
    fn with(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let visits: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let ends: Arc<AtomicBool> = Arc::default();
        let thread = thread::spawn({
            let (visits, ends) = (Arc::clone(&visits), Arc::clone(&ends));
            move || {
                let mut open = Vec::new();
                for visitor in listener.incoming() {
                    if ends.load(Ordering::Relaxed) {
                        return;
                    }
                    visits.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                    let mut visitor = visitor.expect("a connection");
                    match manner {
                        Manner::HangsUp => continue,
                        // A visitor that is gone already has no use for it.
                        Manner::TalksRubbish => drop(visitor.write_all(&[0x15; 4096])),
                        Manner::SaysNothing => {}
                    }
                    open.push(visitor);
                }
            }
        });
        Self { address, visits, ends, thread: Some(thread) }
    }

    fn visits(&self) -> Vec<Instant> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // It looks up when somebody comes.
        drop(TcpStream::connect(self.address));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// How long the attempts are counted.
const COUNTED: Duration = Duration::from_secs(13);
/// Within 10 s two attempts are enough. Who is visited does not see each of them equally soon.
const WINDOW: Duration = Duration::from_millis(9_700);

#[test]
fn what_is_no_tv_is_tried_gently_and_the_stream_runs() {
    let _turn = turn();
    let strangers = [Manner::HangsUp, Manner::TalksRubbish, Manner::SaysNothing].map(|manner| {
        let stranger = Stranger::with(manner);
        (format!("{manner:?}"), stranger)
    });
    let nowhere = ("Nowhere".to_owned(), unused());
    let addresses = strangers.iter().map(|(name, stranger)| (name.clone(), stranger.address));
    let tvs: Vec<_> = addresses.chain([nowhere]).collect();
    let known: Vec<_> = tvs.iter().map(|(name, address)| format!("{name}={address}")).collect();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let stage = Stage::set(&config(&known, ""));
    // The daemon itself has a look at each of them when it starts.
    wait_for("a look at each", PATIENCE, || {
        strangers.iter().all(|(_, stranger)| !stranger.visits().is_empty()).then_some(())
    });

    let began = Instant::now();
    let casts: Vec<_> = tvs
        .iter()
        .map(|(name, _)| {
            let request = json!({"url": pages.url("board"), "device": name});
            (name, Cast::new(&stage, &stage.start(request).id))
        })
        .collect();
    for (name, cast) in &casts {
        cast.expect("broken(tv)", began, name);
    }
    for (_, cast) in &casts {
        cast.session().wait_live();
    }
    casts[0].1.session().check_running();
    wait_for("end of the count", 2 * PATIENCE, || (began.elapsed() >= COUNTED).then_some(()));
    for (name, stranger) in &strangers {
        let visits: Vec<_> =
            stranger.visits().into_iter().filter(|visit| *visit >= began).collect();
        let after = visits.iter().map(|visit| visit.duration_since(began).as_secs_f64());
        eprintln!("{name} was visited after {:.1?} s", after.collect::<Vec<_>>());
        assert!(!visits.is_empty(), "{name}");
        for three in visits.windows(3) {
            assert!(three[2].duration_since(three[0]) >= WINDOW, "{name}: {visits:?}");
        }
    }
    let health = stage.get("health").json();
    let problems = health["problems"].as_array().expect("problems").len();
    assert_eq!(problems, tvs.len(), "{health:#}");
    for (_, cast) in &casts {
        assert_eq!(cast.state(), "connecting");
    }
}

/// An address at which nothing listens.
fn unused() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a listener");
    let address = listener.local_addr().expect("its address");
    mem::drop(listener);
    address
}
