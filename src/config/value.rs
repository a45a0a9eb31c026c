//! Quantities as people write them: `1min 30s`, `64MiB`.

use std::{fmt, marker::PhantomData, str::FromStr, time::Duration};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};
use thiserror::Error;

/// A span of time, written as systemd does: `30s`, `1min 30s`, `500ms`; a plain number is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeSpan(Duration);

/// An amount of memory: `64MiB`, `64M` for short; a plain number is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(usize);

/// Why a text is no span of time or no size.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UnitError {
    /// Nothing but white space.
    #[error("it is empty")]
    Empty,
    /// A number should stand here.
    #[error("{0:?} does not begin with a whole number")]
    Number(String),
    /// One of several numbers has no unit.
    #[error("{0} has no unit")]
    NoUnit(u64),
    /// The word after a number is no unit of this quantity.
    #[error("{unit:?} is not a unit; known are {known}")]
    Unit { unit: String, known: &'static str },
    /// More text after a size.
    #[error("{0:?} is too much")]
    Rest(String),
    /// It cannot be less than nothing.
    #[error("it is negative")]
    Negative,
    /// Beyond what can be counted.
    #[error("it is too large")]
    TooLarge,
}

/// Units of time in the order in which a span is written. The first name is the one we write; the
/// others are systemd's.
const TIME: [(u64, &[&str]); 7] = [
    (86_400_000_000_000, &["d", "day", "days"]),
    (3_600_000_000_000, &["h", "hr", "hour", "hours"]),
    (60_000_000_000, &["min", "m", "minute", "minutes"]),
    (SECOND, &["s", "sec", "second", "seconds"]),
    (1_000_000, &["ms", "msec"]),
    (1_000, &["us", "usec", "µs", "μs"]),
    (1, &["ns", "nsec"]),
];
const SECOND: u64 = 1_000_000_000;
const SIZES: [(u64, &[&str]); 4] =
    [(1 << 30, &["GiB", "G"]), (1 << 20, &["MiB", "M"]), (1 << 10, &["KiB", "K"]), (1, &["B"])];

impl TimeSpan {
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for TimeSpan {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl ByteSize {
    pub const fn from_bytes(bytes: usize) -> Self {
        Self(bytes)
    }

    pub const fn from_mib(mib: u16) -> Self {
        Self((mib as usize) << 20)
    }

    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl FromStr for TimeSpan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(UnitError::Empty);
        }
        let (mut nanos, mut first) = (0_u128, true);
        while !rest.is_empty() {
            let (count, unit, after) = count_and_unit(rest)?;
            let size = match unit {
                "" if first && after.is_empty() => SECOND,
                "" => return Err(UnitError::NoUnit(count)),
                unit => size_of(unit, &TIME, "d, h, min, s, ms, us and ns")?,
            };
            nanos = (u128::from(count) * u128::from(size))
                .checked_add(nanos)
                .ok_or(UnitError::TooLarge)?;
            (rest, first) = (after, false);
        }
        let second = u128::from(SECOND);
        let seconds = u64::try_from(nanos / second).map_err(|_| UnitError::TooLarge)?;
        let nanos = u32::try_from(nanos % second).map_err(|_| UnitError::TooLarge)?;
        Ok(Self(Duration::new(seconds, nanos)))
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(UnitError::Empty);
        }
        let (count, unit, after) = count_and_unit(text)?;
        if !after.is_empty() {
            return Err(UnitError::Rest(after.to_owned()));
        }
        let size = match unit {
            "" => 1,
            unit => size_of(unit, &SIZES, "GiB, MiB, KiB and B, or G, M and K")?,
        };
        let bytes = count.checked_mul(size).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(UnitError::TooLarge)
    }
}

/// Splits off a number and the word after it, which may be empty.
fn count_and_unit(text: &str) -> Result<(u64, &str, &str), UnitError> {
    let (digits, rest) = split_where(text, |c| !c.is_ascii_digit());
    if digits.is_empty() {
        return Err(UnitError::Number(text.to_owned()));
    }
    let count = digits.parse().map_err(|_| UnitError::TooLarge)?;
    let (unit, after) = split_where(rest.trim_start(), |c| c.is_ascii_digit() || c.is_whitespace());
    Ok((count, unit, after.trim_start()))
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.find(end).and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""))
}

fn size_of(unit: &str, units: &[(u64, &[&str])], known: &'static str) -> Result<u64, UnitError> {
    let found = units.iter().find(|(_, names)| names.contains(&unit));
    found.map(|(size, _)| *size).ok_or_else(|| UnitError::Unit { unit: unit.to_owned(), known })
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        let mut gap = "";
        for (size, names) in TIME {
            let count = rest / u128::from(size);
            rest %= u128::from(size);
            if let (1.., Some(name)) = (count, names.first()) {
                write!(f, "{gap}{count}{name}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0 as u64;
        for (size, names) in SIZES {
            if let (0, 1.., Some(name)) = (bytes % size, bytes / size, names.first()) {
                return write!(f, "{}{name}", bytes / size);
            }
        }
        f.write_str("0B")
    }
}

/// What a whole number in the file means.
trait Quantity: FromStr<Err = UnitError> + Sized {
    const EXPECTED: &'static str;

    fn from_plain(number: u64) -> Result<Self, UnitError>;
}

impl Quantity for TimeSpan {
    const EXPECTED: &'static str = "a span of time such as \"30s\"";

    fn from_plain(number: u64) -> Result<Self, UnitError> {
        Ok(Self::from_secs(number))
    }
}

impl Quantity for ByteSize {
    const EXPECTED: &'static str = "a size such as \"64MiB\"";

    fn from_plain(number: u64) -> Result<Self, UnitError> {
        number.try_into().map(Self).map_err(|_| UnitError::TooLarge)
    }
}

struct QuantityVisitor<T>(PhantomData<T>);

impl<T: Quantity> Visitor<'_> for QuantityVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        T::from_plain(number).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        u64::try_from(number)
            .map_err(|_| UnitError::Negative)
            .and_then(T::from_plain)
            .map_err(E::custom)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(QuantityVisitor(PhantomData))
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn span(text: &str) -> Duration {
        text.parse::<TimeSpan>().unwrap().duration()
    }

    #[track_caller]
    fn size(text: &str) -> usize {
        text.parse::<ByteSize>().unwrap().bytes()
    }

    #[test]
    fn spans_are_written_as_systemd_does() {
        assert_eq!(span("30s"), Duration::from_secs(30));
        assert_eq!(span(" 1min 30s "), Duration::from_secs(90));
        assert_eq!(span("1m30s"), Duration::from_secs(90));
        assert_eq!(span("2 hours"), Duration::from_secs(7200));
        assert_eq!(span("500ms"), Duration::from_millis(500));
        assert_eq!(span("7µs"), Duration::from_micros(7));
        assert_eq!(span("45"), Duration::from_secs(45));
    }

    #[test]
    fn a_wrong_span_says_what_is_wrong_with_it() {
        let error = |text: &str| text.parse::<TimeSpan>().unwrap_err();
        assert_eq!(error(" "), UnitError::Empty);
        assert_eq!(error("soon"), UnitError::Number("soon".to_owned()));
        assert_eq!(error("-3s"), UnitError::Number("-3s".to_owned()));
        assert_eq!(error("1min 30"), UnitError::NoUnit(30));
        assert_eq!(error("99999999999999999999s"), UnitError::TooLarge);
        let message = error("3 parsecs").to_string();
        assert!(message.contains("\"parsecs\"") && message.contains("min"), "{message}");
    }

    #[test]
    fn sizes_count_in_powers_of_two() {
        assert_eq!(size("64MiB"), 64 << 20);
        assert_eq!(size("64 M"), 64 << 20);
        assert_eq!(size("1G"), 1 << 30);
        assert_eq!(size("3K"), 3072);
        assert_eq!(size("17"), 17);
    }

    #[test]
    fn a_wrong_size_says_what_is_wrong_with_it() {
        let error = |text: &str| text.parse::<ByteSize>().unwrap_err();
        let message = error("64MB").to_string();
        assert!(message.contains("\"MB\"") && message.contains("MiB"), "{message}");
        assert_eq!(error("1G 1M"), UnitError::Rest("1M".to_owned()));
        assert_eq!(error("99999999999999999G"), UnitError::TooLarge);
    }

    #[test]
    fn plain_numbers_are_seconds_and_bytes() {
        assert_eq!(serde_json::from_str::<TimeSpan>("90").unwrap(), TimeSpan::from_secs(90));
        assert_eq!(serde_json::from_str::<ByteSize>("90").unwrap(), ByteSize::from_bytes(90));
        let error = serde_json::from_str::<TimeSpan>("-1").unwrap_err().to_string();
        assert!(error.contains("negative"), "{error}");
        let error = serde_json::from_str::<ByteSize>("true").unwrap_err().to_string();
        assert!(error.contains("64MiB"), "{error}");
    }

    #[test]
    fn quantities_are_shown_in_their_largest_units() {
        assert_eq!(TimeSpan::from_secs(90).to_string(), "1min 30s");
        assert_eq!(TimeSpan::from_secs(0).to_string(), "0s");
        assert_eq!(ByteSize::from_mib(64).to_string(), "64MiB");
        assert_eq!(ByteSize::from_bytes(1025).to_string(), "1025B");
        assert_eq!(ByteSize::from_bytes(0).to_string(), "0B");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_the_same(seconds: u64, nanos in 0..1_000_000_000_u32, bytes: usize) {
            let span = TimeSpan::from(Duration::new(seconds, nanos));
            prop_assert_eq!(span.to_string().parse(), Ok(span));
            let size = ByteSize::from_bytes(bytes);
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn any_text_has_an_answer(text in "[0-9a-zµ. -]{0,24}|\\PC{0,24}") {
            drop((text.parse::<TimeSpan>(), text.parse::<ByteSize>()));
        }
    }
}
