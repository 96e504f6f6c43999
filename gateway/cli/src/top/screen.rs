//! Draws the model.

use gateway_api::screen::{clean, span};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style, Stylize},
    text::{Line, Span},
    widgets::{Block, Clear, Paragraph, Row as Cells, Table as Grid, TableState},
};

use super::{
    Rate,
    model::Model,
    table::{Row, Table},
    text,
};

/// Capabilities of the terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Means {
    /// True if it can show characters beyond ASCII.
    pub(crate) unicode: bool,
    /// True if it has colours and they are wanted.
    pub colours: bool,
}

/// Width of the label of a line at the top, in columns.
const NAME: usize = 10;

/// Width of a sparkline in the lines at the top, in characters.
const SPARK: usize = 14;

const HELP: [(&str, &str); 10] = [
    ("q", "quit"),
    ("Tab, left, right", "another table: bindings, tunnels, drops"),
    ("s", "order by the next column"),
    ("r", "reverse the order"),
    ("p, space", "pause, and go on"),
    ("+ -", "longer or shorter time between samples"),
    ("/", "only rows with a text in their names; Esc: all again"),
    ("up, down, PgUp, PgDn", "go through the rows"),
    ("?", "this"),
    ("RX, TX", "from the VLAN or tunnel to the gateway; the other way"),
];

/// Draws the whole screen.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model, means: Means) {
    let area = frame.area();
    let head = head(model, means, usize::from(area.width));
    let rows =
        [Constraint::Length(head.len() as u16), Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)];
    let [top, tabs, body, foot] = Layout::vertical(rows).areas(area);
    frame.render_widget(Paragraph::new(head), top);
    frame.render_widget(self::tabs(model, means), tabs);
    table(frame, body, model, means);
    frame.render_widget(self::foot(model, means, usize::from(area.width)), foot);
    if model.help {
        help(frame, area);
    }
}

fn coloured(means: Means, colour: Color) -> Style {
    if means.colours { Style::new().fg(colour) } else { Style::new().bold() }
}

/// Returns the lines at the top: the node and its state, then the total rates.
fn head(model: &Model, means: Means, width: usize) -> Vec<Line<'static>> {
    let (good, bad) = (coloured(means, Color::Green), coloured(means, Color::Red));
    let mut first = vec!["vtep-gateway".bold(), format!(" on {}", clean(&model.host)).into()];
    let Some(rates) = &model.rates else {
        let waiting = model.trouble.clone().unwrap_or_else(|| "waiting for the second sample...".to_owned());
        return vec![Line::from(first), Line::raw(clean(&waiting))];
    };
    first.push(format!("  up {}  ", span(rates.uptime_seconds)).into());
    first.push(if rates.healthy { Span::styled("healthy", good) } else { Span::styled("NOT HEALTHY", bad) });
    let clock = rates.time.to_string();
    let clock = clock.get(11..19).unwrap_or_default();
    let right = format!("{clock}Z every {} s", model.interval.as_secs_f32());
    let used: usize = first.iter().map(Span::width).sum();
    first.push(format!("{right:>space$}", space = width.saturating_sub(used)).into());
    let used = rates.fdb.static_macs + rates.fdb.learned;
    let percent = (used * 100).checked_div(rates.fdb.size).unwrap_or(0);
    let full = if percent >= 90 { bad } else { Style::new() };
    let mut lines = vec![
        Line::from(first),
        named("role", text::role(rates)),
        named("database", text::database(&rates.database)),
        Line::from(vec![
            format!("{:<NAME$}", "fdb").dim(),
            format!(
                "{used} of {} MACs ({} static, {} learned) ",
                rates.fdb.size, rates.fdb.static_macs, rates.fdb.learned
            )
            .into(),
            Span::styled(format!("{percent}%"), full),
        ]),
        total(model, means, "bindings", &rates.total_bindings),
        total(model, means, "tunnels", &rates.total_tunnels),
        drops(model, means, width),
    ];
    if let Some(trouble) = &model.trouble {
        lines.push(Line::styled(format!("{:<NAME$}{}", "agent", clean(trouble)), bad));
    } else if let Some(problem) = rates.problems.first() {
        let more = match rates.problems.len() {
            1 => String::new(),
            count => format!("({} more) ", count - 1),
        };
        lines.push(Line::from(vec![
            Span::styled(format!("{:<NAME$}", "problem"), bad),
            format!("{more}{}", clean(&problem.text)).into(),
        ]));
    }
    lines
}

fn named(name: &str, value: String) -> Line<'static> {
    Line::from(vec![format!("{name:<NAME$}").dim(), value.into()])
}

/// Returns the line with the total rate of all bindings or tunnels.
fn total(model: &Model, means: Means, name: &str, rate: &Rate) -> Line<'static> {
    let [rx_packets, rx_bits, tx_packets, tx_bits] = text::columns(rate);
    let spark = |way: &str| {
        let row = format!("{name} {way}");
        let history = model.total.latest(&row, SPARK);
        Span::styled(text::sparkline(history, SPARK, means.unicode), coloured(means, Color::Cyan))
    };
    Line::from(vec![
        format!("{name:<NAME$}").dim(),
        format!("RX {} {} ", text::with_unit(&rx_bits, "bit/s"), text::with_unit(&rx_packets, "pkt/s")).into(),
        spark("rx"),
        format!("  TX {} {} ", text::with_unit(&tx_bits, "bit/s"), text::with_unit(&tx_packets, "pkt/s")).into(),
        spark("tx"),
    ])
}

/// Returns the line with the rate of drops, and the most frequent reasons.
fn drops(model: &Model, means: Means, width: usize) -> Line<'static> {
    let Some(rates) = &model.rates else { return Line::default() };
    let mut most: Vec<_> = rates.drops.iter().filter(|one| one.packets_per_second > 0.0).collect();
    most.sort_by(|a, b| b.packets_per_second.total_cmp(&a.packets_per_second));
    let reasons: Vec<String> =
        most.iter().map(|one| format!("{} {}", one.name, text::short(one.packets_per_second))).collect();
    let mut line = format!("{} pkt/s", text::short(rates.dropped_packets_per_second));
    if !reasons.is_empty() {
        line = format!("{line}: {}", reasons.join(", "));
    }
    let line: String = line.chars().take(width.saturating_sub(NAME)).collect();
    let style = if reasons.is_empty() { Style::new() } else { coloured(means, Color::Yellow) };
    Line::from(vec![format!("{:<NAME$}", "drops").dim(), Span::styled(line, style)])
}

/// Returns the line with the tabs, and the view settings of the current one.
fn tabs(model: &Model, means: Means) -> Line<'static> {
    let mut spans = Vec::new();
    for table in Table::ALL {
        let title = format!(" {} ", table.title());
        spans.push(if table == model.table { title.reversed() } else { title.into() });
        spans.push(" ".into());
    }
    let (order, reversed) = model.order();
    let arrow = match (reversed, means.unicode) {
        (false, true) => "↓",
        (true, true) => "↑",
        (false, false) => "v",
        (true, false) => "^",
    };
    spans.push(format!(" by {}{arrow}", order.title()).dim());
    if !model.filter.is_empty() && !model.filtering {
        spans.push(format!("  only {:?}", model.filter).into());
    }
    if model.paused {
        spans.push(Span::styled("  PAUSED", coloured(means, Color::Yellow)));
    }
    Line::from(spans)
}

fn table(frame: &mut Frame<'_>, area: Rect, model: &Model, means: Means) {
    let rows = model.rows();
    let (titles, names) = names(model.table, &rows, usize::from(area.width));
    let numbers = if model.table == Table::Drops { 2 } else { 4 };
    let number = if model.table == Table::Drops { 12 } else { 8 };
    let taken: usize = names.iter().map(|width| width + 1).sum::<usize>() + numbers * (number + 1);
    let rest = usize::from(area.width).saturating_sub(taken);
    let cells = |row: &Row| {
        let mut cells = row.names.clone();
        let spark = text::sparkline(model.history(row, rest), rest, means.unicode);
        if model.table == Table::Drops {
            let rate = text::short(row.rate.rx_packets_per_second);
            cells.extend([format!("{rate:>number$}"), format!("{:>number$}", row.count)]);
            // A reason that did not occur has no history; its meaning is more useful.
            cells.push(if row.bad || row.count > 0 { spark } else { row.help.clone() });
        } else {
            cells.extend(text::columns(&row.rate).map(|text| format!("{text:>number$}")));
            cells.push(spark);
        }
        let style = if row.bad { coloured(means, Color::Yellow) } else { Style::new() };
        Cells::new(cells).style(style)
    };
    let right = |title: &str| format!("{title:>number$}");
    let heads = match model.table {
        Table::Drops => vec![right("pkt/s"), right("packets"), String::new()],
        _ => vec![right("RX pkt/s"), right("RX bit/s"), right("TX pkt/s"), right("TX bit/s"), String::new()],
    };
    let head = Cells::new(titles.iter().map(|title| (*title).to_owned()).chain(heads));
    let widths = names.iter().map(|width| *width as u16).chain(std::iter::repeat_n(number as u16, numbers));
    let widths = widths.map(Constraint::Length).chain([Constraint::Fill(1)]);
    let grid = Grid::new(rows.iter().map(cells), widths)
        .header(head.style(Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    // A mark is not needed if all rows are visible.
    let crowded = rows.len() + 1 > usize::from(area.height);
    let mut state = TableState::new().with_selected(model.selected(rows.len()).filter(|_| crowded));
    frame.render_stateful_widget(grid, area, &mut state);
    if rows.is_empty() && model.rates.is_some() && area.height > 1 {
        let nothing = if model.filter.is_empty() { "none" } else { "none with this in its name; Esc shows all" };
        let below = Rect { y: area.y + 1, height: 1, ..area };
        frame.render_widget(Paragraph::new(nothing).dim(), below);
    }
}

/// Returns titles and widths of the columns with names: wide enough for their contents, but narrow enough for the
/// numbers.
fn names(table: Table, rows: &[Row], width: usize) -> (&'static [&'static str], Vec<usize>) {
    let titles: &[&str] = match table {
        Table::Bindings => &["PORT", "VLAN", "VNI", "SWITCH"],
        Table::Tunnels => &["LOCAL", "REMOTE", "STATE"],
        Table::Drops => &["REASON"],
    };
    // Four numbers of eight columns, and a sparkline of at least six.
    let most = width.saturating_sub(4 * 9 + 6).max(24) / titles.len();
    let longest =
        |column: usize| rows.iter().filter_map(|row| row.names.get(column)).map(|name| name.chars().count()).max();
    let widths = titles.iter().enumerate().map(|(column, title)| longest(column).unwrap_or(0).max(title.len()));
    let widths: Vec<usize> = widths.collect();
    // Long names may use the space that short names leave.
    let spare: usize = widths.iter().map(|width| most.saturating_sub(*width)).sum();
    let long = widths.iter().filter(|width| **width > most).count().max(1);
    let widths = widths.iter().map(|width| (*width).min(most + spare / long)).collect();
    (titles, widths)
}

fn foot(model: &Model, means: Means, width: usize) -> Line<'static> {
    if model.filtering {
        let cursor = if means.unicode { "▏" } else { "_" };
        return Line::from(vec![
            "/".bold(),
            model.filter.clone().into(),
            cursor.into(),
            "  Enter keeps it, Esc drops it".dim(),
        ]);
    }
    let keys = [
        ("q", "quit"),
        ("Tab", "table"),
        ("s", "sort"),
        ("r", "reverse"),
        ("p", "pause"),
        ("+-", "interval"),
        ("/", "filter"),
        ("?", "help"),
    ];
    let mut spans = Vec::new();
    let mut used = 0;
    for (key, what) in keys {
        used += key.len() + what.len() + 3;
        if used > width + 2 {
            break;
        }
        spans.extend([key.bold(), format!(" {what}  ").into()]);
    }
    Line::from(spans)
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let lines: Vec<Line<'static>> =
        HELP.iter().map(|(key, what)| Line::from(vec![format!(" {key:<21}").bold(), (*what).into()])).collect();
    let (width, height) = (79.min(area.width), (lines.len() as u16 + 2).min(area.height));
    let place = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Keys ")), place);
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
