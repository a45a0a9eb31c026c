//! The whole answer on each kind of machine, as it is kept in `answers/`. After a change that is meant:
//! `REGENERATE=1 cargo test --lib doctor`, and read the difference.

use std::{env, fs, path::Path};

use super::{super::screen::Screen, text};
use crate::doctor::{Report, testing::MACHINES};

#[test]
fn each_machine_gets_its_answer() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/doctor/answers");
    let screen = Screen { width: Some(100), ..Screen::default() };
    for (name, make) in MACHINES {
        let answer = text::text(&Report::of(&make().machine(), &[]), screen);
        let file = directory.join(name).with_extension("txt");
        if env::var_os("REGENERATE").is_some() {
            fs::create_dir_all(&directory).unwrap();
            fs::write(&file, &answer).unwrap();
        }
        let kept = fs::read_to_string(&file).unwrap_or_default();
        assert!(kept == answer, "{name} is told:\n{answer}\nand was told:\n{kept}");
    }
}
