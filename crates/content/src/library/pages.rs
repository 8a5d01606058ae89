//! Finding a section in its course, and the plain text of what is read.

use std::sync::Arc;

use carrel_model::{
    ItemId, Slug,
    content::{
        Block, CourseMeta, CourseOutline, LessonOutline, ManifestContent, SectionBody,
        SectionOutline, Story,
    },
};

use crate::{
    Error, Kind, Result,
    library::{Dated, Library, OpenManifest},
};

/// A section with the course around it.
pub struct FoundSection {
    pub manifest: Dated<Arc<OpenManifest>>,
    /// Index of the lesson in the outline, and of the section in the lesson.
    pub lesson: usize,
    pub section: usize,
}

impl FoundSection {
    pub fn course(&self) -> (&CourseMeta, &CourseOutline) {
        match &self.manifest.value.manifest.content {
            ManifestContent::Course { meta, outline } => (meta, outline),
            ManifestContent::Story { .. } => unreachable!("a section was found only in a course"),
        }
    }
    pub fn lesson(&self) -> &LessonOutline {
        &self.course().1.lessons[self.lesson]
    }
    pub fn section(&self) -> &SectionOutline {
        &self.lesson().sections[self.section]
    }
    /// The sections before and after this one, over the borders of lessons.
    pub fn neighbours(&self) -> [Option<(&LessonOutline, &SectionOutline)>; 2] {
        let all: Vec<_> = self
            .course()
            .1
            .lessons
            .iter()
            .flat_map(|l| l.sections.iter().map(move |s| (l, s)))
            .collect();
        let here =
            self.course().1.lessons[..self.lesson].iter().map(|l| l.sections.len()).sum::<usize>()
                + self.section;
        [here.checked_sub(1).and_then(|i| all.get(i).copied()), all.get(here + 1).copied()]
    }
}

impl Library {
    /// The course and the place in it of `course/lesson/section`.
    pub async fn find_section(&self, item: &ItemId) -> Result<FoundSection> {
        let missing = || Error::NotFound(format!("section {item}"));
        let parts: Vec<&str> = item.as_str().split('/').collect();
        let [course, lesson, section] = parts[..] else { return Err(missing()) };
        let course = Slug::new(course).map_err(|e| Error::Invalid(e.to_string()))?;
        let manifest = self.manifest(Kind::Course, &course).await?;
        let ManifestContent::Course { outline, .. } = &manifest.value.manifest.content else {
            return Err(missing());
        };
        let lesson =
            outline.lessons.iter().position(|l| l.id.as_str() == lesson).ok_or_else(missing)?;
        let section = outline.lessons[lesson]
            .sections
            .iter()
            .position(|s| s.id.as_str() == section)
            .ok_or_else(missing)?;
        Ok(FoundSection { manifest, lesson, section })
    }

    /// A story on its own (`story`) or inside a course (`course/story`).
    pub async fn find_story(&self, item: &ItemId) -> Result<Dated<Story>> {
        let parts: Vec<&str> = item.as_str().split('/').collect();
        let slug = |s: &str| Slug::new(s).map_err(|e| Error::Invalid(e.to_string()));
        let missing = || Error::NotFound(format!("story {item}"));
        let (manifest, body) = match parts[..] {
            [story] => {
                let manifest = self.manifest(Kind::Story, &slug(story)?).await?;
                let ManifestContent::Story { body, .. } = &manifest.value.manifest.content else {
                    return Err(missing());
                };
                let body = *body;
                (manifest, body)
            }
            [course, story] => {
                let manifest = self.manifest(Kind::Course, &slug(course)?).await?;
                let ManifestContent::Course { outline, .. } = &manifest.value.manifest.content
                else {
                    return Err(missing());
                };
                let body = outline
                    .stories
                    .iter()
                    .find(|s| s.id.as_str() == story)
                    .ok_or_else(missing)?
                    .body;
                (manifest, body)
            }
            _ => return Err(missing()),
        };
        let value = self.body(body).await?;
        Ok(Dated {
            value,
            as_of_ms: manifest.as_of_ms,
            stale: manifest.stale,
            offline: manifest.offline,
        })
    }
}

/// The words of a section, for search: tags removed, entities resolved.
pub fn plain_text(body: &SectionBody) -> String {
    let mut text = String::new();
    for block in &body.blocks {
        match block {
            Block::RichText { html } => push_html(&mut text, html),
            Block::Math { tex, .. } => text.push_str(tex),
            Block::Image { image } => {
                text.push_str(&image.alt);
                text.push(' ');
                push_html(&mut text, &image.caption);
            }
            Block::Audio { audio } => {
                text.push_str(&audio.title);
                push_html(&mut text, &audio.transcript);
            }
            Block::Video { video } => {
                text.push_str(&video.title);
                push_html(&mut text, &video.transcript);
            }
            Block::Code { text: code, .. } => text.push_str(code),
            Block::Quiz { title, .. } | Block::Story { title, .. } => text.push_str(title),
        }
        text.push('\n');
    }
    text
}

fn push_html(out: &mut String, html: &str) {
    let mut rest = html;
    while let Some(c) = rest.chars().next() {
        if c == '<' {
            out.push(' ');
            rest = rest.find('>').map_or("", |end| &rest[end + 1..]);
        } else if let Some((entity, after)) =
            rest.strip_prefix('&').and_then(|r| r.split_once(';')).filter(|(e, _)| e.len() <= 8)
        {
            out.push_str(match entity {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "#39" | "apos" => "'",
                _ => " ",
            });
            rest = after;
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_words() {
        let html = "<p>Water &amp; <em>stone</em> &lt; 3 & more</p><p>next";
        let body = SectionBody {
            lang: "en".into(),
            dir: Default::default(),
            blocks: vec![Block::RichText { html: html.into() }],
        };
        let words: Vec<_> = plain_text(&body).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words.join(" "), "Water & stone < 3 & more next");
    }
}
