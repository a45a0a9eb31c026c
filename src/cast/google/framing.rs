//! Frames on the wire: a length of four bytes, big-endian, and as many bytes of message.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// What the protocol allows a message to have.
pub(super) const LONGEST_MESSAGE: usize = 64 * 1024;
const LENGTH: usize = 4;

/// The bytes are not frames; what follows them cannot be understood either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame without content")]
    Empty,
    #[error("a frame of {0} bytes, {LONGEST_MESSAGE} are allowed")]
    TooLong(u32),
}

/// Takes bytes as they come and gives frames.
///
/// Bounded when it is read out before more is put in: it then holds less than one frame.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: BytesMut,
}

impl Frames {
    /// Where to put what was read.
    pub(super) const fn buffer(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// The next whole message, when it is there.
    ///
    /// # Errors
    /// These are not frames. The length is judged before anything is kept for it.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(length) = self.bytes.first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let announced = u32::from_be_bytes(*length);
        let length = usize::try_from(announced).unwrap_or(usize::MAX);
        match length {
            0 => Err(FrameError::Empty),
            1..=LONGEST_MESSAGE if self.bytes.len() - LENGTH >= length => {
                self.bytes.advance(LENGTH);
                Ok(Some(self.bytes.split_to(length).freeze()))
            }
            1..=LONGEST_MESSAGE => Ok(None),
            _ => Err(FrameError::TooLong(announced)),
        }
    }
}

/// Appends a message as one frame. Length and message go out together: receivers exist that take a
/// length which comes alone for a broken message.
///
/// # Errors
/// The message is empty or longer than a frame may be; nothing was appended.
pub(super) fn append(message: &[u8], to: &mut BytesMut) -> Result<(), FrameError> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    match message.len() {
        0 => Err(FrameError::Empty),
        1..=LONGEST_MESSAGE => {
            to.put_u32(length);
            to.put_slice(message);
            Ok(())
        }
        _ => Err(FrameError::TooLong(length)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_out(frames: &mut Frames) -> Result<Vec<Bytes>, FrameError> {
        let mut read = Vec::new();
        while let Some(frame) = frames.next()? {
            read.push(frame);
        }
        Ok(read)
    }

    #[test]
    fn zero_and_too_much_are_named_at_once() {
        let mut frames = Frames::default();
        frames.buffer().put_u32(0);
        assert_eq!(frames.next(), Err(FrameError::Empty));
        let mut frames = Frames::default();
        frames.buffer().put_u32(65_537);
        assert_eq!(frames.next(), Err(FrameError::TooLong(65_537)));
        let mut frames = Frames::default();
        frames.buffer().put_slice(b"HTTP/1.1 400 Bad Request\r\n");
        assert_eq!(frames.next(), Err(FrameError::TooLong(0x4854_5450)));
    }

    #[test]
    fn the_longest_message_passes() {
        let mut frames = Frames::default();
        let message = vec![7; LONGEST_MESSAGE];
        append(&message, frames.buffer()).unwrap();
        assert_eq!(read_out(&mut frames).unwrap(), [message]);
        assert_eq!(
            append(&vec![7; LONGEST_MESSAGE + 1], frames.buffer()),
            Err(FrameError::TooLong(65_537))
        );
        assert!(frames.buffer().is_empty());
    }

    proptest! {
        #[test]
        fn messages_cross_whole_however_they_are_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
            cuts in prop::collection::vec(1..400_usize, 1..40),
        ) {
            let mut wire = BytesMut::new();
            for message in &messages {
                append(message, &mut wire).unwrap();
            }
            let mut frames = Frames::default();
            let mut read = Vec::new();
            let mut cuts = cuts.into_iter().cycle();
            while !wire.is_empty() {
                let cut = cuts.next().unwrap().min(wire.len());
                frames.buffer().put(wire.split_to(cut));
                read.extend(read_out(&mut frames).unwrap());
            }
            prop_assert_eq!(read, messages);
        }

        #[test]
        fn any_bytes_in_any_pieces_neither_panic_nor_pile_up(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 0..60),
            // Most lengths of chance are too long; a few zeroes in front let many through.
            zeroes in 0..3_usize,
        ) {
            let mut frames = Frames::default();
            for piece in pieces {
                frames.buffer().put_bytes(0, zeroes);
                frames.buffer().put_slice(&piece);
                if read_out(&mut frames).is_err() {
                    break;
                }
                prop_assert!(frames.buffer().len() < LENGTH + LONGEST_MESSAGE);
            }
        }
    }
}
