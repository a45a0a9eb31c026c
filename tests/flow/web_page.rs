//! The service's own page, in a real browser.

use serde_json::{Value, json};

use crate::{
    stage::{PATIENCE, Stage, turn},
    support::{chromium::Chromium, wait::wait_for},
};

const DESKTOP: (u32, u32) = (1280, 800);
const PHONE: (u32, u32) = (390, 844);

/// What WCAG 2.2 asks of text (1.4.3), and of large text.
const CONTRAST: f64 = 4.5;
const CONTRAST_OF_LARGE: f64 = 3.0;

/// The texts that can be seen, each with its contrast to what is behind it and whether it is large; behind
/// pictures nothing is known. No text is translucent.
const TEXTS: &str = r#"
(() => {
    const channel = value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const numbers = colour => colour.match(/[0-9.]+/g).map(Number);
    const luminance = ([r, g, b]) => 0.2126 * channel(r / 255) + 0.7152 * channel(g / 255)
        + 0.0722 * channel(b / 255);
    const ground = element => {
        for (; element; element = element.parentElement) {
            if (element.classList.contains("screen")) return null;
            const [r, g, b, a = 1] = numbers(getComputedStyle(element).backgroundColor);
            if (a === 1) return [r, g, b];
        }
        return null;
    };
    return [...document.querySelectorAll("body *")].flatMap(element => {
        const text = element.placeholder || [...element.childNodes]
            .filter(node => node.nodeType === Node.TEXT_NODE).map(node => node.textContent.trim()).join("");
        const behind = ground(element);
        if (!text || !behind || !element.checkVisibility() || element.matches(".unseen, :disabled")) return [];
        const style = getComputedStyle(element, element.placeholder ? "::placeholder" : null);
        const [light, dark] = [luminance(numbers(style.color)), luminance(behind)].sort((a, b) => b - a);
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        return [{ text, large, contrast: (light + 0.05) / (dark + 0.05) }];
    });
})()"#;

#[test]
fn people_start_watch_and_stop_a_page() {
    let _turn = turn();
    let stage = Stage::set("");
    let mut browser = visit(&stage, DESKTOP);
    let form = json!([stage.daemon.url("sample").as_str(), "720p"]);
    browser.evaluate(&format!(
        "[url.value, quality.value] = {form}; document.querySelector('#start button').click()"
    ));
    wait(
        &mut browser,
        "picture of the page",
        "document.querySelector('.preview')?.naturalWidth === 1280",
    );
    wait(
        &mut browser,
        "its title",
        "document.querySelector('.title').textContent === 'Sample dashboard'",
    );
    check_looks(&mut browser);
    browser.evaluate("document.querySelector('.watch').click()");
    wait(
        &mut browser,
        "player that plays",
        "(video => video?.videoWidth === 1280 && !video.paused
            && video.getVideoPlaybackQuality().totalVideoFrames > 2)(document.querySelector('video'))",
    );
    let error = browser.evaluate("document.querySelector('.player-error').textContent");
    assert_eq!(error, "");
    browser.evaluate("document.querySelector('.stop').click()");
    wait(&mut browser, "end of the session", "!document.querySelector('.session, #empty[hidden]')");
    stage.check_bare();
}

#[test]
fn people_are_told_what_is_wrong_with_an_address() {
    let _turn = turn();
    let stage = Stage::set("");
    let mut browser = visit(&stage, PHONE);
    for (address, words) in [("", "Give the address"), ("file:///etc/passwd", "http")] {
        browser.evaluate(&format!(
            "url.value = {}; document.querySelector('#start button').click()",
            json!(address)
        ));
        let says = format!(
            "(error => !error.hidden && error.textContent.includes({}))(document.querySelector('#start-error'))",
            json!(words)
        );
        wait(&mut browser, words, &says);
    }
    check_looks(&mut browser);
}

/// Opens the page of a service that shows nothing.
#[track_caller]
fn visit(stage: &Stage, (width, height): (u32, u32)) -> Chromium {
    let mut browser = Chromium::launch(width, height);
    browser.navigate(stage.daemon.url("").as_str());
    let empty = "document.querySelector('#empty')?.hidden === false";
    wait(&mut browser, "word that nothing is there", empty);
    browser
}

/// Waits until this expression holds on the page.
#[track_caller]
fn wait(browser: &mut Chromium, what: &str, expression: &str) {
    wait_for(what, PATIENCE, || (browser.evaluate(expression) == true).then_some(()));
}

/// Checks, light and dark, at the sizes of a desk and of a phone, that all of it is within the window and can be
/// read.
#[track_caller]
fn check_looks(browser: &mut Chromium) {
    for (scheme, (width, height)) in
        [("light", DESKTOP), ("light", PHONE), ("dark", DESKTOP), ("dark", PHONE)]
    {
        browser.prefer(scheme);
        browser.resize(width, height);
        wait(browser, "a page of that size", &format!("innerWidth === {width}"));
        let wide = browser.evaluate("document.documentElement.scrollWidth");
        assert_eq!(wide, width, "{scheme}: one has to scroll sideways");
        let texts = browser.evaluate(TEXTS);
        let texts = texts.as_array().expect("texts");
        assert!(texts.len() > 5, "{scheme} {width}: {texts:?}");
        for text in texts {
            let least = if text["large"] == true { CONTRAST_OF_LARGE } else { CONTRAST };
            assert!(text["contrast"].as_f64() >= Some(least), "{scheme} {width}: {text}");
        }
        let ground = browser.evaluate("getComputedStyle(document.body).backgroundColor");
        assert_eq!(is_dark(&ground), scheme == "dark", "{ground}");
    }
}

/// Of `rgb(1, 2, 3)`.
#[track_caller]
fn is_dark(colour: &Value) -> bool {
    let numbers =
        colour.as_str().expect("a colour").trim_start_matches("rgb(").trim_end_matches(')');
    let numbers = numbers.split(", ").map(|number| number.parse::<u32>().expect("a number"));
    numbers.sum::<u32>() < 3 * 128
}
