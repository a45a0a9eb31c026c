//! A live dashboard that nobody here wrote, and that pauses itself, asks for permissions and shows a
//! cursor: none of it may reach the stream.

use serde_json::json;

use crate::{
    inspector::{self, Inspector},
    stage::{PATIENCE, turn},
    support::{clock::Picture, netdata::Netdata, wait::wait_for},
};

/// Part of the pixels that may differ between two pictures of a page taken one after the other.
/// Between them needles move; a bubble, a bar or a dimmed page would be more, and a border shows at
/// the edges, where nothing may differ.
const MOVING: f64 = 0.02;

#[test]
fn netdata_is_live_and_whole() {
    let _turn = turn();
    let Some(netdata) = Netdata::start() else {
        eprintln!("left out: this Debian has no netdata");
        return;
    };
    netdata.warm();
    let stage = inspector::stage();
    let session = stage.start(json!({ "url": netdata.url(), "quality": "1080p" }));
    session.wait_live();
    let mut page = Inspector::attach(&stage.runtime(), &netdata.url());
    let words = wait_for("drawn dashboard", PATIENCE, || {
        let words = page.evaluate("document.body.innerText");
        let words = words.as_str()?;
        words.contains("System Overview").then(|| words.to_owned())
    });
    assert!(words.contains("Playing") && !words.contains("Paused"), "{words}");
    assert_eq!(
        page.evaluate("[document.hasFocus(), document.visibilityState, Notification.permission]"),
        json!([true, "visible", "denied"])
    );
    assert_eq!(page.evaluate("[innerWidth, innerHeight]"), json!([1920, 1080]));

    // The newest values under the charts, which are numbers in the page.
    let values = "[...document.querySelectorAll('[class*=DimensionValue]')]\
                  .map(value => value.innerText).join(' ')";
    let mut seen = Vec::new();
    wait_for("three sets of live numbers", PATIENCE, || {
        let now = page.evaluate(values);
        let numbers = now.as_str()?.contains(|c: char| c.is_ascii_digit());
        if numbers && seen.last() != Some(&now) {
            seen.push(now);
        }
        (seen.len() == 3).then_some(())
    });
    let first = session.picture();
    wait_for("live picture", PATIENCE, || (session.picture().rgb != first.rgb).then_some(()));

    // The stream's picture is the page's own: the browser and the display add nothing.
    let mut closest = 1.0_f64;
    wait_for("picture that is the page and nothing else", PATIENCE, || {
        let (page, stream) = (page.screenshot(), session.picture());
        closest = closest.min(different(&page, &stream));
        (closest <= MOVING && edges(&page) == edges(&stream)).then_some(())
    });
    assert_eq!(session.state(), "live");
    session.check_running();
}

/// The part of the pixels that differ.
#[track_caller]
fn different(one: &Picture, other: &Picture) -> f64 {
    assert_eq!((one.width, one.height), (other.width, other.height));
    let pairs = one.rgb.chunks_exact(3).zip(other.rgb.chunks_exact(3));
    pairs.filter(|(one, other)| one != other).count() as f64 / f64::from(one.width * one.height)
}

/// The outermost pixels, all around.
fn edges(picture: &Picture) -> Vec<[u8; 3]> {
    let (right, bottom) = (picture.width - 1, picture.height - 1);
    let across = (0..=right).flat_map(|x| [(x, 0), (x, bottom)]);
    let down = (0..=bottom).flat_map(|y| [(0, y), (right, y)]);
    across.chain(down).map(|(x, y)| picture.pixel(x, y)).collect()
}
