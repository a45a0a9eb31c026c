//! The little of H.264's byte stream (ITU-T H.264, 7.3 and Annex B) that must be known outside an
//! encoder: where NAL units begin, and which kind each is.

/// NAL unit types (table 7-1).
pub const NAL_IDR: u8 = 5;
pub const NAL_SEI: u8 = 6;
pub const NAL_SPS: u8 = 7;
pub const NAL_PPS: u8 = 8;
pub const NAL_AUD: u8 = 9;

/// The type of a NAL unit, 0 for an empty one.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

/// Splits Annex B bytes into NAL units without start codes. Anything before the first start code is
/// skipped, as are empty units.
pub fn nal_units(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(annex_b);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (nal, next) = match start_code(bytes) {
            Some((begin, end)) => (&bytes[..begin], Some(&bytes[end..])),
            None => (bytes, None),
        };
        rest = next;
        Some(trim_trailing_zeros(nal))
    })
    .filter(|nal| !nal.is_empty())
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    start_code(bytes).map(|(_, end)| &bytes[end..])
}

/// Where the first `00 00 01` begins and ends.
fn start_code(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    // The 1 of a start code is rare in compressed data, so looking for it first is fast.
    while let Some(found) = bytes[from..].iter().position(|&byte| byte == 1) {
        let one = from + found;
        if one >= 2 && bytes[one - 1] == 0 && bytes[one - 2] == 0 {
            return Some((one - 2, one + 1));
        }
        from = one + 1;
    }
    None
}

/// `trailing_zero_8bits` and the leading zero of a four-byte start code belong to no NAL unit.
fn trim_trailing_zeros(nal: &[u8]) -> &[u8] {
    let end = nal.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &nal[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_and_four_byte_start_codes_split_alike() {
        let bytes = [0, 0, 0, 1, 0x67, 9, 8, 0, 0, 1, 0x68, 7, 0, 0, 0, 1, 0x65, 1, 2, 3];
        let nals: Vec<_> = nal_units(&bytes).collect();
        assert_eq!(nals, [&[0x67, 9, 8][..], &[0x68, 7], &[0x65, 1, 2, 3]]);
        let kinds: Vec<_> = nals.into_iter().map(nal_type).collect();
        assert_eq!(kinds, [NAL_SPS, NAL_PPS, NAL_IDR]);
    }

    proptest! {
        #[test]
        fn splitting_what_was_joined_gives_the_same_units(
            nals in prop::collection::vec(prop::collection::vec(2_u8..=255, 1..40), 0..6),
        ) {
            let joined: Vec<u8> = nals.iter().flat_map(|n| [&[0, 0, 0, 1], &n[..]].concat()).collect();
            let split: Vec<_> = nal_units(&joined).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(split, nals);
        }

        #[test]
        fn any_bytes_split_without_panic(bytes in prop::collection::vec(0_u8..4, 0..200)) {
            for nal in nal_units(&bytes) {
                prop_assert!(!nal.is_empty());
            }
        }
    }
}
