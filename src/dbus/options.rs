//! Dictionaries of D-Bus into the request that HTTP reads from JSON, and JSON into dictionaries.

use std::collections::HashMap;

use serde::Deserialize as _;
use serde_json::{Map, Number, Value};
use zbus::{OwnedVariant, Variant};

use super::{
    error::{Error, Kind},
    names::text,
};
use crate::session::StartRequest;

/// What `StartCast` takes beside the address.
const OPTIONS: [&str; 13] = [
    "audio",
    "auth",
    "device",
    "duration",
    "frame-rate",
    "mode",
    "on-busy",
    "quality",
    "resume-after",
    "scale",
    "target",
    "volume",
    "zoom",
];

/// The request that the arguments of `StartCast` are, read by the same rules as JSON of `POST /start`.
pub(super) fn start_request(
    url: String,
    options: HashMap<String, OwnedVariant>,
) -> Result<StartRequest, Error> {
    let mut request = Map::new();
    request.insert("url".to_owned(), url.into());
    for (key, value) in options {
        if !OPTIONS.contains(&key.as_str()) {
            let message = format!("there is no option {key:?}; there are {}", OPTIONS.join(", "));
            return Err(Error::new(Kind::InvalidArgs, message));
        }
        let value = json(&value).ok_or_else(|| {
            let what = value.value_signature();
            Error::new(
                Kind::InvalidArgs,
                format!("{key}: a value of type \"{what}\" means nothing"),
            )
        })?;
        let value = if key == "auth" { with_browser_names(value) } else { value };
        request.insert(key.replace('-', "_"), value);
    }
    serde_path_to_error::deserialize(Value::Object(request)).map_err(|error| {
        let place = error.path().to_string().replace('_', "-");
        Error::new(Kind::InvalidArgs, format!("{place}: {}", error.into_inner()))
    })
}

/// What JSON calls by the browser's name is in kebab-case here.
fn with_browser_names(auth: Value) -> Value {
    match auth {
        Value::Object(mut auth) => {
            if let Some(storage) = auth.remove("local-storage") {
                auth.insert("localStorage".to_owned(), storage);
            }
            Value::Object(auth)
        }
        other => other,
    }
}

/// `None` for what JSON has nothing for. How deep it can be is bounded by D-Bus.
fn json(value: &Variant<'_>) -> Option<Value> {
    Some(match value {
        Variant::U8(number) => (*number).into(),
        Variant::Bool(value) => (*value).into(),
        Variant::I16(number) => (*number).into(),
        Variant::U16(number) => (*number).into(),
        Variant::I32(number) => (*number).into(),
        Variant::U32(number) => (*number).into(),
        Variant::I64(number) => (*number).into(),
        Variant::U64(number) => (*number).into(),
        Variant::F64(number) => Value::Number(Number::from_f64(*number)?),
        Variant::Str(text) => text.as_str().into(),
        Variant::ObjectPath(path) => path.as_str().into(),
        Variant::Variant(inner) => json(inner)?,
        Variant::Array(list) => list.inner().iter().map(json).collect::<Option<_>>()?,
        Variant::Dict(dict) => {
            let mut object = Map::new();
            for (key, value) in dict.iter() {
                let Variant::Str(key) = key else { return None };
                object.insert(key.as_str().to_owned(), json(value)?);
            }
            Value::Object(object)
        }
        Variant::Signature(_) | Variant::Structure(_) | Variant::Fd(_) => return None,
    })
}

/// A JSON object as `a{sv}`: objects within it are `a{sv}`, lists `as` or of objects `aa{sv}`, whole numbers `t` (`x` below
/// zero), others `d`. What is null is left out.
pub(super) fn dictionary(object: Map<String, Value>) -> HashMap<String, OwnedVariant> {
    object
        .into_iter()
        .filter_map(|(key, value)| Some((key, OwnedVariant::try_from(variant(value)?).ok()?)))
        .collect()
}

fn variant(value: Value) -> Option<Variant<'static>> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => value.into(),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), _, _) => number.into(),
            (_, Some(number), _) => number.into(),
            (_, _, number) => number?.into(),
        },
        Value::String(value) => text(value).into(),
        Value::Array(list) if list.iter().any(Value::is_object) => {
            let objects = list.into_iter().filter_map(|value| match value {
                Value::Object(object) => Some(dictionary(object)),
                _ => None,
            });
            objects.collect::<Vec<_>>().into()
        }
        Value::Array(list) => {
            let list = Vec::<String>::deserialize(Value::Array(list)).ok()?;
            list.into_iter().map(text).collect::<Vec<_>>().into()
        }
        Value::Object(object) => dictionary(object).into(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::session::Defaults;

    fn options<const N: usize>(
        options: [(&str, Variant<'static>); N],
    ) -> HashMap<String, OwnedVariant> {
        let owned = |value| OwnedVariant::try_from(value).unwrap();
        options.into_iter().map(|(key, value)| (key.to_owned(), owned(value))).collect()
    }

    fn read<const N: usize>(given: [(&str, Variant<'static>); N]) -> Result<StartRequest, Error> {
        start_request("http://dash/".to_owned(), options(given))
    }

    #[test]
    fn the_options_are_the_keys_of_post_start() {
        let error = serde_json::from_str::<StartRequest>(r#"{"nothing": 0}"#).unwrap_err();
        let error = error.to_string();
        let known: Vec<_> = error.split('`').skip(3).step_by(2).collect();
        let mut known: Vec<_> = known.iter().map(|key| key.replace('_', "-")).collect();
        known.retain(|key| key != "url");
        known.sort();
        assert_eq!(known, OPTIONS);
    }

    #[test]
    fn every_number_is_a_number() {
        for duration in [
            Variant::U8(90),
            90_i16.into(),
            90_u32.into(),
            90_i64.into(),
            90_u64.into(),
            90.0.into(),
        ] {
            let request = read([("duration", duration)]).unwrap();
            let spec = request.into_spec(&Defaults::default(), None).unwrap();
            assert_eq!(spec.duration, Some(Duration::from_secs(90)));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (key, value, expected) in [
            ("colour", 1_u32.into(), "\"colour\"; there are audio, auth,"),
            ("frame_rate", 30_u32.into(), "\"frame_rate\"; there are"),
            ("quality", "8k".into(), "quality: unknown variant `8k`"),
            ("duration", "1h".into(), "duration: invalid type: string"),
            ("duration", f64::NAN.into(), "duration: a value of type \"d\" means nothing"),
            ("frame-rate", 0_u32.into(), "frame-rate: a frame rate of 0"),
            ("auth", Variant::from(vec![1_u32]), "auth[0]: invalid type"),
        ] {
            let error = read([(key, value)]).unwrap_err().to_string();
            assert!(error.contains(expected), "{key}: {error}");
        }
    }

    #[test]
    fn secrets_keep_their_names() {
        let cookies = HashMap::from([("my-cookie".to_owned(), "secret".to_owned())]);
        let storage = HashMap::from([("a_key", Variant::from("secret"))]);
        let auth = HashMap::from([
            ("cookies", Variant::from(cookies)),
            ("local-storage", Variant::from(storage)),
        ]);
        let auth = read([("auth", auth.into())]).unwrap().auth;
        assert_eq!(auth.cookies["my-cookie"], "secret");
        assert_eq!(auth.local_storage["a_key"], "secret");
    }

    #[test]
    fn json_becomes_a_dictionary_and_comes_back() {
        let facts = serde_json::json!({
            "status": "degraded", "streams": 2, "below": -1, "half": 0.5, "yes": true,
            "problems": ["one", "two"], "none": [], "inner": {"encoder": "libx264"},
        });
        let mut with_null = facts.clone();
        with_null["inner"]["reason"] = Value::Null;
        let Value::Object(object) = with_null else { unreachable!() };
        let dictionary = dictionary(object);
        assert_eq!(dictionary["problems"].value_signature(), "as");
        assert_eq!(dictionary["none"].value_signature(), "as");
        assert_eq!(dictionary["inner"].value_signature(), "a{sv}");
        assert_eq!(json(&Variant::from(dictionary)), Some(facts));
    }
}
