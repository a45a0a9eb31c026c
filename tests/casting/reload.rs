//! Other TVs in the configuration, while one of them plays.

use serde_json::{Value, json};

use crate::house::{House, config, turn};

#[test]
fn a_tv_that_leaves_the_configuration_plays_on_and_a_new_one_can_be_cast_to() {
    let _turn = turn();
    let house = House::with(2);
    let [first, second] = [0, 1].map(|tv| house.tvs[tv].address().to_string());
    house.stage.reconfigure(&config(&[format!("tv-0={first}")], ""));
    let cast = house.start(0, json!({}));
    cast.wait_confirmed();

    let said = house.stage.reconfigure(&config(&[format!("tv-1={second}")], "default = \"tv-1\""));
    for key in ["devices.static", "devices.default"] {
        assert!(said.contains(&format!("{key} has changed and counts now.")), "{said}");
    }
    let devices = house.stage.get("devices").json();
    let names: Vec<&Value> =
        devices["devices"].as_array().expect("TVs").iter().map(|tv| &tv["name"]).collect();
    assert_eq!(names, ["tv-1"]);
    let other = house.start_anywhere(json!({}));
    other.wait_confirmed();
    assert_eq!(other.view()["device"]["name"], "tv-1");
    cast.wait_confirmed();
    house.tvs[0].check_left_alone();
    assert_eq!(house.tvs[0].commands(), ["LAUNCH", "LOAD"]);
}
