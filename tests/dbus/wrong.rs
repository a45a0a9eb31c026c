//! Calls that make no sense.

use std::collections::HashMap;

use dashboard_cast::{
    config::{PolicyError, Source},
    control::ReloadError,
    session::{NavigateError, PictureError, RequestError, StartErrorKind},
};
use url::Host;
use zbus::{OwnedObjectPath, OwnedVariant, Variant};

use crate::{
    fake::snapshot,
    house::{Client, House, MANAGER, ROOT, SESSION, session_path},
};

const D_BUS: &str = "org.freedesktop.DBus.Error.";

async fn start<const N: usize>(
    client: &Client,
    url: &str,
    options: [(&str, Variant<'static>); N],
) -> Result<OwnedObjectPath, zbus::Error> {
    let options: HashMap<_, _> = options.into_iter().collect();
    client.call(ROOT, MANAGER, "StartCast", &(url, options)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_options_are_named() {
    let house = House::open().await;
    let client = Client::of(&house.bus).await;
    for (option, value, expected) in [
        ("colour", Variant::from(1_u32), "there is no option \"colour\"; there are audio, auth,"),
        ("url", "http://other/".into(), "there is no option \"url\""),
        ("quality", "8k".into(), "quality: unknown variant `8k`, expected one of `1080p`"),
        ("quality", 1_u32.into(), "quality: "),
        ("duration", "1h".into(), "duration: invalid type"),
        ("auth", "me".into(), "auth: invalid type"),
        ("frame-rate", 1000_u32.into(), "frame-rate: a frame rate of 1000"),
    ] {
        let (name, text) = Client::refusal(start(&client, "http://d/", [(option, value)]).await);
        assert_eq!(name, format!("{D_BUS}InvalidArgs"), "{option}: {text}");
        assert!(text.contains(expected), "{option}: {text}");
    }
    assert!(house.core.requests.lock().unwrap().is_empty());
    assert!(house.polkit.questions().is_empty(), "nobody is asked for what cannot be");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_types_and_members_are_refused() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    let session = session_path("aa");
    let properties = "org.freedesktop.DBus.Properties";
    let wrong: Vec<Result<(), zbus::Error>> = vec![
        client.call(ROOT, MANAGER, "StartCast", &42_u32).await,
        client.call(ROOT, MANAGER, "StartCast", &"http://d/").await,
        client.call(ROOT, MANAGER, "StopCast", &"not a path").await,
    ];
    for answer in wrong {
        assert_eq!(Client::refusal(answer).0, format!("{D_BUS}InvalidArgs"));
    }
    let nothing = client.call::<()>(ROOT, MANAGER, "Explode", &()).await;
    assert_eq!(Client::refusal(nothing).0, format!("{D_BUS}UnknownMethod"));
    let nothing = client.call::<()>(ROOT, SESSION, "Stop", &()).await;
    assert_eq!(Client::refusal(nothing).0, format!("{D_BUS}UnknownInterface"));
    let body = (SESSION, "Colour");
    let nothing = client.call::<OwnedVariant>(&session, properties, "Get", &body).await;
    assert_eq!(Client::refusal(nothing).0, format!("{D_BUS}UnknownProperty"));
    let body = (SESSION, "Url", Variant::from("http://other/"));
    let refused = client.call::<()>(&session, properties, "Set", &body).await;
    assert!(Client::refusal(refused).0.starts_with(D_BUS));
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_paths_are_no_sessions() {
    let house = House::open().await;
    let client = Client::of(&house.bus).await;
    for path in ["/org/dashboardcast1/session/dead", "/org/dashboardcast1", "/", "/some/where"] {
        let path = OwnedObjectPath::try_from(path).unwrap();
        let answer = client.call::<()>(ROOT, MANAGER, "StopCast", &path).await;
        let (name, text) = Client::refusal(answer);
        assert_eq!(name, "org.dashboardcast1.NoSuchSession", "{path:?}");
        assert!(text.lines().count() == 2, "{text}");
    }
    let answer = client.call::<()>("/org/dashboardcast1/session/dead", SESSION, "Stop", &()).await;
    assert_eq!(Client::refusal(answer).0, format!("{D_BUS}UnknownObject"));
    // One that has just ended, and whose object is not gone yet.
    house.add_and_wait("aa").await;
    house.core.sessions.lock().unwrap().clear();
    for method in ["Stop", "Reload", "Snapshot", "GetMedia"] {
        let answer = client.call::<()>(&session_path("aa"), SESSION, method, &()).await;
        assert_eq!(Client::refusal(answer).0, "org.dashboardcast1.NoSuchSession", "{method}");
    }
    let answer = client.call::<()>(&session_path("aa"), SESSION, "Navigate", &"http://b/").await;
    assert_eq!(Client::refusal(answer).0, "org.dashboardcast1.NoSuchSession");
    // Until it is gone, it is whole.
    assert_eq!(client.properties(&session_path("aa"), SESSION).await.len(), 32);
    assert!(client.objects().await[&session_path("aa")][SESSION].contains_key("State"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cores_refusals_have_names() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    for (kind, name) in [
        (StartErrorKind::Invalid, "InvalidRequest"),
        (StartErrorKind::NoDevice, "NoSuchDevice"),
        (StartErrorKind::NoCast, "NoSuchCast"),
        (StartErrorKind::Forbidden, "Forbidden"),
        (StartErrorKind::Busy, "Busy"),
        (StartErrorKind::Internal, "Internal"),
    ] {
        *house.core.refusal.lock().unwrap() = Some(kind);
        let expected =
            (format!("org.dashboardcast1.{name}"), "the core said no\nAsk otherwise.".to_owned());
        assert_eq!(Client::refusal(start(&client, "http://d/", []).await), expected);
        let named = client.call::<OwnedObjectPath>(ROOT, MANAGER, "StartNamed", &"hall").await;
        assert_eq!(Client::refusal(named), expected);
    }
    for (error, name) in [
        (PictureError::NotYet, "NotYet"),
        (PictureError::NoSession, "NoSuchSession"),
        (PictureError::Failed("no answer".to_owned()), "Internal"),
    ] {
        *house.core.picture.lock().unwrap() = Some(error);
        let answer = client.call::<Vec<u8>>(&session_path("aa"), SESSION, "Snapshot", &()).await;
        assert_eq!(Client::refusal(answer).0, format!("org.dashboardcast1.{name}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_gone_to_is_told_why() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    let session = session_path("aa");
    let address = RequestError::Url { url: "dash".to_owned(), cause: "no scheme".to_owned() };
    let forbidden = PolicyError::LinkLocal(Host::parse("169.254.1.1").unwrap());
    for (error, name) in [
        (NavigateError::NoSession, "NoSuchSession"),
        (NavigateError::Address(address), "InvalidRequest"),
        (NavigateError::Credentials, "InvalidRequest"),
        (NavigateError::Forbidden(forbidden), "Forbidden"),
        (NavigateError::Shared { others: 2 }, "Shared"),
        (NavigateError::Busy, "Busy"),
    ] {
        *house.core.refused_page.lock().unwrap() = Some(error.clone());
        let navigated = client.call::<()>(&session, SESSION, "Navigate", &"http://b/").await;
        let reloaded = client.call::<()>(&session, SESSION, "Reload", &()).await;
        for answer in [navigated, reloaded] {
            let (refusal, text) = Client::refusal(answer);
            assert_eq!(refusal, format!("org.dashboardcast1.{name}"));
            assert!(text.starts_with(&error.to_string()), "{text}");
            let hint = error.hint();
            assert!(hint.is_none_or(|hint| text.ends_with(&format!("\n{hint}"))), "{text}");
        }
    }
    assert_eq!(house.core.sessions.lock().unwrap()[0], snapshot("aa"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_not_used_is_told_why() {
    let house = House::open().await;
    let client = Client::of(&house.bus).await;
    let reload = async |outcome| {
        *house.core.reload.lock().unwrap() = outcome;
        Client::refusal(client.call::<Vec<String>>(ROOT, MANAGER, "Reload", &()).await)
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bad.toml");
    std::fs::write(&file, "[sessions]\nmost = 99\nquality = \"8k\"\n").unwrap();
    let unread = Source { files: vec![file.clone()], listen: None }.read().unwrap_err();
    let (name, text) = reload(Some(Err(ReloadError::Settings(unread)))).await;
    assert_eq!(name, "org.dashboardcast1.InvalidConfiguration");
    let problems: Vec<_> = text.lines().collect();
    let file = file.display();
    assert_eq!(problems.len(), 2, "{text}");
    assert!(problems[0].starts_with(&format!("{file}:2:8: sessions.most must be")), "{text}");
    assert!(problems[1].starts_with(&format!("{file}:3:11: sessions.quality must be")), "{text}");

    let (name, text) = reload(None).await;
    assert_eq!(name, "org.dashboardcast1.InvalidRequest");
    assert_eq!(text.lines().count(), 1, "{text}");
    let unread = ReloadError::Read(std::io::Error::other("the disk is gone"));
    let (name, text) = reload(Some(Err(unread))).await;
    assert_eq!(name, "org.dashboardcast1.Internal");
    assert!(text.contains("the disk is gone"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_is_refused() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    let url = format!("http://d/{}", "x".repeat(64 * 1024));
    let (name, _) = Client::refusal(start(&client, &url, []).await);
    assert_eq!(name, format!("{D_BUS}LimitsExceeded"));
    let answer = client.call::<()>(&session_path("aa"), SESSION, "Navigate", &url).await;
    assert_eq!(Client::refusal(answer).0, format!("{D_BUS}LimitsExceeded"));
    let answer = client.call::<()>(ROOT, MANAGER, "StartCast", &vec![0_u8; 1 << 20]).await;
    assert_eq!(Client::refusal(answer).0, format!("{D_BUS}LimitsExceeded"), "it is not even read");
    let properties = "org.freedesktop.DBus.Properties";
    let body = (MANAGER, "Version", Variant::from(vec![0_u8; 1 << 20]));
    let answer = client.call::<()>(ROOT, properties, "Set", &body).await;
    assert_eq!(Client::refusal(answer).0, format!("{D_BUS}AccessDenied"), "nor taken by the bus");
    assert!(house.polkit.questions().is_empty(), "nobody is asked for what cannot be");
}
