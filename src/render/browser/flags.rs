//! What Chromium is started with, and why.

use crate::units::Size;

/// One switch and its reason. The reason is for readers; it keeps the table honest.
struct Flag(
    &'static str,
    #[allow(dead_code, reason = "documentation that stands beside its switch")] &'static str,
);

#[rustfmt::skip]
const FLAGS: &[Flag] = &[
    // The picture.
    Flag("--ozone-platform=wayland", "we are the display; without it Chromium looks for X first"),
    Flag("--kiosk", "fullscreen, no frame, no tab strip, no hint how to leave fullscreen"),
    Flag("--window-position=0,0", "the first layout, before the display's answer, is right already"),
    Flag("--force-device-scale-factor=1", "scale and zoom are both page zoom, so that one CSS pixel rule holds"),
    Flag("--disable-gpu", "composites in software into shared memory, which is what our display reads"),
    Flag("--enable-unsafe-swiftshader", "WebGL in software; without it pages with maps and charts stay empty"),
    Flag("--force-color-profile=srgb", "the encoder takes sRGB; no colour management in between"),
    Flag("--hide-scrollbars", "nobody can scroll a TV; the bar would only take room"),
    Flag("--disable-lcd-text", "coloured fringes of LCD text turn into smear in 4:2:0 video"),
    // Control.
    Flag("--remote-debugging-pipe", "descriptors 3 and 4 instead of a port that others could reach"),
    // A page that nobody touches believes that somebody looks at it.
    Flag("--disable-background-timer-throttling", "timers of a page without input stay on time"),
    Flag("--disable-renderer-backgrounding", "the renderer keeps its priority"),
    Flag("--disable-backgrounding-occluded-windows", "the window counts as seen whatever the display says"),
    Flag("--autoplay-policy=no-user-gesture-required", "camera pages start although nobody clicks"),
    Flag("--disable-back-forward-cache", "nobody goes back; pages left behind only hold memory"),
    // Nothing may appear over the page.
    Flag("--no-first-run", "no welcome page"),
    Flag("--no-default-browser-check", "no question bar"),
    Flag("--noerrdialogs", "no error boxes"),
    Flag("--disable-session-crashed-bubble", "no bubble after a kill"),
    Flag("--hide-crash-restore-bubble", "the same bubble by its newer name"),
    Flag("--disable-infobars", "no bars"),
    Flag("--deny-permission-prompts", "every request for permission is denied at once, without a bubble"),
    Flag("--disable-prompt-on-repost", "reloading a form's answer asks nothing"),
    Flag("--disable-hang-monitor", "no box about a page that hangs; we watch that ourselves"),
    Flag("--disable-search-engine-choice-screen", "no choice screen"),
    Flag("--disable-auto-reload", "when to try again is the session's decision, not the error page's"),
    Flag("--disable-print-preview", "window.print() opens nothing over the page"),
    // No traffic and no processes that the page did not ask for.
    Flag("--disable-background-networking", "no calls home"),
    Flag("--disable-component-update", "no downloads of components"),
    Flag("--disable-domain-reliability", "no reports to Google"),
    Flag("--disable-sync", "no account"),
    Flag("--disable-default-apps", "no apps in a new profile"),
    Flag("--disable-extensions", "extensions of the system do not belong to the page"),
    Flag("--no-pings", "no hyperlink auditing"),
    Flag("--metrics-recording-only", "metrics are not sent"),
    Flag("--disable-breakpad", "no crash reporter process; crashes are reported by us"),
    Flag("--password-store=basic", "no keyring, which would be asked for over D-Bus"),
    // The profile is thrown away with the session and often lies in memory.
    Flag("--disk-cache-size=67108864", "64 MiB hold a dashboard's scripts; the default grows with the disk"),
];

/// Features that are on by default and would show up on the TV or cost something.
#[rustfmt::skip]
const FEATURES_OFF: &[Flag] = &[
    Flag("Translate", "no offer to translate"),
    Flag("MediaRouter", "no Cast discovery of Chromium's own"),
    Flag("HttpsUpgrades", "an http:// dashboard is meant to be http"),
    Flag("HttpsFirstBalancedModeAutoEnable", "no interstitial before http pages"),
    Flag("WebUIOmniboxPopup", "the address bar's popup is a page of its own in a process of its own"),
    Flag("WebUIOmniboxAimPopup", "its second half"),
    Flag("WebUIOmniboxFullPopup", "its third"),
    Flag("OptimizationHints", "no models and hints from Google"),
    Flag("InterestFeedContentSuggestions", "no feed"),
];

/// Below it Chromium fills `/dev/shm` with a few pages' pictures and crashes.
pub(crate) const SMALL_SHM: u64 = 256 * 1024 * 1024;

/// What depends on this machine and this page.
#[derive(Debug)]
pub(super) struct Circumstances {
    pub(super) root: bool,
    /// Size of `/dev/shm` in bytes.
    pub(super) shm: u64,
    pub(super) size: Size,
}

pub(super) fn all(circumstances: &Circumstances) -> Vec<String> {
    let mut flags: Vec<String> = FLAGS.iter().map(|flag| flag.0.to_owned()).collect();
    let features: Vec<&str> = FEATURES_OFF.iter().map(|feature| feature.0).collect();
    flags.push(format!("--disable-features={}", features.join(",")));
    let Size { width, height } = circumstances.size;
    flags.push(format!("--window-size={width},{height}"));
    if circumstances.shm < SMALL_SHM {
        flags.push("--disable-dev-shm-usage".into());
    }
    if circumstances.root {
        // Chromium refuses to start as root with its sandbox; the second suppresses the bar that
        // warns about the first.
        flags.extend(["--no-sandbox".into(), "--test-type".into()]);
    }
    flags
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn flags(root: bool, shm: u64) -> Vec<String> {
        let size = Size::new(1920, 1080);
        all(&Circumstances { root, shm, size })
    }

    #[test]
    fn the_sandbox_is_off_for_root_only() {
        assert!(!flags(false, u64::MAX).iter().any(|flag| flag.contains("sandbox")));
        assert!(!flags(false, u64::MAX).contains(&"--test-type".to_owned()));
        assert!(flags(true, u64::MAX).contains(&"--no-sandbox".to_owned()));
    }

    #[test]
    fn shared_memory_moves_to_files_when_there_is_little() {
        let moved = "--disable-dev-shm-usage".to_owned();
        assert!(flags(false, 64 * 1024 * 1024).contains(&moved));
        assert!(!flags(false, SMALL_SHM).contains(&moved));
    }

    #[test]
    fn every_switch_is_given_once_and_has_a_reason() {
        let flags = flags(true, 0);
        let names: BTreeSet<&str> =
            flags.iter().filter_map(|flag| flag.split('=').next()).collect();
        assert_eq!(names.len(), flags.len());
        assert!(FLAGS.iter().chain(FEATURES_OFF).all(|flag| flag.1.len() > 5));
    }
}
