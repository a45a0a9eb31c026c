use super::{Check, Subject};
use crate::doctor::{
    finding::{Finding, Place},
    machine::Machine,
};

pub(super) const CHECK: Check = Check {
    id: "libavcodec",
    question: "Does libavcodec have the encoders?",
    subject: Subject::Gpu,
    needs: &[],
    manual: "dashboard-cast(8), GPUS",
    look,
};

const WANTED: [&str; 3] = ["h264_qsv", "h264_vaapi", "libx264"];

fn look(machine: &Machine) -> Finding {
    let built = &machine.told.encoders;
    let missing: Vec<&str> =
        WANTED.into_iter().filter(|name| !built.iter().any(|own| own == name)).collect();
    let seen = format!("H.264 encoders: {}", built.join(", "));
    if missing.is_empty() {
        return Finding::pass(WANTED.join(", ")).seen(seen);
    }
    Finding::fail(format!("it was built without {}", missing.join(", "))).seen(seen).run(
        Place::Here,
        "Debian's has all of them; another one may lie in /usr/local/lib",
        &["ldconfig -p | grep libavcodec", "apt install --reinstall '?name(^libavcodec[0-9]+$)'"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Verdict, testing::Tree};

    #[test]
    fn what_it_was_built_without_is_named() {
        let with = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            look(&Tree::new().told(|told| told.encoders = names).machine())
        };
        assert_eq!(with(&["libx264", "h264_qsv", "h264_vaapi"]).verdict, Verdict::Pass);
        assert_eq!(with(&["libx264", "h264_vaapi"]).says, "it was built without h264_qsv");
    }
}
