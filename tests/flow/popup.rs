//! What a page opens above itself is part of the picture, though it is a surface of its own.

use crate::{
    inspector::{self, Inspector},
    pages::{COLOUR, Pages, plain},
    stage::{PATIENCE, turn},
    support::{clock::Picture, wait::wait_for},
};

/// No colour of Chromium's own.
const CHOICES: [u8; 3] = [0xd0, 0x10, 0x90];

#[test]
fn an_open_select_is_in_the_picture() {
    let _turn = turn();
    let pages = Pages::serve();
    let [red, green, blue] = CHOICES;
    pages.put_page(
        "board",
        format!(
            "{}<style>option {{ background: rgb({red},{green},{blue}); font-size: 40px }}</style>
             <select style='position:absolute;left:200px;top:100px;width:300px;height:40px'>
             {}</select>",
            plain(""),
            "<option>A choice</option>".repeat(6),
        ),
    );
    // Pages cannot open a select without a click, and there is nobody to click.
    let stage = inspector::stage();
    let session = stage.open(&pages.url("board"));
    session.wait_live();
    assert_eq!(choices(&session.picture()), None, "it is still closed");

    let mut page = Inspector::attach(&stage.runtime(), &pages.url("board"));
    page.click(350, 120);
    let (left, top, right, bottom) =
        wait_for("select's choices in the picture", PATIENCE, || choices(&session.picture()));
    assert!((195..=215).contains(&left) && (485..=520).contains(&right), "{left} to {right}");
    // The first is marked as chosen, in a colour of Chromium's.
    assert!((185..=205).contains(&top) && bottom > top + 150, "{top} to {bottom}");

    page.click(900, 600);
    wait_for("closed select", PATIENCE, || {
        let picture = session.picture();
        (choices(&picture).is_none() && picture.pixel(350, 300) == COLOUR).then_some(())
    });
    assert_eq!(session.state(), "live");
}

/// What the choices cover: left, top, right, bottom.
fn choices(picture: &Picture) -> Option<(u32, u32, u32, u32)> {
    let width = picture.width;
    let pixels = picture.rgb.chunks_exact(3).zip(0_u32..);
    let places =
        pixels.filter(|(pixel, _)| *pixel == CHOICES).map(|(_, at)| (at % width, at / width));
    places.fold(None, |found, (x, y)| {
        let (left, top, right, bottom) = found.unwrap_or((x, y, x, y));
        Some((left.min(x), top.min(y), right.max(x), bottom.max(y)))
    })
}
