//! Sending an IDR picture again without encoding it again.
//!
//! A still page needs an IDR for each segment and has no new picture to put in it. The old bytes
//! would do, but for one rule: two IDR pictures in a row must differ in `idr_pic_id` (ITU-T H.264,
//! 7.4.3), or a decoder may take them for one picture. The id is an Exp-Golomb code in the slice
//! header, so for most ids there is a neighbour of the same length, one flipped bit away. Everything
//! else stays: what the decoder reconstructs is what the encoder refers to next.

use crate::media::h264::{NAL_IDR, NAL_SPS, nal_type, nal_units};

/// An access unit with an IDR picture that can be sent any number of times, alternating between two
/// ids.
#[derive(Debug)]
pub(super) struct Repeatable {
    bytes: Vec<u8>,
    /// The byte and the bit to flip, one for each slice.
    flips: Vec<(usize, u8)>,
}

impl Repeatable {
    /// `None` when the picture's id has no neighbour of the same length (0 has none; the encoder's
    /// next IDR will have another), or the headers are not understood.
    pub(super) fn new(access_unit: &[u8]) -> Option<Self> {
        let sps = nal_units(access_unit).find(|nal| nal_type(nal) == NAL_SPS)?;
        let frame_num_bits = frame_num_bits(sps)?;
        let mut flips = Vec::new();
        for slice in nal_units(access_unit).filter(|nal| nal_type(nal) == NAL_IDR) {
            // `nal_units` yields parts of `access_unit`, so the distance is where the slice begins.
            let begin = slice.as_ptr().addr() - access_unit.as_ptr().addr();
            let (byte, bit) = id_bit(slice, frame_num_bits)?;
            flips.push((begin + byte, bit));
        }
        let repeatable = Self { bytes: access_unit.to_vec(), flips };
        (!repeatable.flips.is_empty() && repeatable.flipped_is_sound()).then_some(repeatable)
    }

    /// The access unit for the next repetition; each call has the other id.
    pub(super) fn next(&mut self) -> &[u8] {
        self.flip();
        &self.bytes
    }

    fn flip(&mut self) {
        for &(byte, bit) in &self.flips {
            self.bytes[byte] ^= bit;
        }
    }

    /// A flipped bit must not make or break an emulation prevention pattern.
    fn flipped_is_sound(&self) -> bool {
        self.flips.iter().all(|&(byte, bit)| {
            let from = byte.saturating_sub(2);
            let mut near = self.bytes[from..(byte + 3).min(self.bytes.len())].to_vec();
            let before = has_pattern(&near);
            near[byte - from] ^= bit;
            !before && !has_pattern(&near)
        })
    }
}

fn has_pattern(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] <= 3)
}

/// How many bits `frame_num` has, from the sequence parameter set (7.3.2.1.1).
fn frame_num_bits(sps: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(sps.get(1..)?);
    let profile = bits.read(8)?;
    bits.read(16)?;
    bits.exp_golomb()?;
    // The profiles with chroma information that an encoder of ours could be set to.
    if matches!(profile, 100 | 110 | 122 | 244) {
        let chroma_format = bits.exp_golomb()?;
        bits.exp_golomb()?;
        bits.exp_golomb()?;
        bits.read(1)?;
        let scaling_matrix = bits.read(1)?;
        if chroma_format == 3 || scaling_matrix != 0 {
            return None;
        }
    }
    Some(bits.exp_golomb()? + 4)
}

/// The last bit of `idr_pic_id` in a slice header (7.3.3): byte in the NAL unit, and bit mask.
fn id_bit(slice: &[u8], frame_num_bits: u32) -> Option<(usize, u8)> {
    let mut bits = Bits::new(slice.get(1..)?);
    bits.exp_golomb()?;
    bits.exp_golomb()?;
    bits.exp_golomb()?;
    bits.read(frame_num_bits)?;
    if bits.exp_golomb()? == 0 {
        return None;
    }
    let last = bits.position - 1;
    // The slice's first byte is the NAL unit's header, which `bits` did not see.
    Some((1 + last / 8, 0x80 >> (last % 8)))
}

/// Reads bits, most significant first. It stops at an emulation prevention byte instead of skipping
/// it: the headers read here are a few bytes long and have none in practice.
struct Bits<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let end = bytes.windows(3).position(|w| w == [0, 0, 3]).map_or(bytes.len(), |at| at + 2);
        Self { bytes: &bytes[..end], position: 0 }
    }

    fn read(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value: u32, _| {
            let byte = self.bytes.get(self.position / 8)?;
            let bit = byte >> (7 - self.position % 8) & 1;
            self.position += 1;
            Some(value << 1 | u32::from(bit))
        })
    }

    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.read(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.read(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// High profile, level 4.1, set 0, 4:2:0, 8 bits, `log2_max_frame_num_minus4` 0:
    /// `1 | 010 | 1 | 1 | 0 | 0 | 1 …`.
    const SPS: [u8; 6] = [0x67, 100, 0, 41, 0b1010_1100, 0b1000_0000];

    /// A slice header: first macroblock 0, type 7, set 0, `frame_num` 0, then the id's code.
    fn unit(id_code: &str) -> Vec<u8> {
        let mut bits = format!("1{}1{}{id_code}", "0001000", "0000");
        bits.push_str("1010101010101010");
        while bits.len() % 8 != 0 {
            bits.push('1');
        }
        let header =
            (0..bits.len() / 8).map(|i| u8::from_str_radix(&bits[i * 8..i * 8 + 8], 2).unwrap());
        [&[0, 0, 0, 1][..], &SPS, &[0, 0, 1, 0x65]].concat().into_iter().chain(header).collect()
    }

    #[test]
    fn ids_alternate_between_two_neighbours() {
        let original = unit("010");
        let mut repeatable = Repeatable::new(&original).unwrap();
        let first = repeatable.next().to_vec();
        assert_eq!(first, unit("011"));
        assert_eq!(repeatable.next(), original);
        assert_eq!(repeatable.next(), first);
    }

    #[test]
    fn id_zero_has_no_neighbour() {
        assert!(Repeatable::new(&unit("1")).is_none());
    }

    #[test]
    fn a_unit_without_parameter_sets_is_not_understood() {
        assert!(Repeatable::new(&[0, 0, 1, 0x65, 0x88, 0x84]).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let unit = [&[0, 0, 0, 1][..], &SPS, &[0, 0, 1, 0x65], &bytes].concat();
            if let Some(mut repeatable) = Repeatable::new(&unit) {
                repeatable.next();
                prop_assert_eq!(repeatable.next(), &unit[..]);
            }
        }
    }
}
