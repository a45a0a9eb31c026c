use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> MediaTime {
    MediaTime::from_ticks(seconds * MediaTime::TICKS_PER_SECOND)
}

fn machine() -> Machine {
    Machine::new("dash.lan")
}

/// A machine whose page is on the stream.
fn live() -> Machine {
    let mut machine = machine();
    for event in [
        Event::Begin,
        Event::EncoderStarted,
        Event::BrowserStarted,
        Event::DisplayReady,
        Event::EncoderOpened,
        Event::PageVisible,
        Event::PageLoaded,
    ] {
        machine.handle(at(1), event);
    }
    assert_eq!(machine.view().name, "live");
    machine
}

fn slates(effects: &[Effect]) -> Vec<Option<&str>> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Show(slate) => Some(slate.as_ref().map(|slate| slate.title.as_str())),
            _ => None,
        })
        .collect()
}

#[test]
fn encoder_and_browser_start_together() {
    let effects = machine().handle(at(0), Event::Begin);
    assert_eq!(effects, [Effect::StartEncoder, Effect::StartBrowser]);
}

#[test]
fn the_display_is_plugged_when_both_ends_are_there_whichever_comes_first() {
    let mut first = machine();
    assert_eq!(first.handle(at(0), Event::DisplayReady), []);
    assert!(first.handle(at(0), Event::EncoderStarted).contains(&Effect::PlugDisplay));
    let mut second = machine();
    assert!(!second.handle(at(0), Event::EncoderStarted).contains(&Effect::PlugDisplay));
    assert_eq!(second.handle(at(0), Event::DisplayReady), [Effect::PlugDisplay]);
}

#[test]
fn the_page_is_shown_only_when_loaded_and_drawn() {
    let mut machine = machine();
    let effects = machine.handle(at(0), Event::EncoderStarted);
    assert_eq!(slates(&effects), [Some("Opening the dashboard")]);
    assert_eq!(machine.handle(at(1), Event::PageVisible), []);
    assert_eq!(machine.view().name, "starting");
    assert_eq!(machine.handle(at(2), Event::PageLoaded), [Effect::Show(None)]);
    assert_eq!(machine.view().name, "live");
}

#[test]
fn a_failed_page_gives_a_slate_with_the_reason_and_is_tried_again() {
    let mut machine = live();
    let effects = machine.handle(at(100), Event::PageFailed(PageFailure::Http { status: 502 }));
    let [Effect::Show(Some(slate))] = &effects[..] else { panic!("{effects:?}") };
    assert!(slate.detail.contains("502") && slate.detail.contains("dash.lan"), "{slate:?}");
    assert_eq!(machine.view().name, "recovering");
    assert_eq!(machine.deadline(), Some(at(102)));
    assert_eq!(machine.handle(at(102), Event::Tick), [Effect::Reload]);
    assert_eq!(machine.deadline(), None, "one reload is under way");
    assert_eq!(machine.handle(at(104), Event::PageLoaded), [Effect::Show(None)]);
    assert_eq!(machine.reloads(), 1);
}

#[test]
fn a_page_that_keeps_failing_is_tried_less_and_less_often() {
    let mut machine = live();
    let mut waits = Vec::new();
    let mut now = at(1000);
    for _ in 0..9 {
        machine.handle(now, Event::PageFailed(PageFailure::Crashed));
        let deadline = machine.deadline().unwrap();
        waits.push(deadline.since(now).ticks() / MediaTime::TICKS_PER_SECOND);
        now = deadline;
        machine.handle(now, Event::Tick);
    }
    assert_eq!(waits, [2, 2, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn a_dead_browser_is_replaced_while_the_stream_shows_why() {
    let mut machine = live();
    let effects = machine.handle(at(50), Event::BrowserGone { why: "it was killed".to_owned() });
    assert_eq!(effects[0], Effect::EndBrowser);
    assert_eq!(slates(&effects), [Some("The dashboard cannot be shown")]);
    assert_eq!(machine.deadline(), Some(at(50)), "the first time at once");
    assert_eq!(machine.handle(at(50), Event::Tick), [Effect::StartBrowser]);
    machine.handle(at(50), Event::BrowserStarted);
    assert_eq!(machine.handle(at(50), Event::DisplayReady), [Effect::PlugDisplay]);
    machine.handle(at(51), Event::PageVisible);
    assert_eq!(machine.handle(at(51), Event::PageLoaded), [Effect::Show(None)]);
}

#[test]
fn a_dead_encoder_takes_its_browser_along() {
    let mut machine = live();
    let effects = machine.handle(at(50), Event::EncoderGone { why: "it was killed".to_owned() });
    assert_eq!(effects, [Effect::EndEncoder, Effect::EndBrowser]);
    let effects = machine.handle(at(50), Event::Tick);
    assert_eq!(effects, [Effect::StartEncoder, Effect::StartBrowser]);
    let effects = machine.handle(at(50), Event::EncoderStarted);
    assert_eq!(slates(&effects), [Some("The dashboard cannot be shown")], "told what to show");
}

#[test]
fn a_browser_that_came_for_an_encoder_that_did_not_is_no_browser() {
    let mut machine = machine();
    machine.handle(at(0), Event::Begin);
    // Both were told to start; what came of it is heard in this order.
    let effects = machine.handle(at(0), Event::EncoderGone { why: "no socket".to_owned() });
    assert_eq!(effects[..2], [Effect::EndEncoder, Effect::EndBrowser]);
    machine.handle(at(0), Event::BrowserStarted);
    let effects = machine.handle(machine.deadline().unwrap(), Event::Tick);
    assert_eq!(effects, [Effect::StartEncoder, Effect::StartBrowser]);
}

#[test]
fn nobody_is_woken_for_a_browser_that_has_to_wait_for_its_encoder() {
    let mut machine = live();
    let gone = || Event::EncoderGone { why: "no socket".to_owned() };
    for _ in 0..4 {
        machine.handle(at(50), gone());
        machine.handle(at(50), Event::Tick);
    }
    machine.handle(at(50), gone());
    assert!(machine.deadline().unwrap() > at(50), "{machine:?}");
}

#[test]
fn the_end_of_one_worker_is_taken_note_of_once() {
    let mut machine = live();
    let gone = Event::BrowserGone { why: "it ended".to_owned() };
    assert!(!machine.handle(at(50), gone.clone()).is_empty());
    assert_eq!(machine.handle(at(50), gone), []);
}

#[test]
fn the_link_that_broke_is_named_and_not_what_it_took_along() {
    let links = |machine: &Machine| {
        let Links { page, encoder } = machine.links();
        (page, encoder)
    };
    let broken = |why: &str| Link::Broken(why.to_owned());
    let mut machine = machine();
    assert_eq!(links(&machine), (Link::Starting, Link::Starting));
    machine.handle(at(0), Event::Begin);
    machine.handle(at(0), Event::EncoderStarted);
    machine.handle(at(0), Event::EncoderOpened);
    assert_eq!(links(&machine), (Link::Starting, Link::Works));
    let mut machine = live();
    assert_eq!(links(&machine), (Link::Works, Link::Works));
    machine.handle(at(9), Event::PageFailed(PageFailure::Crashed));
    assert_eq!(links(&machine), (broken("the page crashed"), Link::Works));
    let mut machine = live();
    machine.handle(at(9), Event::BrowserGone { why: "killed".to_owned() });
    assert_eq!(links(&machine), (broken("killed"), Link::Works));
    let mut machine = live();
    machine.handle(at(9), Event::EncoderGone { why: "killed".to_owned() });
    assert_eq!(links(&machine), (Link::Works, broken("killed")));
    machine.handle(at(9), Event::EncoderStarted);
    machine.handle(at(9), Event::EncoderOpened);
    assert_eq!(links(&machine), (Link::Starting, Link::Works), "the page is opened again");
}

#[test]
fn another_page_is_opened_at_once_and_as_if_it_were_the_first() {
    let mut machine = live();
    let navigate = || Event::Navigate { host: "other.lan".to_owned() };
    let effects = machine.handle(at(50), navigate());
    let [Effect::Navigate, Effect::Show(Some(slate))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((&*slate.title, &*slate.detail), ("Opening the dashboard", "other.lan"));
    assert_eq!(machine.view().name, "starting");
    assert_eq!(machine.handle(at(51), Event::PageLoaded), [Effect::Show(None)]);
    assert_eq!((machine.view().name, machine.reloads()), ("live", 0));

    // One that waits to be tried again is not waited for, nor is what it has spoilt held against the
    // next one.
    for second in 60..70 {
        machine.handle(at(second), Event::PageFailed(PageFailure::Crashed));
    }
    assert!(machine.deadline().unwrap() > at(80));
    let effects = machine.handle(at(70), navigate());
    assert_eq!((&effects[0], machine.deadline()), (&Effect::Navigate, None));
    machine.handle(at(71), Event::PageFailed(PageFailure::Http { status: 404 }));
    assert_eq!(machine.deadline(), Some(at(73)));
    let effects = machine.handle(at(72), Event::Reload);
    assert_eq!(slates(&effects), [Some("Opening the dashboard")]);
}

#[test]
fn a_page_that_somebody_wants_again_is_loaded_now() {
    let mut machine = live();
    assert_eq!(machine.handle(at(50), Event::Reload), [Effect::Reload], "the page stays meanwhile");
    assert_eq!(machine.view().name, "live");
    assert_eq!(machine.handle(at(51), Event::PageLoaded), []);
    assert_eq!(machine.reloads(), 0, "nothing was wrong");
    machine.handle(at(60), Event::Reload);
    let effects = machine.handle(at(61), Event::PageFailed(PageFailure::Http { status: 502 }));
    assert_eq!(slates(&effects), [Some("The dashboard cannot be shown")]);
}

#[test]
fn a_browser_that_is_yet_to_come_comes_now_for_what_is_wanted_now() {
    let mut machine = live();
    for second in 50..56 {
        machine.handle(at(second), Event::BrowserGone { why: "it ended".to_owned() });
        machine.handle(at(second + 60), Event::Tick);
        machine.handle(at(second + 60), Event::BrowserStarted);
    }
    machine.handle(at(200), Event::BrowserGone { why: "it ended".to_owned() });
    assert!(machine.deadline().unwrap() > at(205));
    let effects = machine.handle(at(201), Event::Navigate { host: "other.lan".to_owned() });
    assert!(!effects.contains(&Effect::Navigate), "{effects:?}");
    assert_eq!(machine.deadline(), Some(at(201)));
    assert_eq!(machine.handle(at(201), Event::Tick), [Effect::StartBrowser]);
    assert_eq!(machine.handle(at(201), Event::Reload), [], "it is about to open it");
}

#[test]
fn after_the_end_nothing_happens_any_more() {
    let mut machine = live();
    machine.handle(at(5), Event::Stop);
    assert_eq!(machine.handle(at(6), Event::Stop), []);
    assert_eq!(machine.handle(at(6), Event::PageLoaded), []);
    assert_eq!(machine.deadline(), None);
    assert_eq!(machine.view().name, "stopping");
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::EncoderStarted),
        Just(Event::EncoderOpened),
        Just(Event::EncoderGone { why: "gone".to_owned() }),
        Just(Event::BrowserStarted),
        Just(Event::DisplayReady),
        Just(Event::PageVisible),
        Just(Event::PageLoaded),
        Just(Event::PageFailed(PageFailure::Crashed)),
        Just(Event::PageResponsive),
        Just(Event::BrowserGone { why: "gone".to_owned() }),
        Just(Event::Navigate { host: "other.lan".to_owned() }),
        Just(Event::Reload),
        Just(Event::Tick),
        Just(Event::Tick),
    ]
}

/// What the outside would look like if it did what it is told.
#[derive(Default)]
struct World {
    encoder: bool,
    browser: bool,
    /// Of the last browser that was started it is not yet said that it did.
    browser_unsaid: bool,
    shown: Option<Option<Slate>>,
    closed: bool,
}

impl World {
    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            assert!(!self.closed, "{effect:?} after the end");
            match effect {
                Effect::StartEncoder => {
                    assert!(!self.encoder, "a second encoder");
                    self.encoder = true;
                    self.shown = None;
                }
                Effect::StartBrowser => {
                    assert!(!self.browser, "a second browser");
                    self.browser = true;
                    self.browser_unsaid = true;
                }
                Effect::EndEncoder => {
                    self.encoder = false;
                    self.shown = None;
                }
                Effect::EndBrowser => self.browser = false,
                Effect::Show(slate) => self.shown = Some(slate),
                Effect::Navigate => assert!(self.browser, "going somewhere without a browser"),
                Effect::Reload => assert!(self.browser, "reloading without a browser"),
                Effect::PlugDisplay => assert!(self.encoder && self.browser, "plugging nothing"),
                Effect::CloseStream => {
                    assert!(!self.encoder && !self.browser, "left running");
                    self.closed = true;
                }
            }
        }
    }
}

proptest! {
    /// Whatever happens, in any order the world can produce it: at most one of each worker, the
    /// stream never shows the page while something is known to be wrong, nothing is left at the end.
    #[test]
    fn invariants_hold_under_random_events(
        steps in prop::collection::vec((0_u64..200_000, any_event()), 0..120),
    ) {
        let (mut machine, mut world, mut now) = (machine(), World::default(), at(1));
        world.apply(machine.handle(now, Event::Begin));
        for (by, event) in steps {
            now = now + MediaTime::from_ticks(by);
            // Events of a worker that is not there cannot come.
            let possible = match event {
                Event::EncoderStarted | Event::EncoderOpened | Event::EncoderGone { .. } => world.encoder,
                // Also of one that was ended in the meantime.
                Event::BrowserStarted => std::mem::take(&mut world.browser_unsaid),
                Event::PageVisible => world.encoder && world.browser,
                Event::Navigate { .. } | Event::Reload | Event::Tick => true,
                _ => world.browser,
            };
            if !possible {
                continue;
            }
            world.apply(machine.handle(now, event));
            if machine.problem().is_some() {
                prop_assert_ne!(&world.shown, &Some(None), "the page is shown: {:?}", machine);
            }
            if machine.view().name == "live" {
                prop_assert!(machine.problem().is_none());
            }
            // It does not ask to be woken for nothing.
            if machine.deadline().is_some_and(|deadline| deadline <= now) {
                let effects = machine.handle(now, Event::Tick);
                prop_assert!(!effects.is_empty(), "woken for nothing: {:?}", machine);
                world.apply(effects);
            }
            // Something must move it on, unless a worker that is there is expected to.
            if !world.encoder || !world.browser {
                prop_assert!(machine.deadline().is_some(), "stuck: {:?}", machine);
            }
        }
        world.apply(machine.handle(now, Event::Stop));
        prop_assert!(world.closed);
    }
}
