//! The configuration as an administrator meets it: miniature filesystem roots in `tests/config/`,
//! with what `config check` and `config show` print for them beside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use dashboard_cast::{
    cli,
    config::{
        Cast, Config, ConfigError, Fragment, GpuChoice, Loaded, OnBusy, Problem, locate, read_files,
    },
    media::{Audio, Quality},
};
use proptest::prelude::*;

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(name)
}

#[track_caller]
fn load(name: &str) -> Result<Loaded, ConfigError> {
    locate(&root(name)).and_then(|fragments| Config::load(&fragments))
}

/// The files below the root, without it.
fn names(files: &[PathBuf], name: &str) -> Vec<String> {
    let root = root(name);
    files.iter().map(|file| file.strip_prefix(&root).unwrap().display().to_string()).collect()
}

/// Compares what both commands print with the files beside the root. Returns whether the
/// configuration can be used.
#[track_caller]
fn prints_as_expected(name: &str) -> bool {
    let root = root(name);
    let (mut checked, mut shown) = (Vec::new(), Vec::new());
    let usable = cli::config::check(&root, &[], &mut checked).unwrap();
    assert_eq!(cli::config::show(&root, &[], &mut shown).unwrap(), usable);
    for (printed, suffix) in [(checked, "check"), (shown, "show")] {
        let printed = String::from_utf8(printed).unwrap();
        let printed = printed.replace(root.to_str().unwrap(), "");
        let expected = fs::read_to_string(root.with_extension(suffix)).unwrap();
        assert_eq!(printed, expected, "{name}.{suffix}");
    }
    usable
}

#[test]
fn streams_share_what_the_service_gets() {
    for (most, memory, each) in
        [(4, 64, 64), (1, 1024, 320), (32, 64, 10), (5, 64, 64), (6, 64, 53)]
    {
        let mut config = Config::default();
        (config.sessions.most, config.stream.memory) = (most, memory << 20);
        assert_eq!(config.stream_memory() >> 20, each, "{most} of {memory}");
    }
}

#[test]
fn without_any_file_the_defaults_hold() {
    let loaded = load("nothing").unwrap();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.files.is_empty() && loaded.warnings.is_empty());
    assert!(prints_as_expected("nothing"));
}

#[test]
fn the_administrators_main_file_hides_all_others() {
    let loaded = load("precedence").unwrap();
    assert_eq!(names(&loaded.files, "precedence"), ["etc/dashboard-cast/dashboard-cast.toml"]);
    assert_eq!(loaded.config.sessions.most, 8);
    assert_eq!(loaded.config.sessions.quality, Quality::Hd1080);
    assert_eq!(loaded.config.sessions.audio, Audio::Silent);
    assert!(prints_as_expected("precedence"));
}

#[test]
fn drop_ins_of_all_directories_apply_in_the_order_of_their_names() {
    let loaded = load("drop-ins").unwrap();
    assert_eq!(
        names(&loaded.files, "drop-ins"),
        [
            "usr/lib/dashboard-cast/dashboard-cast.toml",
            "usr/lib/dashboard-cast/conf.d/05-vendor.toml",
            "etc/dashboard-cast/conf.d/10-site.toml",
            "run/dashboard-cast/conf.d/20-today.toml",
            "usr/lib/dashboard-cast/conf.d/90-unset.toml",
        ]
    );
    let Config { http, sessions, pages, stream, browser, encoder, devices, service, casts } =
        loaded.config;
    assert!(casts.is_empty());
    assert_eq!(http.listen.to_string(), "0.0.0.0:8000");
    assert_eq!(sessions.most, 4, "hidden files and back-ups are not read");
    assert_eq!(pages.timeout, Duration::from_secs(90));
    let allow: Vec<String> = pages.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allow, ["three.lan"], "arrays are replaced");
    assert_eq!(pages.accept_certificates_of, ["https://nas.lan"]);
    assert_eq!(stream.memory, 32 << 20);
    assert_eq!(browser.program, None, "an empty path takes back an earlier one");
    assert_eq!(encoder.gpu, GpuChoice::Auto);
    let fixed: Vec<String> = devices.fixed.iter().map(ToString::to_string).collect();
    assert_eq!(fixed, ["kitchen=192.168.1.21", "tv.lan:8010"]);
    assert_eq!(devices.default.as_deref(), Some("kitchen"));
    assert_eq!(service.idle_exit, Some(Duration::from_secs(300)));
    assert!(prints_as_expected("drop-ins"));
}

#[test]
fn files_of_the_same_name_are_masked_by_the_first_directory() {
    let loaded = load("masking").unwrap();
    assert_eq!(names(&loaded.files, "masking"), ["run/dashboard-cast/conf.d/30-replaced.toml"]);
    let mut expected = Config::default();
    expected.sessions.frame_rate = 20.try_into().unwrap();
    assert_eq!(loaded.config, expected);
    assert!(prints_as_expected("masking"));
}

#[test]
fn unknown_keys_are_warned_about_with_their_place_and_the_nearest_known_key() {
    let loaded = load("unknown-keys").unwrap();
    assert_eq!(loaded.config.sessions.most, 5);
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let said = |place: &str, hint: &str| {
        warnings.iter().any(|warning| warning.contains(place) && warning.contains(hint))
    };
    assert!(said("dashboard-cast.toml:5: ", "did you mean frame-rate?"), "{warnings:?}");
    assert!(said("dashboard-cast.toml:9: ", "did you mean [http]?"), "{warnings:?}");
    assert!(said("10-site.toml:1: ", "[cast]"), "{warnings:?}");
    assert!(prints_as_expected("unknown-keys"));
}

#[test]
fn all_bad_values_are_reported_with_their_places() {
    let error = load("bad-values").unwrap_err();
    let said = error.to_string();
    assert_eq!(said.lines().count(), error.problems.len());
    for expected in [
        "dashboard-cast.toml:2:10: http.listen must be",
        "dashboard-cast.toml:7:8: sessions.most must be a whole number from 1 to 32, not 33",
        "dashboard-cast.toml:13:22: an entry of pages.allow must be",
        "dashboard-cast.toml:13:31: an entry of pages.allow must be",
        "50-stream.toml:4:10: stream.window must be a span of time from 10s to 10min",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(!said.contains("secret"), "{said}");
    assert!(!prints_as_expected("bad-values"));
}

#[test]
fn the_largest_file_with_everything_wrong_is_answered() {
    for line in ["a=1\n", "[sessions]\nmost=0\n", "[", "a.", "x=[", "listen={a="] {
        let text = line.repeat((64 << 10) / line.len());
        drop(Config::load(&[Fragment { path: "f.toml".into(), text }]));
    }
}

#[test]
fn syntax_errors_do_not_hide_errors_of_other_files() {
    let error = load("syntax-errors").unwrap_err();
    assert!(error.problems.iter().any(|problem| matches!(problem, Problem::Syntax { .. })));
    assert!(error.to_string().contains("10-site.toml:2:8: sessions.most"), "{error}");
    assert!(!prints_as_expected("syntax-errors"));
}

#[test]
fn values_of_two_files_that_do_not_go_together_name_the_one_to_change() {
    let error = load("conflict").unwrap_err();
    assert!(error.to_string().contains("dashboard-cast.toml:3:14: "), "{error}");
    assert!(!prints_as_expected("conflict"));
}

#[test]
fn a_cast_takes_single_keys_from_a_later_file() {
    let loaded = load("casts").unwrap();
    let casts = &loaded.config.casts;
    assert_eq!(casts.keys().collect::<Vec<_>>(), ["kitchen", "wall"]);
    let kitchen = &casts["kitchen"];
    assert_eq!(kitchen.url.as_str(), "http://homeassistant.lan:8123/lovelace/kitchen");
    assert_eq!(kitchen.auth_file.as_deref(), Some(Path::new("/etc/dashboard-cast/kitchen.json")));
    assert_eq!(kitchen.device.as_deref(), Some("Kitchen"));
    assert_eq!(kitchen.duration, Some(Duration::from_secs(36_000)));
    assert_eq!((kitchen.zoom, kitchen.on_busy), (Some(2.0), OnBusy::Preempt));
    assert_eq!(kitchen.resume_after, Some(Duration::from_secs(120)));
    let wall = &casts["wall"];
    assert_eq!(wall.device, None, "an empty name takes back an earlier one");
    assert_eq!((wall.quality, wall.volume, wall.on_busy), (None, None, OnBusy::Yield));
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].ends_with("unknown section [cast], ignored; did you mean [casts.NAME]?"));
    assert!(warnings[1].ends_with("unknown key casts.kitchen.zom, ignored; did you mean zoom?"));
    assert!(prints_as_expected("casts"));
}

#[test]
fn all_that_is_wrong_with_casts_is_reported_with_its_place() {
    let said = load("bad-casts").unwrap_err().to_string();
    for expected in [
        "dashboard-cast.toml:2:7: casts.kitchen.url must be a whole address",
        "dashboard-cast.toml:9:8: casts.kitchen.zoom must be a number from 0.25 to 5, not 9",
        "dashboard-cast.toml:15:8: casts.empty has no url; add the page to show",
        "dashboard-cast.toml:18:8: \"living room\" cannot be the name of a cast; take",
        "50-one.toml:1:7: casts.one must be a section, [casts.one], not \"http://dash.lan/\"",
        "60-all.toml:1:1: casts must be a section, [casts], not 3",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(!prints_as_expected("bad-casts"));
}

#[test]
fn a_drop_in_mends_a_bad_value() {
    assert_eq!(load("mended").unwrap().config.sessions.most, 2);
    assert!(prints_as_expected("mended"));
}

#[test]
fn every_root_has_its_test() {
    let source = include_str!("config.rs");
    for entry in fs::read_dir(root("")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            assert!(source.contains(&format!("prints_as_expected(\"{name}\")")), "{name}");
        }
    }
}

#[test]
fn given_files_replace_the_search() {
    let root = root("precedence");
    let files =
        ["run", "usr/lib"].map(|at| root.join(at).join("dashboard-cast/dashboard-cast.toml"));
    let loaded = Config::load(&read_files(&files).unwrap()).unwrap();
    assert_eq!(loaded.files, files);
    assert_eq!(loaded.config.sessions.most, 10);
    assert_eq!(loaded.config.sessions.quality, Quality::Hd720);
    let mut out = Vec::new();
    assert!(cli::config::show(&root, &files, &mut out).unwrap());
    assert!(String::from_utf8(out).unwrap().contains("most = 10 # from "));
}

#[test]
fn given_files_must_be_there() {
    let files = ["/nowhere/one.toml", "/nowhere/two.toml"].map(PathBuf::from);
    let error = read_files(&files).unwrap_err().to_string();
    assert!(error.contains("one.toml") && error.contains("two.toml"), "{error}");
}

#[test]
fn what_is_no_text_file_is_a_problem_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let drop_ins = directory.path().join("etc/dashboard-cast/conf.d");
    fs::create_dir_all(drop_ins.join("10-directory.toml")).unwrap();
    std::os::unix::fs::symlink("/nowhere/x.toml", drop_ins.join("20-broken-link.toml")).unwrap();
    fs::write(drop_ins.join("30-latin1.toml"), b"[http]\n# caf\xe9\n").unwrap();
    fs::write(drop_ins.join("40-large.toml"), vec![b'#'; (64 << 10) + 1]).unwrap();
    let error = locate(directory.path()).unwrap_err();
    assert!(
        matches!(
            error.problems.as_slice(),
            [
                Problem::NotAFile(_),
                Problem::Read { .. },
                Problem::NotText { .. },
                Problem::TooLarge { .. }
            ]
        ),
        "{error}"
    );
    assert!(error.to_string().contains("30-latin1.toml:2:6: "), "{error}");
}

#[test]
fn a_file_where_the_drop_ins_should_be_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("run/dashboard-cast");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("conf.d"), "").unwrap();
    let error = locate(directory.path()).unwrap_err().to_string();
    assert!(error.contains("run/dashboard-cast/conf.d"), "{error}");
}

#[test]
fn an_unreadable_main_file_is_not_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    for place in ["etc", "usr/lib"] {
        let place = directory.path().join(place).join("dashboard-cast");
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("dashboard-cast.toml"), "[sessions]\nmost = 7\n").unwrap();
    }
    let main_file = directory.path().join("etc/dashboard-cast/dashboard-cast.toml");
    fs::set_permissions(&main_file, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads what nobody may; then the first file must have been read.
    match locate(directory.path()) {
        Ok(fragments) => assert_eq!(fragments.first().unwrap().path, main_file),
        Err(error) => assert!(matches!(error.problems.as_slice(), [Problem::Read { .. }])),
    }
}

fn example(text: String) -> Loaded {
    Config::load(&[Fragment { path: "dashboard-cast.toml".into(), text }]).unwrap()
}

const EXAMPLE: &str = include_str!("../debian/dashboard-cast.toml");

#[test]
fn the_shipped_example_changes_nothing() {
    let loaded = example(EXAMPLE.to_owned());
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, []);
    assert!(loaded.settings.iter().all(|setting| setting.from.is_none()));
}

#[test]
fn the_shipped_example_names_every_key_with_its_default() {
    let key = |line: &str| {
        let (name, _) = line.split_once(" = ")?;
        name.strip_prefix('#')?.bytes().all(|b| b.is_ascii_lowercase() || b == b'-').then_some(())
    };
    let switched_on: String = EXAMPLE
        .lines()
        .map(|line| if key(line).is_some() { &line[1..] } else { line })
        .flat_map(|line| [line, "\n"])
        .collect();
    let loaded = example(switched_on);
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.warnings, []);
    for setting in &loaded.settings {
        assert!(setting.from.is_some(), "{}.{} is missing", setting.section, setting.key);
    }
    let lines: Vec<usize> =
        loaded.settings.iter().map(|setting| setting.from.as_ref().unwrap().line).collect();
    assert!(lines.is_sorted(), "in the order of `config show`");
}

/// The example of a cast is indented, so that it is not one of the switched-off defaults.
#[test]
fn the_shipped_example_of_a_cast_has_every_key() {
    let lines = EXAMPLE.lines().filter_map(|line| line.strip_prefix("#   "));
    let loaded = example(lines.flat_map(|line| [line, "\n"]).collect());
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.casts.keys().collect::<Vec<_>>(), ["kitchen"]);
    let Cast {
        url: _,
        auth_file,
        device,
        duration,
        quality,
        audio,
        frame_rate,
        zoom,
        scale,
        on_busy,
        resume_after,
        volume,
    } = loaded.config.casts["kitchen"].clone();
    let texts = auth_file.is_some() && device.is_some() && duration.is_some();
    let stream = quality.is_some() && audio.is_some() && frame_rate.is_some();
    let page = zoom.is_some() && scale.is_some();
    let manners = on_busy != OnBusy::default() && resume_after.is_some() && volume.is_some();
    assert!(texts && stream && page && manners);
}

#[test]
fn what_is_shown_is_the_same_configuration() {
    for name in ["nothing", "precedence", "drop-ins", "masking", "unknown-keys", "mended", "casts"]
    {
        let mut out = Vec::new();
        assert!(cli::config::show(&root(name), &[], &mut out).unwrap());
        let shown = example(String::from_utf8(out).unwrap());
        assert_eq!(shown.config, load(name).unwrap().config, "{name}");
        assert_eq!(shown.warnings, []);
    }
}

/// Lines that are nearly a configuration, so that most of the reader is reached.
fn nearly_toml() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "\\[(http|sessions|pages|stream|browser|devices|htp)\\]",
        "\\[casts\\.(hall|\"\\PC{0,5}(\\\\n)?\")\\]",
        "(url|zoom|duration|on-busy|x) = (2|\"http://[a-z@:]{1,9}/\"|\"1h\"|nan|\"yield\")",
        "casts(\\.\"?[a-c]{1,2}(\\\\n)?\"?)? = (3|\\{ url = \"http://a/\" \\})",
        "(listen|most|quality|allow|timeout|window|memory|program|frame-rate|x) = [0-9-]{1,20}",
        "(listen|most|quality|allow|timeout|window|memory|program|frame-rate|x) = \"\\PC{0,12}\"",
        "(listen|most|allow|accept-certificates-of|timeout|static) = \\[(\"[a-z:/.*\\[\\]0-9]{0,12}\", ?){0,3}\\]",
        "(http|pages)\\.(allow|timeout|\"\\PC{0,5}\") = (true|1e9|1979-05-27|\\{ a = 1 \\}|nan|0xfe)",
        "\\PC{0,30}",
    ];
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn any_text_has_an_answer(text in "(?s).{0,200}") {
        check_any(text);
    }

    #[test]
    fn any_near_miss_has_an_answer(text in nearly_toml(), other in nearly_toml()) {
        check_any(text.clone());
        let fragments = [text, other].map(|text| Fragment { path: "f.toml".into(), text });
        drop(Config::load(&fragments));
    }
}

/// Whatever comes in, an error has reasons, each on its own line and with its place.
fn check_any(text: String) {
    let lines = text.split('\n').count();
    let fragments = [Fragment { path: "f.toml".into(), text }];
    match Config::load(&fragments) {
        Ok(loaded) => assert!(
            loaded.warnings.iter().all(|warning| warning.line.is_some_and(|line| line <= lines))
        ),
        Err(error) => {
            assert!(!error.problems.is_empty());
            let said = error.to_string();
            assert_eq!(said.lines().count(), error.problems.len(), "{said}");
            assert!(said.lines().all(|line| line.starts_with("f.toml:")), "{said}");
        }
    }
}
