//! Tables: rows of cells with one line each. The first row is the heading, as Markdown requires one.

use super::super::{Element, Node};
use super::{Loss, Writer};

/// Maximum number of cells; a longer table becomes paragraphs.
const MAX_CELLS: usize = 5_000;

impl Writer<'_> {
    pub(super) fn table(&mut self, element: &Element, out: &mut Vec<String>) {
        let mut rows: Vec<&Element> = Vec::new();
        collect_rows(element, &mut rows);
        let cells = |row: &Element| {
            row.elements().filter(|e| matches!(e.name.as_str(), "td" | "th")).count()
        };
        let (columns, count): (usize, usize) = (
            rows.iter().map(|row| cells(row)).max().unwrap_or(0),
            rows.iter().map(|r| cells(r)).sum(),
        );
        if let Some(caption) = element.elements().find(|e| e.name == "caption") {
            out.extend(self.blocks(&caption.children));
        }
        let has_media = element.find(&|e| {
            matches!(e.name.as_str(), "img" | "svg" | "audio" | "video" | "table" | "pre")
        });
        let is_layout = !(2..=30).contains(&columns) || count > MAX_CELLS || has_media.is_some();
        if is_layout || self.options.single_line {
            if columns > 1 {
                self.losses.push(Loss::TableCells);
            }
            for row in rows {
                for cell in row.elements() {
                    out.extend(self.blocks(&cell.children));
                }
            }
            return;
        }
        let mut lines = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let mut texts = Vec::new();
            for cell in row.elements().filter(|e| matches!(e.name.as_str(), "td" | "th")) {
                if cell
                    .attribute("colspan")
                    .or(cell.attribute("rowspan"))
                    .is_some_and(|n| n.trim() != "1")
                {
                    self.losses.push(Loss::TableCells);
                }
                texts.push(self.cell(cell));
            }
            texts.resize(columns, String::new());
            lines.push(format!("| {} |", texts.join(" | ")));
            if index == 0 {
                lines.push(format!("|{}", " --- |".repeat(columns)));
            }
        }
        out.push(lines.join("\n"));
    }

    fn cell(&mut self, cell: &Element) -> String {
        let was_single = std::mem::replace(&mut self.options.single_line, true);
        let blocks = self.blocks(&cell.children);
        self.options.single_line = was_single;
        // A pipe inside of code or a formula would end the cell.
        blocks.join("<br>").replace("\\|", "&#124;").replace('|', "&#124;")
    }
}

fn collect_rows<'a>(element: &'a Element, rows: &mut Vec<&'a Element>) {
    for node in &element.children {
        let Node::Element(child) = node else { continue };
        match child.name.as_str() {
            "tr" => rows.push(child),
            "thead" | "tbody" | "tfoot" => collect_rows(child, rows),
            _ => {}
        }
    }
}
