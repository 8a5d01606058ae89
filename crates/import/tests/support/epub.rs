//! Makes EPUB books.
#![allow(dead_code)]

pub const CONTAINER: &str = "<?xml version=\"1.0\"?><container \
                 xmlns=\"urn:oasis:names:tc:opendocument:xmlns:container\" \
    version=\"1.0\"><rootfiles><rootfile full-path=\"OEBPS/book.opf\" media-type=\"application/oebps-package+xml\"/>\
    </rootfiles></container>";

/// A book whose parts can be changed.
pub struct Book {
    pub version: &'static str,
    pub metadata: String,
    /// Id, href, other attributes.
    pub items: Vec<(String, String, String)>,
    pub spine: Vec<String>,
    pub spine_attributes: String,
    /// Other files: path and content.
    pub files: Vec<(String, Vec<u8>)>,
    pub prologue: String,
}

impl Book {
    pub fn new() -> Self {
        Self {
            version: "3.0",
            metadata: "<dc:title>The Book</dc:title><dc:language>en</dc:language>\
                       <dc:identifier id=\"uid\">urn:x:1</dc:identifier><dc:creator>A. Writer</dc:creator>"
                .into(),
            items: Vec::new(),
            spine: Vec::new(),
            spine_attributes: String::new(),
            files: Vec::new(),
            prologue: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>".into(),
        }
    }

    pub fn chapter(self, id: &str, body: &str) -> Self {
        self.chapter_with(id, body, "")
    }

    pub fn chapter_with(mut self, id: &str, body: &str, attributes: &str) -> Self {
        let html = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><html xmlns=\"http://www.w3.org/1999/xhtml\" \
             xmlns:epub=\"http://www.idpf.org/2007/ops\"><head><title>{id}</title><style>p{{}}</style></head>\
             <body>{body}</body></html>"
        );
        self.items.push((
            id.into(),
            format!("{id}.xhtml"),
            format!("media-type=\"application/xhtml+xml\" {attributes}"),
        ));
        self.spine.push(id.into());
        self.files.push((format!("OEBPS/{id}.xhtml"), html.into_bytes()));
        self
    }

    pub fn item(
        mut self,
        id: &str,
        href: &str,
        attributes: &str,
        bytes: impl Into<Vec<u8>>,
    ) -> Self {
        self.items.push((id.into(), href.into(), attributes.into()));
        self.files.push((format!("OEBPS/{href}"), bytes.into()));
        self
    }

    pub fn file(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.into(), bytes.into()));
        self
    }

    pub fn nav(self, list: &str) -> Self {
        let html = format!(
            "<html xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:epub=\"http://www.idpf.org/2007/ops\"><body>\
             <nav epub:type=\"toc\"><ol>{list}</ol></nav></body></html>"
        );
        self.item(
            "nav",
            "nav.xhtml",
            "media-type=\"application/xhtml+xml\" properties=\"nav\"",
            html,
        )
    }

    pub fn opf(&self) -> String {
        let items: String = self
            .items
            .iter()
            .map(|(id, href, rest)| format!("<item id=\"{id}\" href=\"{href}\" {rest}/>"))
            .collect();
        let spine: String =
            self.spine.iter().map(|id| format!("<itemref idref=\"{id}\"/>")).collect();
        format!(
            "{}<package xmlns=\"http://www.idpf.org/2007/opf\" version=\"{}\" unique-identifier=\"uid\">\
             <metadata xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:opf=\"http://www.idpf.org/2007/opf\">{}\
             </metadata><manifest>{items}</manifest><spine {}>{spine}</spine></package>",
            self.prologue, self.version, self.metadata, self.spine_attributes
        )
    }

    pub fn bytes(&self) -> Vec<u8> {
        let opf = self.opf();
        let mut entries: Vec<(&str, &[u8])> = vec![
            ("mimetype", b"application/epub+zip"),
            ("META-INF/container.xml", CONTAINER.as_bytes()),
            ("OEBPS/book.opf", opf.as_bytes()),
        ];
        entries.extend(self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())));
        super::zip(&entries)
    }
}
