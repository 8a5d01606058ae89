use super::*;

#[test]
fn formats_are_named_by_content() {
    let bmp = b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0";
    let mut emf = b"\x01\0\0\0".to_vec();
    emf.resize(40, 0);
    emf.extend(b" EMF");
    for (head, name) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "a HEIC picture"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC picture"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "an AVIF picture"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "an AVIF picture"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "a raw photo (CR3)"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
        (b"\xff\x4f\xff\x51\0", "a JPEG 2000 picture"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
        (b"\xff\x0a\xfa\x1f", "a JPEG XL picture"),
        (bmp, "a BMP picture"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a raw photo (CR2)"),
        (b"II*\0\x08\0\0\0", "a TIFF picture or a raw photo"),
        (b"MM\0*\0\0\0\x08", "a TIFF picture or a raw photo"),
        (b"FUJIFILMCCD-RAW 0201", "a raw photo"),
        (b"\0\0\x01\0\x01\0", "an icon (ICO)"),
        (b"8BPS\0\x01", "a Photoshop picture (PSD)"),
        (b"%PDF-1.7", "a PDF document"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "a PostScript drawing (EPS)"),
        (b"\xd7\xcd\xc6\x9a", "a Windows drawing (WMF)"),
        (&emf, "a Windows drawing (EMF)"),
        (b"\x1f\x8b\x08", "a compressed file, such as an SVGZ drawing"),
        (b"PK\x03\x04", "a zip archive or an office document"),
        (b"\n<!DOCTYPE html><html>", "a web page (HTML)"),
    ] {
        let found = other_format(head).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(found.name, name);
        assert!(found.hint("a/b.x").len() > 20, "{name}");
    }
    for head in [
        &b"\0\0\0\x18ftypisom"[..],
        b"BMW is a car maker",
        b"\x89PNG",
        b"\0\0\x02\0\0\0",
        b"ID3\x04",
        b"",
    ] {
        assert_eq!(other_format(head), None, "{head:?}");
    }
    let heic = other_format(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap();
    assert!(heic.hint("media/IMG_1.HEIC").ends_with("magick \"IMG_1.HEIC\" \"IMG_1.jpg\""));
    let film: OtherFormat =
        carrel_recording::Unsupported { name: "x", becomes: &["mp4", "mp3"] }.into();
    let hint = film.hint("v.mkv");
    assert!(hint.contains("ffmpeg -i \"v.mkv\" \"v.mp4\", or ffmpeg"), "{hint}");
    assert!(film.hint("v.mp4").contains("\"v-new.mp4\""));
}
