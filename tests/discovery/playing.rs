//! A TV that is found by its announcement, plays, and loses its network.

use std::{net::Ipv4Addr, time::Instant};

use serde_json::{Value, json};

use crate::{
    network::{House, OTHER_TV_ADDRESS, OUR_ADDRESS, TV_ADDRESS},
    program::{PATIENCE, Program},
    support::{
        packages,
        players::Player,
        tv::{Options, PlayingTv, Stats},
        wait::wait_for,
    },
    tv::{Announcer, TV, Words},
};

struct Evening<'a> {
    house: &'a House,
    tv: PlayingTv,
    program: Program<'a>,
    session: String,
}

impl Evening<'_> {
    fn stats(&self) -> Stats {
        self.house.tvs.within(|| self.tv.stats())
    }

    fn session(&self) -> Value {
        self.program.get(&format!("sessions/{}", self.session))
    }

    /// Waits for a verdict and says how long that took.
    #[track_caller]
    fn wait_for_verdict(&self, verdict: &str) -> f64 {
        let begin = Instant::now();
        wait_for(verdict, PATIENCE, || {
            (self.session()["cast"]["verdict"] == verdict).then_some(())
        });
        begin.elapsed().as_secs_f64()
    }

    /// How often this is in the session's timeline.
    fn times(&self, event: &str) -> u64 {
        let timeline = self.program.get(&format!("sessions/{}/timeline", self.session));
        let events = timeline["events"].as_array().expect("a list").iter();
        events.filter(|e| e["event"] == event).filter_map(|e| e["times"].as_u64()).sum()
    }
}

#[test]
fn a_cast_outlives_a_lost_network_and_a_new_address() {
    // They are fetched, and in the house there is no way out.
    for name in ["players", "tv"] {
        packages::from_npm(name);
    }
    let house = House::connected();
    let at = |address| Words { address: Some(address), ..TV };
    let options = Options { address: Ipv4Addr::UNSPECIFIED, ..Options::new(Player::Shaka415) };
    let tv = house.tvs.within(|| PlayingTv::start(&options));
    let announcer = Announcer::start(&house.tvs, &at(TV_ADDRESS));
    let program = Program::start_on(&house.ours, "0.0.0.0:0", "");
    let page = program.daemon.url("sample");
    let started = program.post(
        "start",
        &json!({ "url": page.as_str(), "quality": "720p", "device": "Living room" }),
    );
    let session = started["session_id"].as_str().expect("an id").to_owned();
    let evening = Evening { house: &house, tv, program, session };
    eprintln!("confirmed after {:.1} s", evening.wait_for_verdict("confirmed"));
    let stats = evening.stats();
    let load = stats.load.expect("a load");
    let content = load["media"]["contentId"].as_str().expect("an address");
    assert!(content.starts_with(&format!("http://{OUR_ADDRESS}:")), "{content}");

    house.unplug();
    eprintln!("without a network: broken after {:.1} s", evening.wait_for_verdict("broken"));
    house.plug_in();
    eprintln!("with it again: confirmed after {:.1} s", evening.wait_for_verdict("confirmed"));

    // It depends on what a player was fetching just then whether it goes on by itself: Shaka gives up
    // when it was a segment, about every fourth time.
    let lost = evening.times("player-stopped") + evening.times("player-hangs");
    let loads = u64::from(evening.stats().loads);
    assert_eq!(loads, 1 + lost, "a player that goes on by itself is left alone");

    let connections = evening.times("connected");
    house.move_tv(TV_ADDRESS, OTHER_TV_ADDRESS);
    announcer.say(&at(OTHER_TV_ADDRESS));
    let begin = Instant::now();
    wait_for("connection to the new address", PATIENCE, || {
        (evening.times("connected") > connections).then_some(())
    });
    evening.wait_for_verdict("confirmed");
    eprintln!("at another address: confirmed after {:.1} s", begin.elapsed().as_secs_f64());
    // What is announced within a second of the old address does not displace it (RFC 6762, section
    // 10.2): then it is gone when nobody has vouched for it since it was found dead.
    wait_for("new address alone", PATIENCE, || {
        (evening.program.devices()[0]["addresses"] == json!([OTHER_TV_ADDRESS])).then_some(())
    });
    let stats = evening.stats();
    let player = stats.player.expect("a player");
    eprintln!("freezes: {:.1?} s, loads: {}", player.stalls, stats.loads);
}
