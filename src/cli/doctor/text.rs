//! A report for people: the cause first, with what to do; then every check in a line.

use super::super::screen::{Screen, Style, plain, wrapped};
use crate::doctor::{Entry, Fix, Place, Report, Verdict};

/// What was the matter before is not asked here.
const LOG: &str =
    "What was said since this machine started: journalctl -b -u 'dashboard-cast*' -p warning";

/// Columns of a word for a verdict, and of a check's id with what is between.
const WORD: usize = 6;
const ID: usize = 19;

pub(super) fn text(report: &Report, screen: Screen) -> String {
    let mut page = Page { text: String::new(), screen };
    let causes: Vec<&Entry> = report.causes.iter().filter_map(|id| report.entry(id)).collect();
    match causes.split_first() {
        None => page.line(0, "All is well.", Style::Good),
        Some((first, others)) => {
            page.cause(first);
            for other in others {
                page.gap();
                page.cause(other);
            }
        }
    }
    page.gap();
    for entry in &report.checks {
        page.check(entry);
    }
    if !causes.is_empty() {
        page.gap();
        page.line(0, LOG, Style::Faint);
    }
    page.text
}

struct Page {
    text: String,
    screen: Screen,
}

impl Page {
    fn gap(&mut self) {
        self.text.push('\n');
    }

    /// A text in as many lines as it needs, this many columns from the left.
    fn line(&mut self, indent: usize, text: &str, style: Style) {
        for line in wrapped(&plain(text), indent, self.screen) {
            self.text.push_str(&" ".repeat(indent));
            self.text.push_str(&style.paint(&line, self.screen));
            self.text.push('\n');
        }
    }

    fn cause(&mut self, entry: &Entry) {
        let finding = &entry.finding;
        self.line(0, &capitalised(&finding.says), style(finding.verdict));
        for evidence in &finding.evidence {
            self.line(2, evidence, Style::Faint);
        }
        for fix in &finding.fixes {
            self.fix(fix);
        }
        self.line(2, &format!("More: {}", entry.manual), Style::Faint);
    }

    fn fix(&mut self, fix: &Fix) {
        let place = match fix.place {
            Place::Here => "Here",
            Place::Host => "On the host",
            Place::Firmware => "In the firmware",
            Place::Tv => "At the TV",
            Place::Network => "In the network",
        };
        let end = if fix.commands.is_empty() { "." } else { ":" };
        self.line(2, &format!("{place}: {}{end}", fix.words), Style::Plain);
        for command in &fix.commands {
            // Whole, to be copied.
            self.text
                .push_str(&format!("    {}\n", Style::Heading.paint(&plain(command), self.screen)));
        }
    }

    fn check(&mut self, entry: &Entry) {
        let finding = &entry.finding;
        let (says, style) = match entry.because {
            Some(cause) if finding.verdict != Verdict::Pass => {
                (format!("follows from {cause}"), Style::Faint)
            }
            _ => (finding.says.clone(), style(finding.verdict)),
        };
        let word = format!("{:WORD$}", word(finding.verdict));
        let mut head = format!("{}{:ID$}", style.paint(&word, self.screen), entry.id);
        for line in wrapped(&plain(&says), WORD + ID, self.screen) {
            self.text.push_str(&format!("{head}{line}\n"));
            head = " ".repeat(WORD + ID);
        }
    }
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "ok",
        Verdict::Skipped => "-",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    }
}

const fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Pass => Style::Good,
        Verdict::Skipped => Style::Faint,
        Verdict::Warn => Style::Doubtful,
        Verdict::Fail => Style::Bad,
    }
}

/// As a sentence: it begins with a capital, unless it begins with a path or a name such as i965.
fn capitalised(says: &str) -> String {
    let first = says.split(' ').next().unwrap_or_default();
    let is_word = first.chars().all(|letter| letter.is_ascii_lowercase());
    let mut letters = says.chars();
    let mut text = match letters.next() {
        Some(first) if is_word => first.to_ascii_uppercase().to_string() + letters.as_str(),
        _ => says.to_owned(),
    };
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_becomes_a_sentence() {
        assert_eq!(capitalised("the driver is missing"), "The driver is missing.");
        assert_eq!(capitalised("/dev/dri is empty"), "/dev/dri is empty.");
        assert_eq!(capitalised("h264_qsv on it: no"), "h264_qsv on it: no.");
    }
}
