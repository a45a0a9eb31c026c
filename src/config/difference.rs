//! What is not as it was after the files were read again, and when it counts.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use super::sections::{Browser, Config, Devices, Encoder, Http, Pages, Service, Sessions, Stream};

/// A key whose value has changed. Its text is a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `section.key`, or `casts.NAME`.
    pub key: Cow<'static, str>,
    pub counts: Counts,
}

/// When a changed value counts. What runs keeps what it was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    Now,
    /// For starts and for pages that running sessions go to; what is open stays open.
    ForNewPages,
    ForNewSessions,
    /// Also for the next browser of a session that runs: it may be what mends it.
    ForNewBrowsers,
    AfterRestart,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = match self.counts {
            Counts::Now => "now",
            Counts::ForNewPages => "for pages that are opened from now on",
            Counts::ForNewSessions => "for new sessions",
            Counts::ForNewBrowsers => "for browsers that are started from now on",
            Counts::AfterRestart => "after a restart of the service",
        };
        write!(f, "{} has changed and counts {counts}.", self.key)
    }
}

impl Config {
    /// What changes from `self` to `next`, in the order of the shipped example.
    pub fn differences(&self, next: &Self) -> Vec<Difference> {
        // Without "..", so that no key that comes later is forgotten here.
        let Self {
            http: Http { listen, token_file, loopback_needs_token },
            sessions: Sessions { most, quality, audio, frame_rate },
            pages: Pages { allow, allow_link_local, accept_certificates_of, timeout },
            stream: Stream { window, memory },
            browser: Browser { program },
            encoder: Encoder { gpu },
            devices: Devices { discover, fixed, default },
            service: Service { idle_exit },
            casts,
        } = self;
        let Self { http, sessions, pages, stream, browser, encoder, devices, service, .. } = next;
        let keys = [
            ("http.listen", *listen == http.listen, Counts::AfterRestart),
            ("http.token-file", *token_file == http.token_file, Counts::Now),
            (
                "http.loopback-needs-token",
                *loopback_needs_token == http.loopback_needs_token,
                Counts::Now,
            ),
            ("sessions.most", *most == sessions.most, Counts::Now),
            ("sessions.quality", *quality == sessions.quality, Counts::ForNewSessions),
            ("sessions.audio", *audio == sessions.audio, Counts::ForNewSessions),
            ("sessions.frame-rate", *frame_rate == sessions.frame_rate, Counts::ForNewSessions),
            ("pages.allow", *allow == pages.allow, Counts::ForNewPages),
            (
                "pages.allow-link-local",
                *allow_link_local == pages.allow_link_local,
                Counts::ForNewPages,
            ),
            (
                "pages.accept-certificates-of",
                *accept_certificates_of == pages.accept_certificates_of,
                Counts::ForNewSessions,
            ),
            ("pages.timeout", *timeout == pages.timeout, Counts::ForNewBrowsers),
            ("stream.window", *window == stream.window, Counts::ForNewSessions),
            ("stream.memory", *memory == stream.memory, Counts::ForNewSessions),
            ("browser.program", *program == browser.program, Counts::ForNewBrowsers),
            ("encoder.gpu", *gpu == encoder.gpu, Counts::Now),
            ("devices.discover", *discover == devices.discover, Counts::Now),
            ("devices.static", *fixed == devices.fixed, Counts::Now),
            ("devices.default", *default == devices.default, Counts::Now),
            ("service.idle-exit", *idle_exit == service.idle_exit, Counts::Now),
        ];
        let changed = keys.into_iter().filter(|(_, is_same, _)| !is_same);
        let keys = changed.map(|(key, _, counts)| Difference { key: key.into(), counts });
        let names: BTreeSet<_> = casts.keys().chain(next.casts.keys()).collect();
        let changed = names.into_iter().filter(|name| casts.get(*name) != next.casts.get(*name));
        let casts = changed.map(|name| Difference {
            key: format!("casts.{name}").into(),
            counts: Counts::ForNewSessions,
        });
        keys.chain(casts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Fragment, *};

    /// Every key with another value than the default one, and when that counts.
    const TABLE: [(&str, &str, &str, Counts); 19] = [
        ("http", "listen", "\"0.0.0.0:81\"", Counts::AfterRestart),
        ("http", "token-file", "\"/etc/token\"", Counts::Now),
        ("http", "loopback-needs-token", "true", Counts::Now),
        ("sessions", "most", "7", Counts::Now),
        ("sessions", "quality", "\"720p\"", Counts::ForNewSessions),
        ("sessions", "audio", "\"none\"", Counts::ForNewSessions),
        ("sessions", "frame-rate", "25", Counts::ForNewSessions),
        ("pages", "allow", "[\"dash.lan\"]", Counts::ForNewPages),
        ("pages", "allow-link-local", "true", Counts::ForNewPages),
        ("pages", "accept-certificates-of", "[\"https://nas\"]", Counts::ForNewSessions),
        ("pages", "timeout", "\"5s\"", Counts::ForNewBrowsers),
        ("stream", "window", "\"20s\"", Counts::ForNewSessions),
        ("stream", "memory", "\"9MiB\"", Counts::ForNewSessions),
        ("browser", "program", "\"/usr/bin/chromium\"", Counts::ForNewBrowsers),
        ("encoder", "gpu", "\"none\"", Counts::Now),
        ("devices", "discover", "false", Counts::Now),
        ("devices", "static", "[\"10.0.0.1\"]", Counts::Now),
        ("devices", "default", "\"hall\"", Counts::Now),
        ("service", "idle-exit", "\"1h\"", Counts::Now),
    ];

    fn load(text: &str) -> super::super::Loaded {
        let fragment = Fragment { path: "test.toml".into(), text: text.to_owned() };
        Config::load(&[fragment]).unwrap()
    }

    #[test]
    fn every_key_is_noticed_and_no_other_with_it() {
        for (section, key, value, counts) in TABLE {
            let next = load(&format!("[{section}]\n{key} = {value}\n")).config;
            let name = format!("{section}.{key}");
            for (before, after) in [(Config::default(), next.clone()), (next, Config::default())] {
                let found = before.differences(&after);
                let found: Vec<_> = found.iter().map(|one| (&*one.key, one.counts)).collect();
                assert_eq!(found, [(name.as_str(), counts)]);
            }
        }
    }

    #[test]
    fn the_table_has_every_key_that_there_is() {
        let settings = load("").settings;
        let keys: Vec<_> =
            settings.iter().map(|setting| (&*setting.section, setting.key)).collect();
        assert_eq!(TABLE.map(|(section, key, ..)| (section, key)), keys[..]);
    }

    #[test]
    fn a_cast_that_comes_goes_or_changes_is_named_and_no_other() {
        let casts = |hall: &str, loft: &str| {
            load(&format!("[casts.hall]\nurl = \"{hall}\"\n{loft}\n")).config
        };
        let loft = "[casts.loft]\nurl = \"http://x/\"";
        let one = casts("http://a/", "");
        for (before, after, expected) in [
            (&one, casts("http://a/", loft), "casts.loft"),
            (&casts("http://a/", loft), one.clone(), "casts.loft"),
            (&one, casts("http://b/", ""), "casts.hall"),
            (&one, casts("http://a/", "zoom = 2"), "casts.hall"),
        ] {
            let found = before.differences(&after);
            let expected = Difference { key: expected.into(), counts: Counts::ForNewSessions };
            assert_eq!(found, [expected]);
        }
        assert_eq!(one.differences(&casts("http://a/", "")), []);
    }

    #[test]
    fn what_stays_is_not_spoken_of_and_what_changes_is_a_sentence() {
        assert_eq!(Config::default().differences(&Config::default()), []);
        for (counts, words) in [
            (Counts::Now, "now"),
            (Counts::ForNewPages, "for pages that are opened from now on"),
            (Counts::ForNewSessions, "for new sessions"),
            (Counts::ForNewBrowsers, "for browsers that are started from now on"),
            (Counts::AfterRestart, "after a restart of the service"),
        ] {
            let said = Difference { key: "section.key".into(), counts }.to_string();
            assert_eq!(said, format!("section.key has changed and counts {words}."));
        }
    }
}
