//! How alike two pictures are.
//!
//! Structural similarity (Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment: from error
//! visibility to structural similarity", 2004) over blocks of 8×8 pixels.

const BLOCK: usize = 8;
/// Stabilise the quotients where there is nearly nothing: (0.01·255)² and (0.03·255)².
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// From 1 for equal pictures down to 0 and below. Both are luma of this width, rows without padding;
/// what only one of them has counts as unlike.
pub(super) fn similarity(a: &[u8], b: &[u8], width: usize) -> f64 {
    if width < BLOCK || a.len() != b.len() {
        return 0.0;
    }
    let rows = a.len() / width;
    let (mut sum, mut blocks) = (0.0, 0.0);
    for y in 0..rows / BLOCK {
        for x in 0..width / BLOCK {
            sum += block(a, b, width, y * BLOCK * width + x * BLOCK);
            blocks += 1.0;
        }
    }
    if blocks > 0.0 { sum / blocks } else { 0.0 }
}

fn block(a: &[u8], b: &[u8], width: usize, from: usize) -> f64 {
    let mut sums = [0_u32; 5];
    for row in 0..BLOCK {
        let at = from + row * width;
        // What the block lacks of a picture that is too short counts as black.
        let line = |picture: &[u8]| -> [u8; BLOCK] {
            picture.get(at..at + BLOCK).and_then(|line| line.try_into().ok()).unwrap_or_default()
        };
        for (a, b) in line(a).into_iter().zip(line(b)) {
            let (a, b) = (u32::from(a), u32::from(b));
            for (sum, value) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                *sum += value;
            }
        }
    }
    let [a, b, aa, bb, ab] = sums.map(|sum| f64::from(sum) / 64.0);
    let (variances, covariance) = (aa - a * a + bb - b * b, ab - a * b);
    let likeness = (2.0 * a * b + C1) * (2.0 * covariance + C2);
    likeness / ((a * a + b * b + C1) * (variances + C2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u32) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..64 * 64).map(|_| next()).collect()
    }

    #[test]
    fn a_picture_is_like_itself_and_unlike_another() {
        assert!((similarity(&noise(1), &noise(1), 64) - 1.0).abs() < 1e-9);
        assert!(similarity(&noise(1), &noise(2), 64) < 0.2);
        let dimmed: Vec<u8> = noise(1).iter().map(|value| value / 8 * 7).collect();
        let dimmed = similarity(&noise(1), &dimmed, 64);
        assert!((0.9..1.0).contains(&dimmed), "{dimmed}");
    }

    #[test]
    fn a_picture_of_another_size_is_unlike() {
        assert!(similarity(&noise(1), &noise(1)[64..], 64).abs() < 1e-9);
        assert!(similarity(&[], &[], 64).abs() < 1e-9);
        assert!(similarity(&[1; 8], &[1; 8], 1).abs() < 1e-9);
    }
}
