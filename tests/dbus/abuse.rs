//! Callers that do too much, and one that does not listen.

use std::{process::Command, time::Duration};

use futures_util::{StreamExt as _, future::join_all};
use tokio::time::{Instant, sleep, timeout};
use zbus::OwnedVariant;

use crate::{
    fake::snapshot,
    house::{
        Client, HEALTH, House, MANAGER, PATIENCE, POLL, Properties, ROOT, SESSION, session_path,
    },
    polkit::Verdict,
    support::processes::holdings,
};

/// The bus lets a caller wait for 128 answers at a time.
const AT_A_TIME: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_a_second_are_answered() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    let begin = Instant::now();
    let session = session_path("aa");
    let mut answers = 0;
    for _ in 0..10 {
        let calls = (0..AT_A_TIME).map(|_| client.properties(&session, SESSION));
        let all: Vec<Properties> = join_all(calls).await;
        assert!(all.iter().all(|facts| facts.contains_key("State")));
        answers += all.len();
        let dead = zbus::OwnedObjectPath::try_from(session_path("dead")).unwrap();
        let calls = (0..10).map(|_| client.call::<()>(ROOT, MANAGER, "StopCast", &dead));
        for answer in join_all(calls).await {
            assert_eq!(Client::refusal(answer).0, "org.dashboardcast1.NoSuchSession");
        }
    }
    assert_eq!(answers, 1000);
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_passwords_keeps_nobody_out() {
    let house = House::open().await;
    let own = house.add_and_wait("aa").await;
    house.polkit.decide(Verdict::Silence);
    let asked = || house.polkit.questions().iter().filter(|question| question.may_ask).count();
    // As many connections as it takes to have all questions open that may be.
    let mut greedy = Vec::new();
    loop {
        let client = Client::of(&house.bus).await;
        for _ in 0..100 {
            client.shout(ROOT, MANAGER, "StopAll", &()).await;
        }
        // Sixteen of them are taken up, which is more than may wait for an answer.
        let expected = 32.min(4 * (greedy.len() + 1));
        let deadline = Instant::now() + PATIENCE;
        while asked() < expected {
            assert!(Instant::now() < deadline, "{} questions are open", asked());
            sleep(POLL).await;
        }
        let refused = loop {
            let refused =
                Client::refusal(client.call_patiently(ROOT, MANAGER, "StopAll", &()).await);
            assert_eq!(refused.0, "org.freedesktop.DBus.Error.LimitsExceeded");
            // Those that will be refused as well may be on their way still.
            if !refused.1.starts_with("16 commands of this caller") {
                break refused;
            }
            assert!(Instant::now() < deadline, "{refused:?}");
            sleep(POLL).await;
        };
        greedy.push(client);
        if refused.1.starts_with("32 questions for a password are open") {
            break;
        }
        assert!(greedy.len() < 20, "{refused:?}");
    }
    assert_eq!(asked(), 32);
    // Who needs no password does not notice.
    house.polkit.decide(Verdict::Yes);
    let _: std::collections::HashMap<String, OwnedVariant> =
        greedy[0].call(ROOT, HEALTH, "Check", &()).await.unwrap();
    assert_eq!(own.call::<u32>(ROOT, MANAGER, "StopAll", &()).await.unwrap(), 1);
}

/// Runs a test again in a process of its own, where nothing else takes memory. Returns whether this is
/// that process.
#[track_caller]
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let own = std::env::current_exe().unwrap();
    let output = Command::new(own).args(["--exact", test]).env(ALONE, "yes").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_signals_holds_up_nobody() {
    if !is_alone("abuse::a_client_that_never_reads_signals_holds_up_nobody") {
        return;
    }
    let house = House::open().await;
    let deaf = house.add_and_wait("aa").await;
    // It wants all signals, and takes none: its connection stops to read when its queue is full.
    let unread = deaf.signals(1).await;
    let client = Client::of(&house.bus).await;
    let mut signals = client.signals(64).await;
    let (_, before) = holdings(std::process::id());
    // Ten times what the bus holds for one receiver.
    for number in 0..100 {
        let mut session = snapshot("aa");
        session.page.title = Some(format!("{number} {}", "x".repeat(100_000)));
        *house.core.sessions.lock().unwrap() = vec![session];
        house.core.tell();
        let heard = timeout(PATIENCE, signals.next()).await;
        assert!(matches!(heard, Ok(Some(Ok(_)))), "change {number}: {heard:?}");
    }
    let (_, after) = holdings(std::process::id());
    assert!(after < before + 64 * 1024, "{before} kB became {after} kB");
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_come_at_once_are_told_once() {
    let house = House::open().await;
    let client = house.add_and_wait("aa").await;
    let mut signals = client.signals(64).await;
    for number in 0..=10_000 {
        house.core.sessions.lock().unwrap()[0].page.reloads = number;
        house.core.tell();
    }
    let mut told = 0;
    loop {
        let signal = timeout(PATIENCE, signals.next()).await.unwrap().unwrap().unwrap();
        told += 1;
        let body = signal.body();
        let (_, changed, _): (String, Properties, Vec<String>) = body.deserialize().unwrap();
        if u32::try_from(changed["PageReloads"].clone()).unwrap() == 10_000 {
            break;
        }
    }
    // A slow machine may take a second for the changes; they are told twenty times in it.
    assert!(told < 200, "{told} signals for 10000 changes");
    let quiet = timeout(Duration::from_millis(200), signals.next()).await;
    assert!(quiet.is_err(), "nothing changed: {quiet:?}");
}
