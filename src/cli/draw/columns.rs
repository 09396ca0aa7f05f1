//! A table whose lines are never wrapped: if room is short, cells are cut and columns are left out.

use ratatui::layout::Alignment;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::text::shortened;

/// The number of spaces between two columns.
const GAP: usize = 2;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Column {
    title: &'static str,
    is_right: bool,
    /// The width to which its cells may be cut; `None` if they are never cut.
    cut_to: Option<usize>,
    /// If room is short, the column with the highest rank is left out first; a column of rank 0 always stays.
    rank: u8,
}

impl Column {
    /// Returns a column that is never cut or left out.
    pub(in crate::cli) const fn new(title: &'static str) -> Self {
        Self { title, is_right: false, cut_to: None, rank: 0 }
    }

    /// Aligns the cells at the right, for numbers.
    pub(in crate::cli) const fn right(self) -> Self {
        Self { is_right: true, ..self }
    }

    /// Allows cutting the cells to this width.
    pub(in crate::cli) const fn cut_to(self, width: usize) -> Self {
        Self { cut_to: Some(width), ..self }
    }

    /// Allows leaving the column out if room is short, before all columns of a lower rank.
    pub(in crate::cli) const fn leaves(self, rank: u8) -> Self {
        Self { rank, ..self }
    }
}

/// Returns the table's lines, the titles first. Without a width, nothing is cut or left out. Cells after the last
/// column are not shown.
pub(in crate::cli) fn table(
    columns: &[Column],
    rows: &[impl AsRef<[Line<'static>]>],
    width: Option<usize>,
    title_style: Style,
) -> Vec<Line<'static>> {
    let widest = |(place, column): (usize, &Column)| {
        let title = column.title.chars().count();
        rows.iter().filter_map(|row| row.as_ref().get(place)).map(Line::width).chain([title]).max().unwrap_or(0)
    };
    let natural: Vec<usize> = columns.iter().enumerate().map(widest).collect();
    let widths = fitted(columns, &natural, width);
    let titles: Vec<_> = columns.iter().map(|column| Line::styled(column.title, title_style)).collect();
    let rows = rows.iter().map(AsRef::as_ref);
    std::iter::once(titles.as_slice()).chain(rows).map(|row| joined(columns, row, &widths)).collect()
}

/// Returns the width of each column, `None` for a column that is left out.
fn fitted(columns: &[Column], natural: &[usize], width: Option<usize>) -> Vec<Option<usize>> {
    let mut widths: Vec<Option<usize>> = natural.iter().copied().map(Some).collect();
    let Some(width) = width else { return widths };
    loop {
        let shown = widths.iter().flatten().count();
        let used = widths.iter().flatten().sum::<usize>() + GAP * shown.saturating_sub(1);
        let over = used.saturating_sub(width);
        let spare = |place: usize, now: Option<usize>| {
            let least = columns.get(place).and_then(|column| column.cut_to);
            now.zip(least).map_or(0, |(now, least)| now.saturating_sub(least))
        };
        let to_spare: usize = widths.iter().enumerate().map(|(place, now)| spare(place, *now)).sum();
        if over == 0 || to_spare >= over {
            let mut over = over;
            // The widest column is cut first, one cell at a time, so that columns that can be cut become equally wide.
            while over > 0 {
                let longest = (0..widths.len())
                    .filter(|&place| spare(place, widths.get(place).copied().flatten()) > 0)
                    .max_by_key(|&place| widths.get(place).copied().flatten());
                let Some(Some(now)) = longest.and_then(|place| widths.get_mut(place)) else { break };
                *now -= 1;
                over -= 1;
            }
            return widths;
        }
        let last = (0..widths.len())
            .filter(|&place| widths.get(place).is_some_and(Option::is_some))
            .filter(|&place| columns.get(place).is_some_and(|column| column.rank > 0))
            .max_by_key(|&place| columns.get(place).map(|column| column.rank));
        match last.and_then(|place| widths.get_mut(place)) {
            Some(leaving) => *leaving = None,
            None => return cut_as_far_as_it_goes(columns, widths),
        }
    }
}

fn cut_as_far_as_it_goes(columns: &[Column], widths: Vec<Option<usize>>) -> Vec<Option<usize>> {
    let least = columns.iter().map(|column| column.cut_to);
    widths.into_iter().zip(least).map(|(now, least)| now.map(|now| least.map_or(now, |least| now.min(least)))).collect()
}

fn joined(columns: &[Column], row: &[Line<'static>], widths: &[Option<usize>]) -> Line<'static> {
    let mut joined = Line::default();
    for ((column, cell), width) in columns.iter().zip(row).zip(widths) {
        let Some(width) = *width else { continue };
        if !joined.spans.is_empty() {
            joined.push_span(Span::raw(" ".repeat(GAP)));
        }
        let cell = shortened(cell, width);
        let padding = Span::raw(" ".repeat(width.saturating_sub(cell.width())));
        let is_right = column.is_right || cell.alignment == Some(Alignment::Right);
        let style = cell.style;
        let spans = cell.spans.into_iter().map(|span| Span { style: style.patch(span.style), ..span });
        if is_right {
            joined.push_span(padding);
            joined.spans.extend(spans);
        } else {
            joined.spans.extend(spans);
            joined.push_span(padding);
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::draw::paper::written;
    use crate::cli::draw::theme::Theme;

    const COLUMNS: [Column; 4] = [
        Column::new("ID").right(),
        Column::new("NAME").cut_to(6),
        Column::new("NOTE").cut_to(4).leaves(1),
        Column::new("MORE").leaves(2),
    ];

    #[test]
    fn if_room_is_short_cells_are_cut_and_columns_left_out_but_no_line_is_wrapped() {
        let row = |cells: [&str; 4]| cells.map(|cell| Line::from(cell.to_owned()));
        let rows = [row(["1", "garden tools", "pauses at 5,000", "x"]), row(["12", "漢字漢字漢字", "-", ""])];
        let cases = [
            (
                None,
                "ID  NAME          NOTE             MORE\n 1  garden tools  pauses at 5,000  x\n12  漢字漢字漢字  -\n",
            ),
            (Some(33), "ID  NAME         NOTE        MORE\n 1  garden too…  pauses at…  x\n12  漢字漢字漢…  -\n"),
            (Some(22), "ID  NAME    NOTE  MORE\n 1  garde…  pau…  x\n12  漢字…   -\n"),
            (Some(21), "ID  NAME      NOTE\n 1  garden …  pauses…\n12  漢字漢…   -\n"),
            (Some(12), "ID  NAME\n 1  garden …\n12  漢字漢…\n"),
            (Some(1), "ID  NAME\n 1  garde…\n12  漢字…\n"),
        ];
        for (width, expected) in cases {
            assert_eq!(written(&table(&COLUMNS, &rows, width, Style::new()), Theme::PLAIN), expected, "{width:?}");
        }
    }
}
