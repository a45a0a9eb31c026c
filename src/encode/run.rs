//! The encoding loop: screen in, packets out, in the calling thread.

use bytes::Bytes;

use super::{
    backend::{EncodeError, Encoder},
    pace::{Pacer, Step},
    repeat::Repeatable,
};
use crate::{
    media::{Damage, FrameClock, MediaTime, Packet, Screen, StreamInfo, Wake},
    session::ports::EncoderSpec,
};

/// Where the loop's results go. Each call may block: a slow reader slows the loop down, which then
/// leaves out pictures, newest wins.
pub trait Output {
    fn opened(&mut self, info: StreamInfo);
    fn packet(&mut self, packet: Packet);
    fn segment_end(&mut self, at: MediaTime);
}

/// Encodes until the screen closes.
///
/// # Errors
/// The encoder failed and cannot go on.
pub fn run(
    mut encoder: Encoder,
    spec: &EncoderSpec,
    screen: &Screen,
    clock: FrameClock,
    output: &mut impl Output,
) -> Result<(), EncodeError> {
    let mut pacer = Pacer::new(clock);
    let mut still = Still::default();
    let mut opened = false;
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
                let data = encode(&mut encoder, screen, at, false)?;
                still.moved();
                output.packet(Packet { time: at, idr: false, data });
            }
            Step::StartSegment { at } => {
                if opened {
                    output.segment_end(at);
                }
                let data = match still.repeat(damaged) {
                    Some(data) => data,
                    None => {
                        let data = encode(&mut encoder, screen, at, true)?;
                        still.encoded(&data);
                        data
                    }
                };
                if !opened {
                    output.opened(encoder.describe(spec, &data)?);
                    opened = true;
                }
                output.packet(Packet { time: at, idr: true, data });
            }
        }
    }
}

fn encode(
    encoder: &mut Encoder,
    screen: &Screen,
    at: MediaTime,
    idr: bool,
) -> Result<Bytes, EncodeError> {
    screen.take(|pixels, damage: &Damage, _| encoder.update(pixels, damage))?;
    encoder.encode(at, idr)
}

/// The last IDR, as long as it still is what the screen shows and what the encoder refers to.
///
/// A rate control that has not seen a picture yet saves more on it than it must. So the IDR of a still
/// picture is made again, each time from what was learnt, until that gains nothing more.
#[derive(Debug, Default)]
struct Still {
    idr: Option<Repeatable>,
    /// Bytes of the last one.
    size: Option<usize>,
    is_best: bool,
}

impl Still {
    /// An IDR must grow by one part in so many for another try.
    const GAIN: usize = 32;

    fn encoded(&mut self, idr: &[u8]) {
        let before = self.size.replace(idr.len());
        self.is_best = before.is_some_and(|before| idr.len() <= before + before / Self::GAIN);
        self.idr = Repeatable::new(idr);
    }

    fn moved(&mut self) {
        *self = Self::default();
    }

    fn repeat(&mut self, damaged: bool) -> Option<Bytes> {
        if damaged {
            self.moved();
        }
        if !self.is_best {
            return None;
        }
        self.idr.as_mut().map(|idr| Bytes::copy_from_slice(idr.next()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_still_picture_is_encoded_again_until_that_gains_nothing() {
        let mut still = Still::default();
        let mut tries = |sizes: &[usize]| -> Vec<bool> {
            still.moved();
            let best = |size: &usize| {
                still.encoded(&vec![0; *size]);
                still.is_best
            };
            sizes.iter().map(best).collect()
        };
        assert_eq!(tries(&[1000, 1200, 1400, 1420]), [false, false, false, true]);
        assert_eq!(tries(&[1000, 1000]), [false, true]);
        assert_eq!(tries(&[1000, 900]), [false, true]);
    }
}
