//! The table at the end.

use std::fmt;

/// What a figure may be at most, and what it should come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    floor: f64,
    aim: f64,
}

impl Limit {
    pub(crate) const fn most(floor: f64, aim: f64) -> Self {
        Self { floor, aim }
    }

    fn verdict(self, value: f64) -> Verdict {
        if value <= self.aim {
            Verdict::Aim
        } else if value <= self.floor {
            Verdict::Floor
        } else {
            Verdict::Missed
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Aim,
    Floor,
    Missed,
    /// There is nothing to compare.
    Open,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Aim => "aim",
            Self::Floor => "floor",
            Self::Missed => "MISSED",
            Self::Open => "not measured",
        }
    }
}

/// Cores that others may use while measuring. A grabber that has to share the machine drops frames
/// and looks cheaper than it is, so beyond this a ratio says little.
const QUIET: f64 = 0.3;

#[derive(Debug, Default)]
pub(crate) struct Report {
    elsewhere: f64,
    rows: Vec<([String; 6], Verdict)>,
}

impl Report {
    /// Cores in use on both sides, held by their ratio.
    pub(crate) fn cpu(
        &mut self,
        title: &str,
        reference: Option<f64>,
        ours: Option<f64>,
        limit: Limit,
    ) {
        let ratio = reference.zip(ours).map(|(reference, ours)| ours / reference);
        self.row(
            title,
            [reference, ours, ratio].map(|value| number(value, 3)),
            (format!("≤ {}", limit.floor), format!("{}", limit.aim)),
            ratio.map_or(Verdict::Open, |ratio| limit.verdict(ratio)),
        );
    }

    /// A figure of ours alone.
    pub(crate) fn value(&mut self, title: &str, ours: f64, limit: Limit, note: &str) {
        self.row(
            &format!("{title} ({note})"),
            [String::new(), number(Some(ours), 3), String::new()],
            (format!("≤ {}", limit.floor), format!("{}", limit.aim)),
            limit.verdict(ours),
        );
    }

    /// Likeness to the page, which must be at least the reference's.
    pub(crate) fn picture(&mut self, title: &str, reference: Option<f64>, ours: Option<f64>) {
        let verdict = match (reference, ours) {
            (Some(reference), Some(ours)) if ours >= reference => Verdict::Aim,
            (Some(_), Some(_)) => Verdict::Missed,
            _ => Verdict::Open,
        };
        self.row(
            title,
            [number(reference, 5), number(ours, 5), String::new()],
            ("≥ reference".into(), String::new()),
            verdict,
        );
    }

    /// Notes cores that other processes used while a case was measured.
    pub(crate) fn elsewhere(&mut self, cores: f64) {
        self.elsewhere = self.elsewhere.max(cores);
    }

    pub(crate) fn skip(&mut self, title: &str, why: &str) {
        let title = format!("{title} ({why})");
        self.row(&title, Default::default(), Default::default(), Verdict::Open);
    }

    /// Whether nothing that was measured missed its floor.
    pub(crate) fn holds(&self) -> bool {
        self.rows.iter().all(|(_, verdict)| *verdict != Verdict::Missed)
    }

    fn row(
        &mut self,
        title: &str,
        [reference, ours, ratio]: [String; 3],
        (floor, aim): (String, String),
        verdict: Verdict,
    ) {
        let cells = [title.to_owned(), reference, ours, ratio, floor, aim];
        self.rows.push((cells, verdict));
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".into(), |value| format!("{value:.digits$}"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| case | reference, cores | ours, cores | ratio | floor | aim | verdict |")?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- |")?;
        for (cells, verdict) in &self.rows {
            writeln!(f, "| {} | {} |", cells.join(" | "), verdict.name())?;
        }
        if self.elsewhere > QUIET {
            writeln!(
                f,
                "\nThe machine was not quiet: other processes used up to {:.2} cores meanwhile. \
                 Measure again.",
                self.elsewhere
            )?;
        }
        Ok(())
    }
}
