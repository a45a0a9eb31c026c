//! The encoding loop: screen in, packets out, in the calling thread.

use bytes::Bytes;

use super::{
    codec::EncodeError,
    encoder::{Encoder, Pending},
    lineup::Lineup,
    pace::{Pacer, Step},
    repeat::Repeatable,
};
use crate::{
    error::sentence,
    media::{Damage, FrameClock, MediaTime, Packet, Screen, StreamInfo, Wake},
    session::{Encoding, ports::EncoderSpec},
};

/// Where the loop's results go. Each call may block: a slow reader slows the loop down, which then
/// leaves out pictures, newest wins.
pub trait Output {
    /// This is opened next. If nothing is heard any more, it took the process with it.
    fn trying(&mut self, encoding: &Encoding);

    /// An encoder is open; its packets follow.
    fn opened(&mut self, info: StreamInfo);

    /// This failed, or `hung`; another goes on.
    fn lost(&mut self, encoding: &Encoding, hung: bool, why: String);

    fn packet(&mut self, packet: Packet);

    fn segment_end(&mut self, at: MediaTime);
}

/// Encodes until the screen closes, with the best of the line-up that works.
///
/// # Errors
/// No encoder is left.
pub fn run(
    lineup: &Lineup,
    spec: &EncoderSpec,
    screen: &Screen,
    clock: FrameClock,
    output: &mut impl Output,
) -> Result<(), EncodeError> {
    let mut pacer = Pacer::new(clock);
    let encoder = open(lineup, spec, output)?;
    let mut line = Line { lineup, spec, screen, output, encoder, is_new: true, next: None };
    let mut still = Still::default();
    loop {
        let now = MediaTime::now();
        let damaged = match screen.wait(std::time::Duration::ZERO) {
            Wake::Closed => return Ok(()),
            Wake::Damaged => true,
            Wake::TimeOut => false,
        };
        match pacer.step(now, damaged) {
            Step::WaitForDamage { until } => {
                screen.wait(until.since(now).into());
            }
            Step::Wait { until } => screen.pause(until.since(now).into()),
            Step::Encode { at } => {
                line.encode(at, false)?;
                still.moved();
            }
            Step::StartSegment { at } => {
                if !line.is_new {
                    line.output.segment_end(at);
                }
                line.take_better();
                let renews = line.is_new || line.encoder.has_recovered(at);
                match still.repeat(damaged || renews) {
                    Some(data) => {
                        line.encoder.repeats(at, data.len());
                        line.output.packet(Packet { time: at, idr: true, data });
                    }
                    None => still.encoded(&line.encode(at, true)?),
                }
            }
        }
    }
}

/// The best encoder that opens.
fn open(
    lineup: &Lineup,
    spec: &EncoderSpec,
    output: &mut impl Output,
) -> Result<Encoder, EncodeError> {
    loop {
        let encoding = lineup.best();
        output.trying(&encoding);
        match Encoder::open(&encoding, spec) {
            Ok(encoder) => return Ok(encoder),
            Err(error) => {
                if !lineup.strike(&encoding, error.is_hang()) {
                    return Err(error);
                }
                output.lost(&encoding, error.is_hang(), sentence(&error));
            }
        }
    }
}

/// What encodes now, and what may take over.
struct Line<'a, O> {
    lineup: &'a Lineup,
    spec: &'a EncoderSpec,
    screen: &'a Screen,
    output: &'a mut O,
    encoder: Encoder,
    /// Nothing came out of it yet.
    is_new: bool,
    /// A better one on its way.
    next: Option<Pending>,
}

impl<O: Output> Line<'_, O> {
    /// Encodes the screen as it is now. An encoder that fails is replaced, and its successor begins
    /// with the same picture.
    fn encode(&mut self, at: MediaTime, idr: bool) -> Result<Bytes, EncodeError> {
        loop {
            let idr = idr || self.is_new;
            let error = match self.try_encode(at, idr) {
                Ok(data) => {
                    self.output.packet(Packet { time: at, idr, data: data.clone() });
                    return Ok(data);
                }
                Err(error) => error,
            };
            let failed = self.encoder.encoding().clone();
            if !self.lineup.strike(&failed, error.is_hang()) {
                return Err(error);
            }
            self.output.lost(&failed, error.is_hang(), sentence(&error));
            let successor = open(self.lineup, self.spec, self.output)?;
            self.replace(successor);
        }
    }

    fn try_encode(&mut self, at: MediaTime, idr: bool) -> Result<Bytes, EncodeError> {
        let encoder = &mut self.encoder;
        self.screen.take(|pixels, damage: &Damage, _| encoder.update(pixels, damage))?;
        let data = encoder.encode(at, idr)?;
        if self.is_new {
            self.output.opened(encoder.describe(self.spec, &data)?);
            self.is_new = false;
        }
        Ok(data)
    }

    /// Has a better encoder opened while this one goes on, and puts it in its place once it is there.
    fn take_better(&mut self) {
        let best = self.lineup.best();
        if best == *self.encoder.encoding() {
            self.next = None;
            return;
        }
        if self.next.as_ref().is_none_or(|next| *next.encoding() != best) {
            self.output.trying(&best);
            match Pending::start(&best, self.spec) {
                Ok(next) => self.next = Some(next),
                Err(error) => return self.give_up(&best, &error),
            }
        }
        match self.next.as_ref().and_then(Pending::poll) {
            None => {}
            Some(Ok(successor)) => {
                self.next = None;
                self.replace(successor);
            }
            Some(Err(error)) => self.give_up(&best, &error),
        }
    }

    fn give_up(&mut self, encoding: &Encoding, error: &EncodeError) {
        self.next = None;
        if self.lineup.strike(encoding, error.is_hang()) {
            self.output.lost(encoding, error.is_hang(), sentence(error));
        }
    }

    fn replace(&mut self, successor: Encoder) {
        self.encoder = successor;
        self.is_new = true;
        // It has seen nothing yet.
        self.screen.spoil();
    }
}

/// The last IDR, as long as it still is what the screen shows and what the encoder refers to.
#[derive(Debug, Default)]
struct Still(Option<Repeatable>);

impl Still {
    fn encoded(&mut self, idr: &[u8]) {
        self.0 = Repeatable::new(idr);
    }

    fn moved(&mut self) {
        self.0 = None;
    }

    fn repeat(&mut self, is_stale: bool) -> Option<Bytes> {
        if is_stale {
            self.moved();
        }
        self.0.as_mut().map(|idr| Bytes::copy_from_slice(idr.next()))
    }
}
