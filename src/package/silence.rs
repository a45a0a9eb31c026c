//! Silence, as AAC-LC sees it: 48 kHz, two channels.
//!
//! Each frame of silence is the same few bytes, so there is nothing to encode.

/// Samples of each channel in one frame (ISO/IEC 14496-3, 4.5.1.1).
pub(super) const FRAME: u64 = 1024;
/// Samples of each channel in one second.
pub(super) const RATE: u16 = 48_000;

/// The `AudioSpecificConfig` (14496-3, 1.6.2.1): object type 2 (AAC LC), frequency index 3
/// (48 kHz), channel configuration 2, and three zero flags.
pub(super) const CONFIG: [u8; 2] = [0b0001_0001, 0b1001_0000];

/// A `raw_data_block` (14496-3, table 4.3): one channel pair element without anything in it.
///
/// Bit by bit: element id 001 (pair), instance 0000, common window 1; window information: reserved
/// 0, only-long sequence 00, sine shape 0, scale factor bands 000000, no prediction 0; no mid/side
/// stereo 00; then for each channel: global gain 00000000, section data (none, as there are no
/// bands), pulse 0, noise shaping 0, gain control 0; at the end element id 111, and zeros to a byte.
pub(super) const SILENT: [u8; 6] = [0b0010_0001, 0, 0, 0, 0, 0b0001_1100];

/// Frames needed so that sound lasts at least until this many ticks of 1/90000 s.
pub(super) const fn frames_until(ticks: u64) -> u64 {
    // 90000 and 48000 share 6000: ticks × 8 ÷ 15 is the sample, exactly.
    (ticks * 8).div_ceil(15 * FRAME)
}

/// Frames that are over at this many ticks.
pub(super) const fn frames_before(ticks: u64) -> u64 {
    ticks * 8 / (15 * FRAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_cover_the_time_and_never_drift() {
        assert_eq!(frames_until(0), 0);
        assert_eq!(frames_until(90_000), 47, "46.875 frames last a second");
        assert_eq!(frames_until(90_000 * 16), 750, "16 seconds are whole frames");
        assert_eq!(frames_before(90_000), 46);
        assert_eq!(frames_before(90_000 * 16), 750);
    }
}
