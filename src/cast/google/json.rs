//! Looks into JSON that somebody else wrote: what is missing, or of another kind than expected, is
//! absent and never an error.

use serde_json::Value;

/// Bytes of any text that is taken from a TV. Names, ids and addresses are far shorter; what a
/// message says beyond is cut off, so that what is kept of it has a bound.
pub(super) const LONGEST_TEXT: usize = 1024;

/// A text to keep or to show, in one line and not too long.
pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    let text = value.get(key)?.as_str()?;
    Some(clip(text).chars().filter(|letter| !letter.is_control()).collect())
}

pub(super) fn word<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

pub(super) fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key)?.as_f64()
}

pub(super) fn integer(value: &Value, key: &str) -> Option<i64> {
    value.get(key)?.as_i64()
}

pub(super) fn flag(value: &Value, key: &str) -> Option<bool> {
    value.get(key)?.as_bool()
}

/// At most [`LONGEST_TEXT`] bytes of `text`.
pub(super) fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST_TEXT)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_of_another_kind_is_absent() {
        let value = json!({"a": 1, "b": "1", "c": null});
        assert_eq!(text(&value, "a"), None);
        assert_eq!(number(&value, "b"), None);
        assert_eq!(integer(&value, "c"), None);
        assert_eq!(flag(&json!([]), "a"), None);
    }

    #[test]
    fn a_text_cannot_forge_a_line_of_the_log() {
        let value = json!({"name": "TV\n\u{1b}[31mroot"});
        assert_eq!(text(&value, "name").as_deref(), Some("TV[31mroot"));
    }

    #[test]
    fn long_text_is_cut_between_letters() {
        let long = "ä".repeat(LONGEST_TEXT);
        assert_eq!(clip(&long).len(), LONGEST_TEXT);
        assert_eq!(clip(&format!("a{long}")).len(), LONGEST_TEXT - 1);
    }
}
