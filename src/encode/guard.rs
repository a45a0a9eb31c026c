//! A codec on a thread of its own, because a driver may never come back.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    codec::{Codec, EncodeError},
    picture::Picture,
};
use crate::{
    media::MediaTime,
    session::{Encoding, ports::EncoderSpec},
};

/// A driver that takes longer than this for one picture hangs. With the second that a segment takes, and
/// what the next encoder needs to be there, a player has the next segment within three.
const PICTURE_LIMIT: Duration = Duration::from_millis(1_750);
/// And one that takes longer than this to be there.
const OPEN_LIMIT: Duration = Duration::from_secs(3);
/// To leave the driver in an orderly way. Afterwards the thread is left to itself.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

struct Job {
    picture: Picture,
    at: MediaTime,
    idr: bool,
}

type Encoded = Result<(Picture, Bytes), EncodeError>;

/// A codec that can be waited for with a limit.
///
/// One that hangs keeps its thread, the picture that it was given, and nothing else.
pub(super) struct Guarded {
    encoding: Encoding,
    /// `None` once no more pictures come.
    jobs: Option<SyncSender<Job>>,
    encoded: Receiver<Encoded>,
    rate_control: &'static str,
    driver: Option<String>,
}

/// A codec that is being opened.
pub(super) struct Opening {
    encoding: Encoding,
    since: Instant,
    opened: Receiver<Result<Opened, EncodeError>>,
}

struct Opened {
    jobs: SyncSender<Job>,
    encoded: Receiver<Encoded>,
    rate_control: &'static str,
    driver: Option<String>,
}

impl Opening {
    pub(super) fn start(encoding: &Encoding, spec: &EncoderSpec) -> Result<Self, EncodeError> {
        // One picture is on its way at a time, and both ends wait for it.
        let (opening, opened) = mpsc::sync_channel(1);
        let (own, spec) = (encoding.clone(), spec.clone());
        thread::Builder::new()
            .name(encoding.encoder().to_owned())
            .spawn(move || {
                let mut codec = match Codec::open(&own, &spec) {
                    Ok(codec) => codec,
                    // Who does not wait any more need not know.
                    Err(error) => return drop(opening.send(Err(error))),
                };
                let (jobs, next) = mpsc::sync_channel::<Job>(1);
                let (done, encoded) = mpsc::sync_channel(1);
                let driver = codec.driver().map(ToOwned::to_owned);
                let rate_control = codec.rate_control();
                if opening.send(Ok(Opened { jobs, encoded, rate_control, driver })).is_err() {
                    return;
                }
                while let Ok(Job { mut picture, at, idr }) = next.recv() {
                    let data = codec.encode(&mut picture, at, idr);
                    if done.send(data.map(|data| (picture, data))).is_err() {
                        return;
                    }
                }
            })
            .map_err(|_| EncodeError::Ended(encoding.clone()))?;
        Ok(Self { encoding: encoding.clone(), since: Instant::now(), opened })
    }

    /// The codec, when it is open or will not be.
    pub(super) fn poll(&self) -> Option<Result<Guarded, EncodeError>> {
        let left = OPEN_LIMIT.saturating_sub(self.since.elapsed());
        match self.opened.try_recv() {
            Ok(outcome) => Some(self.guard(outcome)),
            Err(mpsc::TryRecvError::Empty) if !left.is_zero() => None,
            Err(mpsc::TryRecvError::Empty) => Some(Err(EncodeError::Hung(self.encoding.clone()))),
            Err(mpsc::TryRecvError::Disconnected) => {
                Some(Err(EncodeError::Ended(self.encoding.clone())))
            }
        }
    }

    /// Waits for it.
    pub(super) fn wait(&self) -> Result<Guarded, EncodeError> {
        match self.opened.recv_timeout(OPEN_LIMIT.saturating_sub(self.since.elapsed())) {
            Ok(outcome) => self.guard(outcome),
            Err(error) => Err(late(&self.encoding, error)),
        }
    }

    fn guard(&self, outcome: Result<Opened, EncodeError>) -> Result<Guarded, EncodeError> {
        let Opened { jobs, encoded, rate_control, driver } = outcome?;
        let encoding = self.encoding.clone();
        Ok(Guarded { encoding, jobs: Some(jobs), encoded, rate_control, driver })
    }
}

impl Guarded {
    /// Encodes a picture, which comes back with the packet.
    ///
    /// # Errors
    /// The encoder failed or hangs; it cannot be used any more.
    pub(super) fn encode(&mut self, picture: Picture, at: MediaTime, idr: bool) -> Encoded {
        let ended = || EncodeError::Ended(self.encoding.clone());
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(Job { picture, at, idr }).map_err(|_| ended())?;
        match self.encoded.recv_timeout(PICTURE_LIMIT) {
            Ok(encoded) => encoded,
            Err(error) => {
                self.jobs = None;
                Err(late(&self.encoding, error))
            }
        }
    }

    pub(super) const fn rate_control(&self) -> &'static str {
        self.rate_control
    }

    pub(super) fn driver(&self) -> Option<&str> {
        self.driver.as_deref()
    }
}

impl Drop for Guarded {
    /// Drivers do not like to be left in the middle of something. But one that hangs was waited for
    /// already, and the next encoder is not to wait for it as well.
    fn drop(&mut self) {
        if self.jobs.take().is_some() {
            // It ends with the thread.
            drop(self.encoded.recv_timeout(CLOSE_LIMIT));
        }
    }
}

fn late(encoding: &Encoding, error: RecvTimeoutError) -> EncodeError {
    match error {
        RecvTimeoutError::Timeout => EncodeError::Hung(encoding.clone()),
        RecvTimeoutError::Disconnected => EncodeError::Ended(encoding.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{session::Api, units::Size};

    #[test]
    fn what_hung_is_not_waited_for_again() {
        let node = "/dev/dri/renderD128".into();
        let encoding = Encoding::Hardware { api: Api::Vaapi, node, driver: None };
        let (jobs, _taken) = mpsc::sync_channel(1);
        let (_silent, encoded) = mpsc::sync_channel(1);
        let rate_control = "VBR";
        let mut codec = Guarded { encoding, jobs: Some(jobs), encoded, rate_control, driver: None };
        let picture = Picture::new(Size::new(64, 64)).unwrap();
        let outcome = codec.encode(picture, MediaTime::ZERO, true);
        assert!(outcome.is_err_and(|error| error.is_hang()));
        let left = Instant::now();
        drop(codec);
        assert!(left.elapsed() < CLOSE_LIMIT / 2, "{:?}", left.elapsed());
    }
}
