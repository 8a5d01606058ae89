//! Fragments (`moof`): their durations, and the samples of tracks that are removed.

use std::collections::HashMap;

use super::{
    boxes::{Mp4Box, boxes},
    track::clear_samples,
};
use crate::{
    Edits,
    input::{u32_at, u64_at},
    milliseconds,
};

#[derive(Debug, Default)]
pub(super) struct Fragments(Vec<Run>);

/// The samples of one track in one fragment.
#[derive(Debug)]
struct Run {
    track: u32,
    found: Mp4Box,
    /// Time of the first sample; `None` if not stated.
    start: Option<u64>,
    /// Duration of a sample that states none.
    default: u64,
    duration: u64,
    /// Number of samples without a duration of their own.
    plain: u64,
    /// Position and size of the samples.
    samples: Vec<(u64, u64)>,
}

impl Fragments {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a fragment. `defaults`: duration and size of the samples of each track.
    pub fn add(&mut self, bytes: &[u8], moof: &Mp4Box, defaults: &HashMap<u32, (u64, u64)>) {
        for (found, body) in boxes(bytes, moof.body).filter(|(b, _)| b.name == *b"traf") {
            let mut run = Run {
                track: 0,
                found,
                start: None,
                default: 0,
                duration: 0,
                plain: 0,
                samples: Vec::new(),
            };
            let (mut base, mut default_size) = (moof.at, 0);
            let mut next = None;
            for (inner, body) in boxes(body, found.body) {
                let flags = u32_at(body, 0) & 0x00ff_ffff;
                match &inner.name {
                    b"tfhd" => {
                        run.track = u32_at(body, 4);
                        (run.default, default_size) =
                            defaults.get(&run.track).copied().unwrap_or_default();
                        let mut at = 8;
                        if flags & 1 != 0 {
                            base = u64_at(body, at);
                            at += 8;
                        }
                        at += if flags & 2 != 0 { 4 } else { 0 };
                        if flags & 8 != 0 {
                            run.default = u32_at(body, at).into();
                            at += 4;
                        }
                        if flags & 0x10 != 0 {
                            default_size = u64::from(u32_at(body, at));
                        }
                    }
                    b"tfdt" => {
                        run.start = Some(match body.first() {
                            Some(1) => u64_at(body, 4),
                            _ => u32_at(body, 4).into(),
                        });
                    }
                    b"trun" => next = Some(run.add(body, flags, base, next, default_size)),
                    _ => {}
                }
            }
            self.0.push(run);
        }
    }

    /// Removes the samples of the tracks that are not kept. Returns the end of the last kept sample in milliseconds,
    /// `from_start`: counted from the first one. `kept`: units per second by id.
    pub fn finish(
        &self,
        kept: &HashMap<u32, u64>,
        media: &[(u64, u64)],
        edits: &mut Edits,
        from_start: bool,
    ) -> u64 {
        let mut spans: HashMap<u32, (u64, u64)> = HashMap::new();
        for run in &self.0 {
            if !kept.contains_key(&run.track) {
                run.found.free(edits);
                for (at, len) in &run.samples {
                    clear_samples(*at, *len, media, edits);
                }
                continue;
            }
            let plain = run.plain.saturating_mul(run.default);
            let duration = run.duration.saturating_add(plain);
            let span = spans.entry(run.track).or_insert_with(|| {
                let start = run.start.unwrap_or(0);
                (start, start)
            });
            span.1 = span.1.max(run.start.unwrap_or(span.1).saturating_add(duration));
        }
        let length = |(track, (start, end)): (u32, (u64, u64))| {
            let start = if from_start { start } else { 0 };
            milliseconds(end - start, kept.get(&track).copied().unwrap_or(1))
        };
        spans.into_iter().map(length).max().unwrap_or(0)
    }
}

impl Run {
    /// Adds a `trun` box. Returns the position after its samples.
    fn add(
        &mut self,
        body: &[u8],
        flags: u32,
        base: u64,
        next: Option<u64>,
        default_size: u64,
    ) -> u64 {
        let count = u64::from(u32_at(body, 4));
        let mut at = 8;
        let mut position = next.unwrap_or(base);
        if flags & 1 != 0 {
            position = base.saturating_add_signed(i64::from(u32_at(body, at) as i32));
            at += 4;
        }
        at += if flags & 4 != 0 { 4 } else { 0 };
        let has = |flag: u32| flags & flag != 0;
        let width = [0x100, 0x200, 0x400, 0x800].iter().filter(|f| has(**f)).count() * 4;
        let mut size = 0u64;
        if width == 0 {
            self.plain += count;
            size = default_size.saturating_mul(count);
        } else {
            let samples = body.get(at..).unwrap_or_default().chunks_exact(width);
            for sample in samples.take(usize::try_from(count).unwrap_or(usize::MAX)) {
                if has(0x100) {
                    self.duration += u64::from(u32_at(sample, 0));
                } else {
                    self.plain += 1;
                }
                size += if has(0x200) {
                    u64::from(u32_at(sample, if has(0x100) { 4 } else { 0 }))
                } else {
                    default_size
                };
            }
        }
        self.samples.push((position, size));
        position.saturating_add(size)
    }
}
