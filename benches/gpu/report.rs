//! The table at the end.

use std::fmt;

#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<[String; 4]>,
}

impl Report {
    /// A figure that should be at most this.
    pub(crate) fn floor(&mut self, title: &str, value: f64, most: f64) {
        let verdict = if value <= most { "floor" } else { "MISSED" };
        self.row(title, format!("{value:.3}"), format!("≤ {most}"), verdict);
    }

    /// A figure that explains others.
    pub(crate) fn figure(&mut self, title: &str, value: f64) {
        self.row(title, format!("{value:.3}"), String::new(), "");
    }

    /// What cannot be had here, and why.
    pub(crate) fn none(&mut self, title: &str, why: &str) {
        self.row(title, "–".to_owned(), String::new(), why);
    }

    fn row(&mut self, title: &str, value: String, floor: String, verdict: &str) {
        self.rows.push([title.to_owned(), value, floor, verdict.to_owned()]);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| case | measured | floor | verdict |")?;
        writeln!(f, "| --- | --- | --- | --- |")?;
        for cells in &self.rows {
            writeln!(f, "| {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}
