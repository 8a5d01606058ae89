//! Names of formats that are recognised, but cannot be published, with a way to convert them.
//!
//! Not here: recordings and videos (`carrel_recording::Unsupported`).

/// A format that cannot be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OtherFormat {
    /// Name with an article.
    pub name: &'static str,
    pub remedy: Remedy,
}

/// What an author can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Convert the picture.
    Picture,
    /// Convert the drawing.
    Drawing,
    /// Convert the recording to one of these formats.
    Recording(&'static [&'static str]),
    Text(&'static str),
}

impl OtherFormat {
    /// Returns what to do with the file at `path`.
    pub fn hint(&self, path: &str) -> String {
        let name = path.rsplit('/').next().unwrap_or(path);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        match self.remedy {
            Remedy::Picture => format!(
                "convert it to jpeg or png: open it in an image viewer and export it, or run \
                 magick {name:?} {:?}",
                match name.rsplit('.').next().is_some_and(|e| e.eq_ignore_ascii_case("jpg")) {
                    true => format!("{stem}-new.jpg"),
                    false => format!("{stem}.jpg"),
                }
            ),
            Remedy::Drawing => {
                "convert it to svg or png: open it in a drawing program and export it".to_owned()
            }
            Remedy::Recording([]) => "use an mp3 or mp4 file with the same content".to_owned(),
            Remedy::Recording(formats) => {
                let commands: Vec<String> = formats
                    .iter()
                    .map(|format| {
                        // A file may have the name of another format.
                        let is_same = name.rsplit('.').next() == Some(*format);
                        let new = if is_same { "-new" } else { "" };
                        format!("ffmpeg -i {name:?} {:?}", format!("{stem}{new}.{format}"))
                    })
                    .collect();
                format!("convert it to {}: {}", formats.join(" or "), commands.join(", or "))
            }
            Remedy::Text(text) => text.to_owned(),
        }
    }
}

impl From<carrel_recording::Unsupported> for OtherFormat {
    fn from(format: carrel_recording::Unsupported) -> Self {
        Self { name: format.name, remedy: Remedy::Recording(format.becomes) }
    }
}

/// Returns the format for the first bytes of a file.
pub(crate) fn other_format(head: &[u8]) -> Option<OtherFormat> {
    let at = |i: usize, magic: &[u8]| head.get(i..).is_some_and(|h| h.starts_with(magic));
    let picture = |name| Some(OtherFormat { name, remedy: Remedy::Picture });
    let drawing = |name| Some(OtherFormat { name, remedy: Remedy::Drawing });
    let other = |name, text| Some(OtherFormat { name, remedy: Remedy::Text(text) });
    if at(4, b"ftyp") {
        // The brand of the file, and those with which it is compatible.
        let end = usize::from(*head.get(3)?).clamp(12, 64).min(head.len());
        let brands = || head.get(8..end).unwrap_or_default().chunks_exact(4);
        let first = brands().next().unwrap_or_default();
        return match first {
            b"avif" | b"avis" => picture("an AVIF picture"),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"hevm" | b"hevs" => {
                picture("a HEIC picture")
            }
            b"mif1" | b"mif2" | b"msf1" if brands().any(|b| b == b"avif" || b == b"avis") => {
                picture("an AVIF picture")
            }
            b"mif1" | b"mif2" | b"msf1" => picture("a HEIC picture"),
            b"crx " => picture("a raw photo (CR3)"),
            _ => None,
        };
    }
    if at(4, b"jP  \r\n\x87\n") || at(0, b"\xff\x4f\xff\x51") {
        return picture("a JPEG 2000 picture");
    }
    if at(4, b"JXL \r\n\x87\n") || at(0, b"\xff\x0a") {
        return picture("a JPEG XL picture");
    }
    if at(0, b"BM") && head.get(6..10) == Some(&[0; 4]) && at(15, &[0, 0, 0]) {
        return picture("a BMP picture");
    }
    if at(0, b"II*\0") && at(8, b"CR\x02") {
        return picture("a raw photo (CR2)");
    }
    if at(0, b"FUJIFILMCCD-RAW") || at(0, b"IIRO") || at(0, b"IIU\0") || at(0, b"MMOR") {
        return picture("a raw photo");
    }
    if at(0, b"II*\0") || at(0, b"MM\0*") || at(0, b"II+\0") || at(0, b"MM\0+") {
        return picture("a TIFF picture or a raw photo");
    }
    // The number of pictures follows.
    let is_icon = at(0, b"\0\0\x01\0") || at(0, b"\0\0\x02\0");
    if is_icon && matches!(head.get(4..6), Some([1..=99, 0])) {
        return picture("an icon (ICO)");
    }
    if at(0, b"8BPS") {
        return picture("a Photoshop picture (PSD)");
    }
    if at(0, b"qoif") {
        return picture("a QOI picture");
    }
    if at(0, b"\x8aMNG") {
        return picture("an MNG animation");
    }
    if at(0, b"%PDF-") {
        return other(
            "a PDF document",
            "export the page as png, or link to the document on the web",
        );
    }
    if at(0, b"%!PS") || at(0, b"\xc5\xd0\xd3\xc6") {
        return drawing("a PostScript drawing (EPS)");
    }
    if at(0, b"\xd7\xcd\xc6\x9a") || at(0, b"\x01\0\x09\0\0\x03") {
        return drawing("a Windows drawing (WMF)");
    }
    if at(0, b"\x01\0\0\0") && at(40, b" EMF") {
        return drawing("a Windows drawing (EMF)");
    }
    if at(0, b"\x1f\x8b") {
        return other(
            "a compressed file, such as an SVGZ drawing",
            "save the drawing as plain svg",
        );
    }
    if at(0, b"PK\x03\x04") {
        return other(
            "a zip archive or an office document",
            "export the picture, the recording or the text from it",
        );
    }
    if at(0, b"\xd0\xcf\x11\xe0") {
        return other("an office document", "export the picture or the text from it");
    }
    for (magic, name) in
        [(&b"Rar!\x1a\x07"[..], "a RAR archive"), (b"7z\xbc\xaf\x27\x1c", "a 7z archive")]
    {
        if at(0, magic) {
            return other(name, "unpack it, and use the file from it");
        }
    }
    if at(0, b"{\\rtf") {
        return other("an office document", "export the picture or the text from it");
    }
    if at(0, b"version https://git-lfs.github.com/spec/") {
        let hint = "run git lfs pull, or download the file itself";
        return other("a pointer of Git LFS and not the file itself", hint);
    }
    if head.len() >= 64 && head.iter().all(|byte| *byte == 0) {
        return other("a file of zero bytes", "the copy has failed: copy the file again");
    }
    for (magic, name) in [
        (&b"DDS "[..], "a DDS picture"),
        (b"/* XPM", "an XPM picture"),
        (b"#?RADIANCE", "an HDR picture"),
        (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
        (b"SIMPLE  =", "a FITS picture"),
        (b"AT&TFORM", "a DjVu document"),
        (b"\x8bJNG", "a JNG picture"),
        (b"\x01\xda\0\x01", "an SGI picture"),
        (b"\x01\xda\x01\x01", "an SGI picture"),
        (b"\x0a\x05\x01\x08", "a PCX picture"),
    ] {
        if at(0, magic) {
            return picture(name);
        }
    }
    if let [b'P', b'1'..=b'7', space, ..] = head
        && space.is_ascii_whitespace()
    {
        return picture("a PNM picture (pbm, pgm, ppm)");
    }
    let text = String::from_utf8_lossy(head.get(..1024).unwrap_or(head)).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("<!doctype html") || text.starts_with("<html") {
        return other("a web page (HTML)", "the download has failed: download the file again");
    }
    None
}

/// Returns the format of a file that is neither a picture nor a recording, if it is text.
pub(crate) fn text_format(head: &[u8]) -> Option<OtherFormat> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut.
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&head[..e.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let is_text = !text.is_empty() && text.chars().all(|c| !c.is_control() || "\t\r\n".contains(c));
    let hint =
        "the download may have failed, or the link names the wrong file: open it in a text editor";
    is_text.then_some(OtherFormat { name: "a text file", remedy: Remedy::Text(hint) })
}

#[cfg(test)]
mod tests;
