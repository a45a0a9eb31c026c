//! What comes over the bus, as JSON: one form to read it from, and to hand it on.

use std::collections::HashMap;

use serde_json::{Map, Value};
use zbus::{OwnedVariant, Variant};

use crate::cli::screen::plain;

/// A dictionary of properties or facts. Text in it is safe to show.
pub(super) fn object(facts: &HashMap<String, OwnedVariant>) -> Map<String, Value> {
    facts.iter().map(|(name, value)| (plain(name), json(value))).collect()
}

/// How deep values are nested is bounded by D-Bus, which refuses more than 64 levels.
fn json(value: &Variant<'_>) -> Value {
    match value {
        Variant::U8(number) => (*number).into(),
        Variant::Bool(flag) => (*flag).into(),
        Variant::I16(number) => (*number).into(),
        Variant::U16(number) => (*number).into(),
        Variant::I32(number) => (*number).into(),
        Variant::U32(number) => (*number).into(),
        Variant::I64(number) => (*number).into(),
        Variant::U64(number) => (*number).into(),
        Variant::F64(number) => (*number).into(),
        Variant::Str(text) => plain(text).into(),
        Variant::Signature(signature) => signature.to_string().into(),
        Variant::ObjectPath(path) => path.as_str().into(),
        Variant::Variant(value) => json(value),
        Variant::Array(values) => values.inner().iter().map(json).collect(),
        Variant::Dict(entries) => {
            let entries = entries.iter().map(|(key, value)| (word(key), json(value)));
            Value::Object(entries.collect())
        }
        Variant::Structure(fields) => fields.fields().iter().map(json).collect(),
        // The service sends none, and a number would mean nothing to the reader.
        Variant::Fd(_) => Value::Null,
    }
}

/// A key of a JSON object.
fn word(key: &Variant<'_>) -> String {
    match json(key) {
        Value::String(word) => word,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_facts_become_nested_objects() {
        let inner = HashMap::from([("quicksync_available", Variant::from(false))]);
        let facts = HashMap::from([
            ("status".to_owned(), OwnedVariant::try_from(Variant::from("healthy")).unwrap()),
            (
                "problems".to_owned(),
                OwnedVariant::try_from(Variant::from(vec!["a\x1b[2J"])).unwrap(),
            ),
            ("hardware".to_owned(), OwnedVariant::try_from(Variant::from(inner)).unwrap()),
        ]);
        let expected = serde_json::json!({
            "status": "healthy", "problems": ["a[2J"], "hardware": {"quicksync_available": false}
        });
        assert_eq!(Value::Object(object(&facts)), expected);
    }
}
