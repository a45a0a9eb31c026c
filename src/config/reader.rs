//! From laid-over files to typed values, with all that is wrong in one go.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt::Display,
    mem,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{
    Spanned, Value,
    de::{DeValue, ValueDeserializer},
};
use url::Url;

use super::{
    casts::OnBusy,
    devices::StaticDevice,
    document::{Documents, Entries, Entry, Key},
    fragments::Fragment,
    gpu::GpuChoice,
    pages::{AllowedPage, HttpsOrigin},
    problem::{ConfigError, Place, Problem, Warning},
    sections::Config,
    value::{ByteSize, TimeSpan},
};
use crate::{
    media::{Audio, Quality},
    units::FrameRate,
};

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    pub warnings: Vec<Warning>,
    /// The files that were read, in the order in which they were applied.
    pub files: Vec<PathBuf>,
    /// Every key with its value, in the order of the shipped example.
    pub settings: Vec<Setting>,
}

/// One key's value and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    pub section: Cow<'static, str>,
    pub key: &'static str,
    pub value: Value,
    /// `None` for a default.
    pub from: Option<Place>,
}

impl Config {
    /// Lays the fragments over each other, the last one on top, and checks every value that counts.
    ///
    /// # Errors
    /// All problems of all fragments, not only the first.
    pub fn load(fragments: &[Fragment]) -> Result<Loaded, ConfigError> {
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let documents = Documents::parse(fragments, &mut problems);
        let (entries, casts) = (documents.merge(), documents.casts());
        let (settings, known) = (Vec::new(), Vec::new());
        let mut reader = Reader { entries, casts, settings, known, problems };
        let config = Self::read(&mut reader);
        let Reader { settings, known, mut problems, .. } = reader;
        documents.compare(&known, &mut warnings, &mut problems);
        let files = fragments.iter().map(|fragment| fragment.path.clone()).collect();
        if problems.is_empty() {
            Ok(Loaded { config, warnings, files, settings })
        } else {
            Err(ConfigError { problems, warnings, files })
        }
    }
}

/// A type that a key can have.
pub(super) trait ValueType: DeserializeOwned {
    /// Says what to write; it follows "must be".
    const EXPECTED: &'static str;

    fn to_toml(&self) -> Value;
}

macro_rules! written_as_text {
    ($($type:ty: $expected:literal),* $(,)?) => {$(
        impl ValueType for $type {
            const EXPECTED: &'static str = $expected;

            fn to_toml(&self) -> Value {
                Value::String(self.to_string())
            }
        }
    )*};
}

written_as_text! {
    GpuChoice: "\"auto\", \"none\", a place such as \"pci:0000:00:02.0\" or a node such as \"/dev/dri/renderD128\"",
    SocketAddr: "an address and a port such as \"127.0.0.1:8000\"",
    Quality: "\"1080p\", \"720p\" or \"low-latency\"",
    Audio: "\"silent\" or \"none\"",
    TimeSpan: "a span of time",
    ByteSize: "a size",
    AllowedPage: "a host such as \"dash.lan\" or an origin such as \"http://dash.lan:3000\"",
    HttpsOrigin: "an origin such as \"https://nas.lan:5001\"",
    StaticDevice: "a TV such as \"192.168.1.20\" or \"kitchen=tv.lan:8009\"",
    String: "a text",
    OnBusy: "\"yield\", \"preempt\" or \"preempt-and-return\"",
    Url: "a whole address such as \"http://host:3000/d/1\"",
}

impl ValueType for bool {
    const EXPECTED: &'static str = "true or false";

    fn to_toml(&self) -> Value {
        Value::Boolean(*self)
    }
}

impl ValueType for f64 {
    const EXPECTED: &'static str = "a number";

    fn to_toml(&self) -> Value {
        Value::Float(*self)
    }
}

impl ValueType for usize {
    const EXPECTED: &'static str = "a whole number";

    fn to_toml(&self) -> Value {
        Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl ValueType for FrameRate {
    const EXPECTED: &'static str = "a whole number from 1 to 60";

    fn to_toml(&self) -> Value {
        Value::Integer(i64::from(self.per_second()))
    }
}

/// Reads keys one by one. What it was asked for is what the program knows.
pub(super) struct Reader<'a> {
    entries: Entries<'a>,
    /// The names of the casts, and where each is first spoken of.
    casts: BTreeMap<String, Place>,
    settings: Vec<Setting>,
    known: Vec<Key>,
    problems: Vec<Problem>,
}

/// Why a value cannot be used, beyond what its type expects.
type Refusal = Option<String>;

impl<'a> Reader<'a> {
    pub(super) fn section(&mut self, name: impl Into<Cow<'static, str>>) -> Section<'_, 'a> {
        Section { name: name.into(), reader: self }
    }

    /// The names of the casts, in their order, and where each is first spoken of.
    pub(super) fn casts(&mut self) -> BTreeMap<String, Place> {
        mem::take(&mut self.casts)
    }

    pub(super) fn has(&self, section: &str, key: &str) -> bool {
        self.entry(section, key).is_some()
    }

    fn entry(&self, section: &str, key: &str) -> Option<Entry<'a>> {
        self.entries.get(&(Cow::Borrowed(section), key)).copied()
    }

    /// Reports that a value does not go with that of another key. A default goes with all others.
    pub(super) fn conflict(&mut self, (section, key): (&str, &str), message: String) {
        if let Some(entry) = self.entry(section, key) {
            self.refuse(entry.place(entry.value.span()), message);
        }
    }

    pub(super) fn refuse(&mut self, place: Place, message: String) {
        self.problems.push(Problem::Conflict { place, message });
    }
}

/// The keys of one section.
pub(super) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    name: Cow<'static, str>,
}

impl<'a> Section<'_, 'a> {
    pub(super) fn value<T: ValueType>(&mut self, key: &'static str, default: T) -> T {
        self.read_one(key, default, T::EXPECTED, |value| Some(value.to_toml()), deserialize)
    }

    /// A value that must lie within limits.
    pub(super) fn within<T>(
        &mut self,
        key: &'static str,
        default: T,
        limits: RangeInclusive<T>,
    ) -> T
    where
        T: ValueType + PartialOrd + Display,
    {
        self.read_one(
            key,
            default,
            &expected(&limits),
            |value| Some(value.to_toml()),
            |value| deserialize_within(value, &limits),
        )
    }

    /// A value that need not be given.
    pub(super) fn option<T: ValueType>(&mut self, key: &'static str) -> Option<T> {
        self.optional(key, T::EXPECTED, deserialize)
    }

    /// A value that need not be given, and must lie within limits.
    pub(super) fn option_within<T>(
        &mut self,
        key: &'static str,
        limits: RangeInclusive<T>,
    ) -> Option<T>
    where
        T: ValueType + PartialOrd + Display,
    {
        self.optional(key, &expected(&limits), |value| deserialize_within(value, &limits))
    }

    /// A path that need not be given; the empty string takes back what an earlier file gave.
    pub(super) fn path(&mut self, key: &'static str, default: Option<PathBuf>) -> Option<PathBuf> {
        let shown = |path: &Option<PathBuf>| {
            let path = path.as_deref().unwrap_or(Path::new(""));
            Some(Value::String(path.to_string_lossy().into_owned()))
        };
        self.read(key, default, shown, |entry, name| {
            let value = entry.value;
            let found = match value.get_ref().as_str() {
                Some("") => return Ok(None),
                // The system would take a zero byte for the path's end.
                Some(text) if text.starts_with('/') && !text.contains('\0') => {
                    return Ok(Some(PathBuf::from(text)));
                }
                // Not shown: it may be the token itself.
                Some(_) => "another text".to_owned(),
                None => entry.excerpt(value),
            };
            Err(vec![Problem::Value {
                place: entry.place(value.span()),
                what: name.to_owned(),
                expected: "an absolute path, or \"\" for none".to_owned(),
                found,
            }])
        })
    }

    /// Every entry that is wrong is reported.
    pub(super) fn list<T: ValueType>(&mut self, key: &'static str, default: Vec<T>) -> Vec<T> {
        let shown = |list: &Vec<T>| Some(Value::Array(list.iter().map(T::to_toml).collect()));
        self.read(key, default, shown, |entry, name| {
            let Some(items) = entry.value.get_ref().as_array() else {
                let expected = format!("an array, each entry {}", T::EXPECTED);
                return Err(vec![problem(entry, entry.value, name.to_owned(), &expected, None)]);
            };
            let (mut list, mut problems) = (Vec::new(), Vec::new());
            for item in items.iter() {
                match deserialize(item) {
                    Ok(value) => list.push(value),
                    Err(reason) => {
                        let what = format!("an entry of {name}");
                        problems.push(problem(entry, item, what, T::EXPECTED, reason));
                    }
                }
            }
            if problems.is_empty() { Ok(list) } else { Err(problems) }
        })
    }

    fn optional<T: ValueType>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&Spanned<DeValue<'a>>) -> Result<T, Refusal>,
    ) -> Option<T> {
        let shown = |value: &Option<T>| value.as_ref().map(T::to_toml);
        self.read_one(key, None, expected, shown, |value| read(value).map(Some))
    }

    fn read_one<T>(
        &mut self,
        key: &'static str,
        default: T,
        expected: &str,
        shown: impl Fn(&T) -> Option<Value>,
        read: impl FnOnce(&Spanned<DeValue<'a>>) -> Result<T, Refusal>,
    ) -> T {
        self.read(key, default, shown, |entry, name| {
            read(entry.value).map_err(|reason| {
                vec![problem(entry, entry.value, name.to_owned(), expected, reason)]
            })
        })
    }

    /// The one way in: notes the key, with its value where there is one to show, and falls back to the default after a problem so that
    /// reading goes on.
    fn read<T>(
        &mut self,
        key: &'static str,
        default: T,
        shown: impl Fn(&T) -> Option<Value>,
        read: impl FnOnce(Entry<'a>, &str) -> Result<T, Vec<Problem>>,
    ) -> T {
        let entry = self.reader.entry(&self.name, key);
        let name = format!("{}.{key}", self.name);
        let value = match entry.map(|entry| read(entry, &name)) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(problems)) => {
                self.reader.problems.extend(problems);
                default
            }
        };
        self.reader.known.push((self.name.clone(), key));
        if let Some(shown) = shown(&value) {
            self.reader.settings.push(Setting {
                section: self.name.clone(),
                key,
                value: shown,
                from: entry.map(|entry| entry.place(entry.value.span())),
            });
        }
        value
    }
}

fn expected<T: ValueType + Display>(limits: &RangeInclusive<T>) -> String {
    format!("{} from {} to {}", T::EXPECTED, limits.start(), limits.end())
}

fn deserialize_within<T: ValueType + PartialOrd>(
    value: &Spanned<DeValue<'_>>,
    limits: &RangeInclusive<T>,
) -> Result<T, Refusal> {
    let value = deserialize::<T>(value)?;
    if limits.contains(&value) { Ok(value) } else { Err(None) }
}

fn problem(
    entry: Entry<'_>,
    value: &Spanned<DeValue<'_>>,
    what: String,
    expected: &str,
    reason: Refusal,
) -> Problem {
    let mut found = entry.excerpt(value);
    if let Some(reason) = reason {
        found.push_str(&format!(" ({reason})"));
    }
    Problem::Value { place: entry.place(value.span()), what, expected: expected.to_owned(), found }
}

fn deserialize<T: DeserializeOwned>(value: &Spanned<DeValue<'_>>) -> Result<T, Refusal> {
    T::deserialize(ValueDeserializer::from(value.clone())).map_err(|error| {
        // Serde's own words tell in Rust's terms what `EXPECTED` says for people.
        let own = ["invalid type", "invalid value", "unknown variant", "wanted string"];
        let message = error.message();
        (!own.iter().any(|own| message.starts_with(own))).then(|| message.replace('\n', " "))
    })
}
