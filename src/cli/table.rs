//! Lists for people: as wide as they need to be, and no wider than the terminal.

use unicode_width::UnicodeWidthStr;

use super::screen::{Screen, Style, fitted, shortened, wrapped};

/// Between two columns.
const GAP: usize = 2;
/// Columns are not made narrower, and a line may then be longer than the terminal is wide.
const NARROWEST: usize = 8;

/// What stands above a column, and whether its cells can be guessed from their beginning: those are
/// shortened, the longest first, when the table is too wide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    heading: &'static str,
    shrinks: bool,
}

impl Column {
    pub(super) const fn whole(heading: &'static str) -> Self {
        Self { heading, shrinks: false }
    }

    pub(super) const fn shrinking(heading: &'static str) -> Self {
        Self { heading, shrinks: true }
    }
}

/// One field of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) style: Style,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, style: Style::Plain }
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        Self::from(text.unwrap_or_else(|| "-".to_owned()))
    }
}

/// One thing of a list.
#[derive(Clone, Debug)]
pub(super) struct Row<const COLUMNS: usize> {
    pub(super) cells: [Cell; COLUMNS],
    /// Sentences below it, such as what is wrong with it.
    pub(super) notes: Vec<Cell>,
}

/// A list of things, a line each. Without any, it is nothing at all.
#[derive(Clone, Debug)]
pub(super) struct Table<const COLUMNS: usize> {
    pub(super) columns: [Column; COLUMNS],
    pub(super) rows: Vec<Row<COLUMNS>>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    /// The lines, without their ends.
    pub(super) fn lines(&self, screen: Screen) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let widths = self.widths(screen);
        let headings = self.columns.map(|column| Cell::new(column.heading, Style::Heading));
        let mut lines = vec![line(&headings, widths, screen)];
        for Row { cells, notes } in &self.rows {
            lines.push(line(cells, widths, screen));
            for note in notes {
                let mut indent = "  ";
                for line in wrapped(&note.text, 4, screen) {
                    let line = fitted(&format!("{indent}{line}"), screen);
                    lines.push(note.style.paint(&line, screen));
                    indent = "    ";
                }
            }
        }
        lines
    }

    /// The lines as one text.
    pub(super) fn text(&self, screen: Screen) -> String {
        self.lines(screen).into_iter().flat_map(|line| [line, "\n".to_owned()]).collect()
    }

    fn widths(&self, screen: Screen) -> [usize; COLUMNS] {
        let mut widths = self.columns.map(|column| column.heading.width());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.text.width());
            }
        }
        let Some(limit) = screen.width else { return widths };
        let gaps = COLUMNS.saturating_sub(1) * GAP;
        while widths.iter().sum::<usize>() + gaps > limit {
            let shrinking =
                widths.iter_mut().zip(self.columns).filter(|(_, column)| column.shrinks);
            // Of equal ones the first, which is what rows are told apart by, keeps its letters.
            match shrinking.map(|(width, _)| width).max_by_key(|width| **width) {
                Some(width) if *width > NARROWEST => *width -= 1,
                _ => break,
            }
        }
        widths
    }
}

fn line<const COLUMNS: usize>(
    cells: &[Cell; COLUMNS],
    widths: [usize; COLUMNS],
    screen: Screen,
) -> String {
    let mut line = String::new();
    let mut blank = 0;
    for (cell, width) in cells.iter().zip(widths) {
        let text = shortened(&cell.text, width);
        line.extend(std::iter::repeat_n(' ', blank));
        line.push_str(&cell.style.paint(&text, screen));
        blank = width.saturating_sub(text.width()) + GAP;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLOURS: Screen = Screen { width: None, height: None, colours: true };

    fn table(names: &[&str]) -> Table<3> {
        let columns = [Column::shrinking("NAME"), Column::whole("ID"), Column::shrinking("PLACE")];
        let row = |name: &&str| Row {
            cells: [name.to_string().into(), "0123456789".to_owned().into(), None.into()],
            notes: vec![Cell::new("it is not there", Style::Bad)],
        };
        Table { columns, rows: names.iter().map(row).collect() }
    }

    #[test]
    fn nothing_has_no_headings() {
        assert_eq!(table(&[]).text(COLOURS), "");
    }

    #[test]
    fn colours_take_no_room() {
        let expected = "\x1b[1mNAME\x1b[0m  \x1b[1mID\x1b[0m          \x1b[1mPLACE\x1b[0m\n\
                        ab    0123456789  -\n\x1b[31m  it is not there\x1b[0m\n";
        assert_eq!(table(&["ab"]).text(COLOURS), expected);
    }

    #[test]
    fn only_what_can_be_guessed_is_shortened_and_not_beyond_recognition() {
        let screen = Screen { width: Some(30), ..Screen::default() };
        let text = table(&["a name that is long"]).text(screen);
        assert!(text.contains("\na name tha…  0123456789  -\n"), "{text}");
        let narrow = Screen { width: Some(10), ..Screen::default() };
        let text = table(&["a name that is long"]).text(narrow);
        assert!(text.contains("\na name …  0123456789  -\n  it is\n    not\n"), "{text}");
    }
}
