//! Compiles questions about regions of a picture.

use carrel_model::content::{QuestionKind, Region, RegionShape};

use super::{Texts, check_count};
use crate::source::fields::{Fields, UniqueIds};
use crate::source::json::{Node, Value};

const SHAPES: [(&str, RegionShape); 2] =
    [("rectangle", RegionShape::Rectangle), ("ellipse", RegionShape::Ellipse)];

/// Compiles the regions. Their places are percentages of the width and height of the picture.
pub(super) fn regions(fields: &Fields<'_>, texts: &Texts<'_>) -> Option<QuestionKind> {
    let nodes = fields.list("regions");
    check_count(fields, "regions", nodes.len());
    let mut regions: Vec<Region> = Vec::new();
    let mut ids = UniqueIds::default();
    for node in nodes {
        let Some(inner) = fields.inner(node, "a region") else { continue };
        let (id, label) = (inner.require_slug("id"), inner.require_text("label"));
        ids.add(&inner, id.as_ref(), "id");
        let shape = match inner.node("shape") {
            Some(_) => inner.one_of("shape", &SHAPES).unwrap_or_default(),
            None => RegionShape::default(),
        };
        let place = match inner.node("area") {
            Some(node) => area(node, &inner),
            None => {
                inner.missing("area");
                None
            }
        };
        let correct = inner.bool("correct");
        let feedback =
            inner.text("feedback").map(|t| texts.prompt(t.value, t.line)).unwrap_or_default();
        let line = label.as_ref().map_or(inner.line, |t| t.line);
        let label = label.map(|t| texts.inline("label", t.value, t.line));
        if let (Some(id), Some(label), Some([x, y, width, height])) = (id, label, place) {
            texts.check_different("regions", regions.iter().map(|r| &r.label), &label, line);
            let id = id.value;
            regions.push(Region { id, label, shape, x, y, width, height, correct, feedback });
        }
        inner.finish();
    }
    if !nodes.is_empty() && regions.len() == nodes.len() && !regions.iter().any(|r| r.correct) {
        let hint = "set \"correct\": true on the right regions";
        fields.error(fields.line, "correct-count", "no region is marked as correct", hint);
    }
    Some(QuestionKind::Hotspot { regions })
}

/// Compiles `[left, top, width, height]` in percent to thousandths.
fn area(node: &Node, fields: &Fields<'_>) -> Option<[u16; 4]> {
    let hint =
        "write [left, top, width, height] in percent of the picture, such as [10, 20.5, 30, 30]";
    let numbers: Option<Vec<f64>> = match &node.value {
        Value::List(list) => list
            .iter()
            .map(|n| match n.value {
                Value::Number(n) if (0.0..=100.0).contains(&n) => Some(n),
                _ => None,
            })
            .collect(),
        _ => None,
    };
    let thousandths = |n: f64| (n * 10.0).round() as u16;
    match numbers.as_deref() {
        Some([x, y, width, height])
            if *width >= 1.0 && *height >= 1.0 && x + width <= 100.05 && y + height <= 100.05 =>
        {
            Some([thousandths(*x), thousandths(*y), thousandths(*width), thousandths(*height)])
        }
        _ => {
            fields.error(node.line, "bad-value", "the area is not a part of the picture", hint);
            None
        }
    }
}
