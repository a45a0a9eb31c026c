//! `devN:` of a container: `[path=]<Path> [,deny-write=<1|0>] [,gid=<integer>] [,mode=<Octal access
//! mode>] [,uid=<integer>]`, as pct.conf(5) has it.

use std::path::Path;

/// How many there can be, by `$MAX_DEVICES` of `PVE/LXC/Config.pm`.
pub(super) const MOST: u32 = 256;

/// Read and write, for a group.
const GROUP_MAY: u32 = 0o060;

/// The value of a `devN`, whose fields keep their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device(Vec<(String, String)>);

impl Device {
    pub(super) fn new(path: &Path, gid: u32) -> Self {
        let field = |key: &str, value: String| (key.to_owned(), value);
        Self(vec![field("", path.display().to_string()), field("gid", gid.to_string())])
    }

    pub(super) fn parse(value: &str) -> Self {
        let field = |field: &str| {
            let (key, value) = field.split_once('=').unwrap_or(("", field));
            (key.trim().to_owned(), value.trim().to_owned())
        };
        Self(value.split(',').map(field).collect())
    }

    fn field(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_of(&self, node: &Path) -> bool {
        self.field("").or_else(|| self.field("path")).is_some_and(|path| Path::new(path) == node)
    }

    /// The same with what lets a group read and write it.
    pub(super) fn mended(mut self, gid: u32) -> Self {
        let gid = gid.to_string();
        match self.0.iter_mut().find(|(key, _)| key == "gid") {
            Some((_, value)) => *value = gid,
            None => self.0.push(("gid".to_owned(), gid)),
        }
        self.0.retain(|(key, value)| match key.as_str() {
            "deny-write" => !is_true(value),
            // Without it, it is 0660.
            "mode" => u32::from_str_radix(value, 8).is_ok_and(|mode| mode & GROUP_MAY == GROUP_MAY),
            _ => true,
        });
        self
    }

    pub(super) fn text(&self) -> String {
        let field = |(key, value): &(String, String)| match key.as_str() {
            "" => value.clone(),
            key => format!("{key}={value}"),
        };
        self.0.iter().map(field).collect::<Vec<_>>().join(",")
    }
}

/// A boolean as Proxmox reads it.
pub(super) fn is_true(value: &str) -> bool {
    ["1", "on", "yes", "true"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// `features:` with nesting, and all else as it was.
pub(super) fn with_nesting(features: Option<&str>) -> String {
    let fields = features.into_iter().flat_map(|features| features.split(','));
    let mut fields: Vec<&str> = fields.map(str::trim).filter(|field| !field.is_empty()).collect();
    let nesting = |field: &str| field.strip_prefix("nesting=").map(is_true);
    match fields.iter().position(|field| nesting(field).is_some()) {
        Some(at) if nesting(fields[at]) == Some(true) => {}
        Some(at) => fields[at] = "nesting=1",
        None => fields.push("nesting=1"),
    }
    fields.join(",")
}
