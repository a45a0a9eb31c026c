//! What the doctor says of GPUs that it has encoded with.

use std::{process::Command, time::Instant};

use serde_json::Value;

use crate::support::rig::{Rig, garbage_pictures, honest_pictures};

const FULL_HD: &str = "1920x1080";

/// What it says of the proof, having encoded in processes of its own.
fn proof(rig: &Rig) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dashboard-cast"));
    rig.carry(command.args(["doctor", "--json", "--check", "proof"]));
    let begun = Instant::now();
    let said = command.output().unwrap();
    eprintln!("examined after {:.1} s", begun.elapsed().as_secs_f32());
    let report: Value = serde_json::from_slice(&said.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&said.stderr)));
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == "proof").cloned().unwrap()
}

#[test]
fn what_works_is_said_to_work() {
    let rig = Rig::new();
    rig.show(FULL_HD, honest_pictures());
    let said = proof(&rig);
    assert_eq!(said["verdict"], "pass", "{said}");
    for words in ["h264_qsv on /dev/dri/renderD128: works (VBR)", "h264_vaapi on"] {
        assert!(said["evidence"].to_string().contains(words), "{said}");
    }
}

#[test]
fn what_does_not_is_told_by_its_reason() {
    for (word, expected) in [("crash", "crashed"), ("hang", "hung"), ("fail", "h264_qsv")] {
        let rig = Rig::new();
        rig.show(FULL_HD, honest_pictures());
        rig.set(word);
        let said = proof(&rig);
        assert_eq!(said["verdict"], "fail", "{word}: {said}");
        assert!(said["says"].as_str().unwrap().contains(expected), "{word}: {said}");
        assert!(said["fixes"].to_string().contains("journalctl"), "{word}: {said}");
    }
    let rig = Rig::new();
    rig.show(FULL_HD, &garbage_pictures(FULL_HD));
    let said = proof(&rig);
    assert!(said["says"].as_str().unwrap().contains("not what it was given"), "{said}");
}
