//! Reads the replies of S3: lists and errors. Their elements have no attributes that matter here.

use crate::time;

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub key: String,
    pub size: u64,
    pub modified_ms: i64,
}

/// A page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub objects: Vec<Listed>,
    /// Token of the next page.
    pub next: Option<String>,
}

/// Reads a page of `ListObjectsV2`; `None` if it is not one.
pub(crate) fn page(xml: &str) -> Option<Page> {
    if !xml.contains("<ListBucketResult") {
        return None;
    }
    let mut page = Page::default();
    for object in xml.split("<Contents>").skip(1) {
        let object = object.split("</Contents>").next()?;
        page.objects.push(Listed {
            key: text(object, "Key")?,
            size: text(object, "Size")?.parse().ok()?,
            modified_ms: time::parse(&text(object, "LastModified")?)?,
        });
    }
    if text(xml, "IsTruncated").as_deref() == Some("true") {
        page.next = Some(text(xml, "NextContinuationToken")?);
    }
    Some(page)
}

/// Returns code and message of an error. A store may send an error in the body of a reply with status 200.
pub(crate) fn error(xml: &str) -> Option<(String, String)> {
    let error = &xml[xml.find("<Error>")?..];
    Some((text(error, "Code")?, text(error, "Message").unwrap_or_default()))
}

/// Returns the text of the first element with this name.
fn text(xml: &str, name: &str) -> Option<String> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let end = start + xml[start..].find(&format!("</{name}>"))?;
    Some(unescape(&xml[start..end]))
}

fn unescape(text: &str) -> String {
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap_or((part, ""));
        let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        });
        let named = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => number.and_then(char::from_u32),
        };
        match named {
            Some(c) => out.push(c),
            None => out.push_str(name),
        }
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_errors_are_read() {
        let xml = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><IsTruncated>true</IsTruncated>\
            <NextContinuationToken>a&amp;b&#x3D;&#61;</NextContinuationToken>\
            <Contents><Key>p/one</Key><LastModified>2026-09-21T14:30:05.000Z</LastModified>\
            <ETag>&quot;x&quot;</ETag><Size>7</Size></Contents></ListBucketResult>";
        let modified_ms = time::parse("20260921T143005Z").unwrap();
        let found = page(xml).unwrap();
        assert_eq!(found.next.as_deref(), Some("a&b=="));
        assert_eq!(found.objects, [Listed { key: "p/one".into(), size: 7, modified_ms }]);
        let last = xml.replace(">true<", ">false<");
        assert_eq!(page(&last).unwrap().next, None);
        // A page without the token of the next one, or with a missing field, is not taken for the last one.
        assert_eq!(page(&xml.replace("NextContinuationToken", "Other")), None);
        assert_eq!(page(&xml.replace("Size", "Other")), None);
        assert_eq!(page("<html></html>"), None);
        let refused = "<Error><Code>SlowDown</Code><Message>a &lt; b</Message></Error>";
        assert_eq!(error(refused), Some(("SlowDown".into(), "a < b".into())));
        assert_eq!(error("<CopyObjectResult/>"), None);
    }
}
