//! The profile Chromium finds when it starts: what cannot be said by a switch.

use serde_json::{Value, json};

use super::{
    auth::Credentials,
    directory::{DirectoryError, PrivateDirectory},
};
use crate::session::ports::PageSpec;

/// Chromium's limits for page zoom.
const ZOOM: (f64, f64) = (0.25, 5.0);
/// Chromium keeps zoom as a power of this.
const ZOOM_STEP: f64 = 1.2;

/// Chromium's word for "never, and do not ask".
const BLOCK: u8 = 2;

/// Permissions that pages read before they ask; prompts are denied by a switch.
const BLOCKED: &[&str] = &[
    "automatic_downloads",
    "geolocation",
    "local_network_access",
    "media_stream_camera",
    "media_stream_mic",
    "midi_sysex",
    "notifications",
    "payment_handler",
    "popups",
];

/// Writes the profile. It is small; Chromium fills in the rest.
pub(super) fn write(
    directory: &PrivateDirectory,
    page: &PageSpec,
    credentials: &Credentials,
) -> Result<(), DirectoryError> {
    let profile = directory.profile();
    directory
        .write(&profile.join("Default").join("Preferences"), &preferences(page).to_string())?;
    directory.write(&profile.join("Local State"), &local_state(credentials).to_string())
}

fn preferences(page: &PageSpec) -> Value {
    let blocked: serde_json::Map<String, Value> =
        BLOCKED.iter().map(|name| ((*name).to_owned(), BLOCK.into())).collect();
    json!({
        "profile": {
            "exit_type": "Normal",
            "default_content_setting_values": blocked,
            "password_manager_enabled": false,
        },
        // "x" is Chromium's name for the default storage partition.
        "partition": { "default_zoom_level": { "x": zoom_level(page.scale * page.zoom) } },
        "credentials_enable_service": false,
        "autofill": { "profile_enabled": false, "credit_card_enabled": false },
        "translate": { "enabled": false },
        "https_only_mode_enabled": false,
        "safebrowsing": { "enabled": false },
        "search": { "suggest_enabled": false },
        "download": { "prompt_for_download": false },
        // window.print() would open the system's dialog and dim the page until somebody closes it.
        "printing": { "enabled": false },
    })
}

fn local_state(credentials: &Credentials) -> Value {
    // Without a scheme that Chromium could answer by, a 401 is shown as the page it carries. With
    // one, Chromium asks with a box of its own, unless we answer (see `Credentials`).
    let schemes = if credentials.answers_http_auth() { "basic,digest" } else { "" };
    json!({
        "auth": { "schemes": schemes },
        // Names of the local network are known to its own resolver only.
        "dns_over_https": { "mode": "off" },
    })
}

fn zoom_level(factor: f64) -> f64 {
    factor.clamp(ZOOM.0, ZOOM.1).ln() / ZOOM_STEP.ln()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::page, *};

    #[test]
    fn scale_and_zoom_multiply_within_chromiums_limits() {
        assert!(zoom_level(1.0).abs() < 1e-9);
        assert!((zoom_level(1.2) - 1.0).abs() < 1e-9);
        assert!((zoom_level(20.0) - zoom_level(5.0)).abs() < 1e-9);
        let mut page = page("http://host/");
        (page.scale, page.zoom) = (2.0, 0.5);
        let level = &preferences(&page)["partition"]["default_zoom_level"]["x"];
        assert!(level.as_f64().unwrap().abs() < 1e-9);
    }

    #[test]
    fn permissions_are_blocked_before_anybody_asks() {
        let preferences = preferences(&page("http://host/"));
        let blocked = &preferences["profile"]["default_content_setting_values"];
        for name in ["notifications", "geolocation", "popups", "media_stream_mic"] {
            assert_eq!(blocked[name], 2, "{name}");
        }
    }

    #[test]
    fn http_authentication_is_on_only_when_we_can_answer_it() {
        let mut page = page("http://host/");
        assert_eq!(local_state(&Credentials::new(&page))["auth"]["schemes"], "");
        page.url.set_username("me").unwrap();
        assert_eq!(local_state(&Credentials::new(&page))["auth"]["schemes"], "basic,digest");
    }
}
