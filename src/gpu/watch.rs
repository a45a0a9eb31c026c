//! When the GPUs, or who may use them, may have changed.
//!
//! Three ways to find out, because none sees all. udev tells of GPUs that come and go, once it is done
//! with their nodes. inotify on `/dev/dri` sees the nodes themselves, also when somebody changes their
//! owner or mode, of which no event tells. Neither reaches into a container, so there `stat` is asked
//! every few seconds. Outside of containers nothing wakes up while nothing happens.

use std::{
    future, io,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::survey::{Gpu, survey};

/// A GPU that comes is several events; this long after the last one all is said.
const SETTLE: Duration = Duration::from_millis(200);
/// Who never stops changing something is not waited for any longer.
const LONGEST_BURST: Duration = Duration::from_secs(2);
/// A person who has just changed a container's configuration looks at the screen for that long.
const POLL: Duration = Duration::from_secs(5);

/// Watches until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    /// `None` once nobody tells any more.
    noticed: Option<watch::Receiver<()>>,
    poll: Option<Poll>,
    /// A change that has not been told yet.
    is_pending: bool,
    /// Its end ends the thread that listens.
    _held: OwnedFd,
}

impl Watch {
    /// Begins to watch `/dev/dri` below that root, which is `/` but in tests; what changes from now on
    /// is told. In a container it is looked at now and then as well.
    ///
    /// # Errors
    /// `/dev` cannot be watched.
    pub(super) fn start(root: &Path, in_container: bool) -> io::Result<Self> {
        let files = Files::start(&root.join("dev"))?;
        let (end, held) = pipe_with(PipeFlags::CLOEXEC)?;
        let (to_watch, noticed) = watch::channel(());
        let (to_starter, started) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("gpu-watch".to_owned())
            .spawn(move || listen(&end, files, &to_starter, &to_watch))?;
        let has_ended = |_| io::Error::other("the thread that watches GPUs has ended");
        started.recv().map_err(has_ended)?;
        let poll = in_container.then(|| Poll::new(root));
        Ok(Self { noticed: Some(noticed), poll, is_pending: false, _held: held })
    }

    /// Waits until something may have changed since the start or the last time. Many changes at once
    /// are told once, when they are over. It may be cancelled: what it has noticed is not lost.
    pub(super) async fn changed(&mut self) {
        if !self.is_pending {
            tokio::select! {
                () = notice(&mut self.noticed) => {}
                () = difference(&mut self.poll) => {}
            }
            self.is_pending = true;
        }
        let end = Instant::now() + LONGEST_BURST;
        loop {
            let quiet = (Instant::now() + SETTLE).min(end);
            let more = timeout_at(quiet, notice(&mut self.noticed)).await;
            if more.is_err() {
                break;
            }
        }
        // What was told by others is not to be told again.
        if let Some(poll) = &mut self.poll {
            poll.look();
        }
        self.is_pending = false;
    }
}

async fn notice(noticed: &mut Option<watch::Receiver<()>>) {
    if let Some(receiver) = noticed {
        if receiver.changed().await.is_ok() {
            return;
        }
        *noticed = None;
    }
    future::pending::<()>().await;
}

async fn difference(poll: &mut Option<Poll>) {
    match poll {
        Some(poll) => poll.difference().await,
        None => future::pending().await,
    }
}

/// Looks at the nodes now and then.
#[derive(Debug)]
struct Poll {
    root: PathBuf,
    last: Vec<Gpu>,
    next: Instant,
}

impl Poll {
    fn new(root: &Path) -> Self {
        let last = survey(root);
        Self { root: root.to_owned(), last, next: Instant::now() + POLL }
    }

    /// Whether something is not as it was when this was asked last.
    fn look(&mut self) -> bool {
        let now = survey(&self.root);
        self.next = Instant::now() + POLL;
        let is_other = now != self.last;
        self.last = now;
        is_other
    }

    async fn difference(&mut self) {
        loop {
            sleep_until(self.next).await;
            if self.look() {
                return;
            }
        }
    }
}

/// Runs in a thread of its own, because what libudev makes may only be used in the thread that made
/// it, says its manual.
fn listen(
    end: &OwnedFd,
    mut files: Files,
    to_starter: &mpsc::SyncSender<()>,
    to_watch: &watch::Sender<()>,
) {
    let mut monitor = monitor()
        .inspect_err(|error| tracing::warn!(%error, "udev tells nothing, watching /dev/dri alone"))
        .ok();
    if to_starter.send(()).is_err() {
        return;
    }
    loop {
        let mut sources =
            vec![PollFd::new(end, PollFlags::empty()), PollFd::new(&files.inotify, PollFlags::IN)];
        sources.extend(monitor.as_ref().map(|monitor| PollFd::new(monitor, PollFlags::IN)));
        match poll(&mut sources, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => {
                tracing::error!(%error, "GPUs are watched no more");
                return;
            }
        }
        let ready: Vec<_> = sources.iter().map(PollFd::revents).collect();
        let [has_ended, of_files, of_udev @ ..] = &ready[..] else { return };
        if !has_ended.is_empty() {
            return;
        }
        let mut is_changed = !of_files.is_empty() && files.read();
        if let (Some(socket), Some(of_udev)) = (&monitor, of_udev.first()) {
            // It reports an error when it had to drop events.
            let has_event = !of_udev.is_empty() && socket.iter().count() > 0;
            is_changed |= has_event || of_udev.contains(PollFlags::ERR);
            if of_udev.intersects(PollFlags::HUP | PollFlags::NVAL) {
                monitor = None;
            }
        }
        if is_changed {
            to_watch.send_replace(());
        }
    }
}

fn monitor() -> io::Result<udev::MonitorSocket> {
    udev::MonitorBuilder::new()?.match_subsystem("drm")?.listen()
}

/// `/dev/dri`, whether it is there or not.
struct Files {
    inotify: OwnedFd,
    dri: PathBuf,
    /// inotify's number of the directory that `/dev/dri` is in.
    parent: i32,
}

impl Files {
    fn start(dev: &Path) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        let parent = inotify::add_watch(&inotify, dev, names | WatchFlags::ONLYDIR)?;
        let files = Self { inotify, dri: dev.join("dri"), parent };
        files.watch_dri();
        Ok(files)
    }

    /// It goes with the last GPU and comes with the first.
    fn watch_dri(&self) {
        let what = WatchFlags::ATTRIB | WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        match inotify::add_watch(&self.inotify, &self.dri, what | WatchFlags::ONLYDIR) {
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => {
                tracing::warn!(%error, directory = %self.dri.display(), "watching for GPUs");
            }
        }
    }

    /// Reads what there is; whether it may have to do with a GPU.
    fn read(&mut self) -> bool {
        let (mut is_changed, mut has_come) = (false, false);
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            match reader.next() {
                // Some were dropped, so it may have come or gone.
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                    (is_changed, has_come) = (true, true);
                }
                Ok(event) if event.wd() == self.parent => {
                    let is_dri = event.file_name().is_some_and(|name| name.to_bytes() == b"dri");
                    is_changed |= is_dri;
                    has_come |= is_dri;
                }
                Ok(_) => is_changed = true,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::warn!(%error, "reading what happens to GPUs");
                    break;
                }
            }
        }
        // Before it is told, so that nobody looks at what is watched only later.
        if has_come {
            self.watch_dri();
        }
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
        pin::pin,
    };

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;

    fn root() -> TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("dev")).unwrap();
        root
    }

    #[track_caller]
    fn assert_told(told: Result<(), tokio::time::error::Elapsed>) {
        assert!(told.is_ok(), "nothing was told");
    }

    async fn told(watch: &mut Watch) -> Result<(), tokio::time::error::Elapsed> {
        timeout(Duration::from_secs(10), watch.changed()).await
    }

    #[tokio::test]
    async fn nodes_that_come_change_and_go_are_told() {
        let root = root();
        let dri = root.path().join("dev/dri");
        let node = dri.join("renderD128");
        let mut watch = Watch::start(root.path(), false).unwrap();
        for _ in 0..2 {
            fs::create_dir(&dri).unwrap();
            fs::write(&node, "").unwrap();
            assert_told(told(&mut watch).await);
            fs::set_permissions(&node, fs::Permissions::from_mode(0o600)).unwrap();
            assert_told(told(&mut watch).await);
            fs::write(dri.join("renderD129"), "").unwrap();
            assert_told(told(&mut watch).await);
            fs::remove_dir_all(&dri).unwrap();
            assert_told(told(&mut watch).await);
        }
    }

    #[tokio::test]
    async fn a_burst_is_told_once_and_what_is_nothing_to_gpus_not_at_all() {
        let root = root();
        let dri = root.path().join("dev/dri");
        fs::create_dir(&dri).unwrap();
        let mut watch = Watch::start(root.path(), false).unwrap();
        let quiet = async |watch: &mut Watch| timeout(2 * SETTLE, watch.changed()).await.is_err();
        fs::write(root.path().join("dev/tty"), "").unwrap();
        fs::remove_file(root.path().join("dev/tty")).unwrap();
        assert!(quiet(&mut watch).await);
        for number in 128..160 {
            fs::write(dri.join(format!("renderD{number}")), "").unwrap();
        }
        assert_told(told(&mut watch).await);
        assert!(quiet(&mut watch).await);
    }

    #[tokio::test]
    async fn what_is_noticed_by_one_who_gives_up_is_told_the_next_time() {
        let root = root();
        let mut watch = Watch::start(root.path(), false).unwrap();
        fs::create_dir(root.path().join("dev/dri")).unwrap();
        while !watch.is_pending {
            assert!(timeout(Duration::from_millis(20), watch.changed()).await.is_err());
        }
        assert_told(told(&mut watch).await);
    }

    #[tokio::test]
    async fn more_events_than_the_kernel_keeps_are_a_change() {
        let root = root();
        let dev = root.path().join("dev");
        let mut files = Files::start(&dev).unwrap();
        let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let most: usize = most.trim().parse().unwrap();
        let (one, other) = (dev.join("one"), dev.join("other"));
        fs::write(&one, "").unwrap();
        // Each is two events.
        for _ in 0..=most / 4 {
            fs::rename(&one, &other).unwrap();
            fs::rename(&other, &one).unwrap();
        }
        fs::create_dir(dev.join("dri")).unwrap();
        assert!(files.read());
        fs::write(dev.join("dri/renderD128"), "").unwrap();
        assert!(files.read());
    }

    #[test]
    fn a_root_without_dev_cannot_be_watched() {
        let root = tempfile::tempdir().unwrap();
        let error = Watch::start(root.path(), false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_container_it_is_looked_at_every_few_seconds() {
        let root = root();
        fs::create_dir(root.path().join("dev/dri")).unwrap();
        let mut poll = Poll::new(root.path());
        let start = Instant::now();
        assert!(timeout(Duration::from_secs(60), poll.difference()).await.is_err());
        let node = root.path().join("dev/dri/renderD128");
        symlink("/dev/null", &node).unwrap();
        poll.difference().await;
        assert_eq!(start.elapsed(), Duration::from_secs(65));
        fs::remove_file(node).unwrap();
        poll.difference().await;
        assert_eq!(start.elapsed(), Duration::from_secs(70));
    }

    #[tokio::test(start_paused = true)]
    async fn outside_of_a_container_nothing_wakes_up_while_nothing_happens() {
        let root = root();
        let hour = Duration::from_secs(3600);
        let mut wake_ups = Vec::new();
        for in_container in [false, true] {
            let mut watch = Watch::start(root.path(), in_container).unwrap();
            let mut changed = pin!(watch.changed());
            let mut count = 0;
            let counted = future::poll_fn(|context| {
                count += 1;
                changed.as_mut().poll(context)
            });
            assert!(timeout(hour, counted).await.is_err());
            wake_ups.push(count);
        }
        // At first, and by the end of the hour.
        assert_eq!(wake_ups[0], 2);
        assert!(wake_ups[1] > 700, "{wake_ups:?}");
    }

    #[tokio::test]
    async fn what_is_told_in_a_container_is_not_found_again() {
        let root = root();
        let mut watch = Watch::start(root.path(), true).unwrap();
        fs::create_dir(root.path().join("dev/dri")).unwrap();
        fs::write(root.path().join("dev/dri/renderD128"), "").unwrap();
        assert_told(told(&mut watch).await);
        assert!(!watch.poll.as_mut().unwrap().look());
    }

    #[tokio::test]
    async fn a_watch_that_is_dropped_leaves_no_thread() {
        let root = root();
        let watch = Watch::start(root.path(), false).unwrap();
        let mut noticed = watch.noticed.clone().unwrap();
        drop(watch);
        assert!(timeout(Duration::from_secs(10), noticed.changed()).await.unwrap().is_err());
    }
}
