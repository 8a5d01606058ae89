//! Rewrites LaTeX commands that the parser does not know, or shows incompletely, to those that it knows.
//!
//! Elements that no command of the parser produces (`mphantom`, `mpadded`, ...) are inserted as marks: texts of
//! noncharacters, which [`Tags::insert`] replaces by tags in the MathML. Not here: units and chemistry.

use super::reader::{TexReader, Token};
use super::{chemistry, text, units};

/// Digits of the number of a tag, in base 16: noncharacters, which no formula contains.
const FIRST_DIGIT: u32 = 0xfde0;
/// Maximum nesting depth of arguments that are rewritten; `check_source` limits groups.
const MAX_DEPTH: usize = 60;
/// Maximum size of a rewritten formula in bytes.
const MAX_BYTES: usize = 200_000;

/// The MathML tags of a formula that the parser cannot produce.
#[derive(Debug, Default)]
pub(super) struct Tags(Vec<String>);

impl Tags {
    /// Adds a tag and returns LaTeX for its mark.
    fn mark(&mut self, tag: &str) -> String {
        let number = self.0.len() as u32;
        self.0.push(tag.to_owned());
        let digit =
            |shift: u32| char::from_u32(FIRST_DIGIT + ((number >> shift) & 0xf)).unwrap_or(' ');
        format!("\\text{{{}{}{}{}}}", digit(12), digit(8), digit(4), digit(0))
    }

    /// Returns LaTeX for a group inside of an element.
    pub fn wrapped(&mut self, open: &str, close: &str, inside: &str) -> String {
        let (open, close) = (self.mark(open), self.mark(close));
        format!("{{{open}{{{inside}}}{close}}}")
    }

    /// Replaces the marks in MathML by the tags.
    pub fn insert(&self, mathml: &str) -> String {
        if self.0.is_empty() {
            return mathml.to_owned();
        }
        let digit = |c: char| (c as u32).checked_sub(FIRST_DIGIT).filter(|d| *d < 16);
        let mut out = String::with_capacity(mathml.len());
        let mut rest = mathml;
        while let Some((before, after)) = rest.split_once("<mtext") {
            let found = after.split_once('>').and_then(|(_, content)| {
                let (mark, tail) = content.split_once("</mtext>")?;
                let number = mark.chars().try_fold(0, |n, c| Some(n * 16 + digit(c)? as usize))?;
                Some((self.0.get(number).filter(|_| !mark.is_empty())?, tail))
            });
            out.push_str(before);
            match found {
                Some((tag, tail)) => {
                    out.push_str(tag);
                    rest = tail;
                }
                None => {
                    out.push_str("<mtext");
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }
}

/// Returns the formula with rewritten commands, or one line that states what is not supported.
pub(super) fn rewrite(tex: &str, tags: &mut Tags) -> Result<String, String> {
    Rewriter { tags, depth: 0 }.all(tex)
}

/// Commands that are dropped, with the number of their arguments.
const DROPPED: &[(&str, usize)] = &[
    ("label", 1),
    ("notag", 0),
    ("nonumber", 0),
    ("displaylimits", 0),
    ("allowbreak", 0),
    ("nobreak", 0),
    ("vspace", 1),
    ("centering", 0),
    ("noindent", 0),
];

/// Commands with another name, or the character of a symbol.
const RENAMED: &[(&str, &str)] = &[
    ("mathscr", "\\mathcal"),
    ("bm", "\\boldsymbol"),
    ("pmb", "\\boldsymbol"),
    ("bold", "\\mathbf"),
    ("Bbb", "\\mathbb"),
    ("mathds", "\\mathbb"),
    ("frak", "\\mathfrak"),
    ("AA", "\\Angstrom "),
    ("angstrom", "\\Angstrom "),
    ("textdegree", "\\degree "),
    ("mod", "\\hspace{1em}\\mathrm{mod}\\hspace{0.33em}"),
    ("hfill", "\\quad "),
    ("lbrack", "["),
    ("rbrack", "]"),
    ("empty", "\\emptyset "),
    ("sdot", "\\cdot "),
    ("plusmn", "\\pm "),
    ("infin", "\\infty "),
    ("isin", "\\in "),
    ("exist", "\\exists "),
    ("bull", "\\bullet "),
    ("ss", "\\text{ß}"),
    ("ae", "\\text{æ}"),
    ("oe", "\\text{œ}"),
    ("aa", "\\text{å}"),
    ("aleph", "\\text{ℵ}"),
    ("celsius", "\\degree\\mathrm{C}"),
    ("textasciitilde", "\\sim "),
    ("textbackslash", "\\backslash "),
    ("textperiodcentered", "\\cdot "),
];

/// Commands that cannot be shown, with what to write instead.
const REFUSED: &[(&str, &str)] = &[
    ("href", "put the link around the formula: [$x$](https://...)"),
    ("url", "write the address outside of the formula"),
    ("includegraphics", "show the image with ![text](file) in a separate paragraph"),
    ("ref", "write the number itself"),
    ("eqref", "write the number itself"),
    ("cite", "write the source in the text"),
    ("footnote", "write the note in the text: [^1]"),
    ("html", "use LaTeX only"),
    ("class", "use LaTeX only"),
    ("htmlClass", "use LaTeX only"),
    ("htmlId", "use LaTeX only"),
    ("htmlStyle", "use LaTeX only"),
    ("htmlData", "use LaTeX only"),
    ("cssId", "use LaTeX only"),
    ("style", "use \\displaystyle or \\textstyle"),
    ("verb", "use \\texttt{...}"),
    ("require", "remove it: packages are not loaded"),
    ("usepackage", "remove it: packages are not loaded"),
    ("item", "write the list in Markdown"),
    ("tikz", "draw the figure as an SVG file"),
];

/// Elements around an argument.
const WRAPPED: &[(&str, &str, &str)] = &[
    ("phantom", "<mphantom>", "</mphantom>"),
    ("hphantom", "<mpadded height=\"0\" depth=\"0\"><mphantom>", "</mphantom></mpadded>"),
    ("vphantom", "<mpadded width=\"0\"><mphantom>", "</mphantom></mpadded>"),
    ("mathrlap", "<mpadded width=\"0\">", "</mpadded>"),
    ("rlap", "<mpadded width=\"0\">", "</mpadded>"),
    ("boxed", "<mrow class=\"menv-boxed\">", "</mrow>"),
    ("fbox", "<mrow class=\"menv-boxed\">", "</mrow>"),
    ("bcancel", "<mrow class=\"menv-bcancel\">", "</mrow>"),
    ("xcancel", "<mrow class=\"menv-xcancel\">", "</mrow>"),
    ("sout", "<mrow class=\"menv-strike\">", "</mrow>"),
];

/// Values of the first argument of `\enclose`, with the class that draws them.
const NOTATIONS: &[(&str, &str)] = &[
    ("box", "menv-boxed"),
    ("roundedbox", "menv-circle"),
    ("circle", "menv-circle"),
    ("updiagonalstrike", "menv-cancel"),
    ("downdiagonalstrike", "menv-bcancel"),
    ("horizontalstrike", "menv-strike"),
];

/// Sizes of the text of a formula in em.
const SIZES: &[(&str, &str)] = &[
    ("tiny", "0.5em"),
    ("scriptsize", "0.7em"),
    ("footnotesize", "0.8em"),
    ("small", "0.9em"),
    ("normalsize", "1em"),
    ("large", "1.2em"),
    ("Large", "1.44em"),
    ("LARGE", "1.73em"),
    ("huge", "2.07em"),
    ("Huge", "2.49em"),
];

/// Arrows with a text above and below.
const ARROWS: &[(&str, &str)] = &[
    ("xrightleftharpoons", "\\rightleftharpoons"),
    ("xleftrightharpoons", "\\leftrightharpoons"),
    ("xleftrightarrow", "\\leftrightarrow"),
    ("xRightarrow", "\\Rightarrow"),
    ("xLeftarrow", "\\Leftarrow"),
    ("xLeftrightarrow", "\\Leftrightarrow"),
    ("xmapsto", "\\mapsto"),
    ("xhookrightarrow", "\\hookrightarrow"),
    ("xhookleftarrow", "\\hookleftarrow"),
    ("xtofrom", "\\rightleftarrows"),
    ("xlongequal", "="),
    ("xrightharpoonup", "\\rightharpoonup"),
    ("xrightharpoondown", "\\rightharpoondown"),
    ("xleftharpoonup", "\\leftharpoonup"),
    ("xleftharpoondown", "\\leftharpoondown"),
    ("xtwoheadrightarrow", "\\twoheadrightarrow"),
    ("xrightleftarrows", "\\rightleftarrows"),
];

/// Environments with another name.
const ENVIRONMENTS: &[(&str, &str, &str)] = &[
    ("eqnarray", "\\begin{array}{rcl}", "\\end{array}"),
    ("eqnarray*", "\\begin{array}{rcl}", "\\end{array}"),
    ("flalign", "\\begin{align*}", "\\end{align*}"),
    ("flalign*", "\\begin{align*}", "\\end{align*}"),
    ("multline*", "\\begin{multline}", "\\end{multline}"),
    ("psmallmatrix", "\\left(\\begin{smallmatrix}", "\\end{smallmatrix}\\right)"),
    ("bsmallmatrix", "\\left[\\begin{smallmatrix}", "\\end{smallmatrix}\\right]"),
    ("vsmallmatrix", "\\left|\\begin{smallmatrix}", "\\end{smallmatrix}\\right|"),
    ("math", "{", "}"),
    ("displaymath", "{", "}"),
];

pub(super) struct Rewriter<'a> {
    tags: &'a mut Tags,
    depth: usize,
}

impl Rewriter<'_> {
    /// Rewrites a whole formula or argument.
    pub fn all(&mut self, tex: &str) -> Result<String, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} levels deep"));
        }
        let mut out = String::with_capacity(tex.len());
        let mut reader = TexReader::new(tex);
        while let Some(token) = reader.next() {
            match token {
                Token::Char('~') => out.push_str("\\hspace{0.33em}"),
                Token::Char(c) => out.push(c),
                Token::Command(name) => self.command(name, &mut reader, &mut out)?,
            }
            if out.len() > MAX_BYTES {
                return Err("it is too large".to_owned());
            }
        }
        self.depth -= 1;
        Ok(out)
    }

    fn argument(&mut self, name: &str, reader: &mut TexReader<'_>) -> Result<String, String> {
        self.all(raw_argument(name, reader)?)
    }

    fn command(
        &mut self,
        name: &str,
        reader: &mut TexReader<'_>,
        out: &mut String,
    ) -> Result<(), String> {
        let find = |table: &[(&'static str, &'static str)]| {
            table.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
        };
        if let Some(hint) = find(REFUSED) {
            return Err(format!("\\{name} is not available: {hint}"));
        }
        if let Some((_, arguments)) = DROPPED.iter().find(|(n, _)| *n == name) {
            for _ in 0..*arguments {
                raw_argument(name, reader)?;
            }
            return Ok(());
        }
        if let Some(new_name) = find(RENAMED) {
            out.push_str(new_name);
            return Ok(());
        }
        if let Some((_, open, close)) = WRAPPED.iter().find(|(n, ..)| *n == name) {
            let inside = self.argument(name, reader)?;
            out.push_str(&self.tags.wrapped(open, close, &inside));
            return Ok(());
        }
        if let Some(size) = find(SIZES) {
            let inside = self.all(reader.rest_of_group())?;
            out.push_str(&self.tags.wrapped(
                &format!("<mstyle mathsize=\"{size}\">"),
                "</mstyle>",
                &inside,
            ));
            return Ok(());
        }
        if let Some(arrow) = find(ARROWS) {
            let below = reader.optional().map(|below| self.all(below)).transpose()?;
            let above = self.argument(name, reader)?;
            let arrow =
                below.map_or(arrow.to_owned(), |below| format!("\\underset{{{below}}}{{{arrow}}}"));
            out.push_str(&format!("\\overset{{{above}}}{{{arrow}}}"));
            return Ok(());
        }
        let rewritten = match name {
            " " | "\n" => "\\hspace{0.33em}".to_owned(),
            "cancel" => {
                let raw = raw_argument(name, reader)?;
                if raw.chars().count() == 1 {
                    format!("\\cancel {raw}")
                } else {
                    let inside = self.all(raw)?;
                    self.tags.wrapped("<mrow class=\"menv-cancel\">", "</mrow>", &inside)
                }
            }
            "enclose" => {
                let notation = raw_argument(name, reader)?.trim();
                let Some((_, class)) = NOTATIONS.iter().find(|(n, _)| *n == notation) else {
                    let known = NOTATIONS.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
                    return Err(format!(
                        "\\enclose{{{notation}}} is not available: use one of {known}"
                    ));
                };
                let inside = self.argument(name, reader)?;
                self.tags.wrapped(&format!("<mrow class=\"{class}\">"), "</mrow>", &inside)
            }
            "longdiv" => format!("{{)\\overline{{{}}}}}", self.argument(name, reader)?),
            "smash" => {
                let open = match reader.optional().map(str::trim) {
                    Some("t") => "<mpadded height=\"0\">",
                    Some("b") => "<mpadded depth=\"0\">",
                    _ => "<mpadded height=\"0\" depth=\"0\">",
                };
                let inside = self.argument(name, reader)?;
                self.tags.wrapped(open, "</mpadded>", &inside)
            }
            "raisebox" => {
                let height = length(name, raw_argument(name, reader)?)?;
                let content = text::rewrite(self, "text", raw_argument(name, reader)?)?;
                self.tags.wrapped(
                    &format!("<mpadded voffset=\"{height}\">"),
                    "</mpadded>",
                    &content,
                )
            }
            "rule" => {
                reader.optional();
                let width = length(name, raw_argument(name, reader)?)?;
                let height = length(name, raw_argument(name, reader)?)?;
                let tag = format!(
                    "<mspace width=\"{width}\" height=\"{height}\" mathbackground=\"currentcolor\"></mspace>"
                );
                format!("{{{}}}", self.tags.mark(&tag))
            }
            "tag" => {
                let is_plain = reader.take("*");
                let tag = raw_argument(name, reader)?;
                let tag = if is_plain { tag.to_owned() } else { format!("({tag})") };
                format!("\\hspace{{2em}}{}", text::rewrite(self, "text", &tag)?)
            }
            "operatorname" => {
                let has_limits = reader.take("*");
                let raw = raw_argument(name, reader)?;
                let is_name = !raw.is_empty() && raw.chars().all(char::is_alphanumeric);
                if is_name && !has_limits {
                    format!("\\operatorname{{{raw}}}")
                } else {
                    let mut operator = format!("\\mathrm{{{}}}", self.all(raw)?);
                    loop {
                        let place = if has_limits && reader.take("_") {
                            "underset"
                        } else if has_limits && reader.take("^") {
                            "overset"
                        } else {
                            break;
                        };
                        let limit = self.argument(name, reader)?;
                        operator = format!("\\{place}{{{limit}}}{{{operator}}}");
                    }
                    operator
                }
            }
            "nicefrac" | "sfrac" => {
                let (above, below) = (self.argument(name, reader)?, self.argument(name, reader)?);
                format!("{{{{}}^{{{above}}}/{{}}_{{{below}}}}}")
            }
            "cfrac" => {
                reader.optional();
                "\\cfrac".to_owned()
            }
            "pod" => format!("\\hspace{{1em}}({})", self.argument(name, reader)?),
            "sideset" => {
                let (left, right) = (self.argument(name, reader)?, self.argument(name, reader)?);
                let operator = self.argument(name, reader)?;
                let has_limits = ["\\sum", "\\prod", "\\coprod", "\\int", "\\big"]
                    .iter()
                    .any(|o| operator.starts_with(o));
                let modifier = if has_limits { "\\nolimits " } else { "" };
                format!("{{{{}}{left}{operator}{modifier}{right}}}")
            }
            "fcolorbox" => {
                raw_argument(name, reader)?;
                let background = raw_argument(name, reader)?;
                let content = plain_text(name, raw_argument(name, reader)?)?;
                let inside = format!("\\colorbox{{{background}}}{{{content}}}");
                self.tags.wrapped("<mrow class=\"menv-boxed\">", "</mrow>", &inside)
            }
            "colorbox" => {
                let background = raw_argument(name, reader)?;
                format!(
                    "\\colorbox{{{background}}}{{{}}}",
                    plain_text(name, raw_argument(name, reader)?)?
                )
            }
            "text" | "mbox" | "hbox" | "textnormal" | "textup" | "textmd" | "textsc" => {
                text::rewrite(self, "text", raw_argument(name, reader)?)?
            }
            "textrm" | "textbf" | "textit" | "textsf" | "texttt" => {
                text::rewrite(self, name, raw_argument(name, reader)?)?
            }
            "emph" => text::rewrite(self, "textit", raw_argument(name, reader)?)?,
            "intertext" | "shortintertext" => {
                format!("{}\\\\", text::rewrite(self, "text", raw_argument(name, reader)?)?)
            }
            "ce" | "cee" => chemistry::formula(self, raw_argument(name, reader)?)?,
            "pu" => units::quantity(raw_argument(name, reader)?)?,
            "SI" | "qty" => {
                reader.optional();
                let number = units::number(raw_argument(name, reader)?);
                let unit = units::unit(raw_argument(name, reader)?)?;
                format!("{number}\\hspace{{0.17em}}{unit}")
            }
            "si" | "unit" => {
                reader.optional();
                units::unit(raw_argument(name, reader)?)?
            }
            "num" => units::number(raw_argument(name, reader)?),
            "ang" => format!("{}\\degree ", units::number(raw_argument(name, reader)?)),
            "begin" | "end" => {
                let environment = raw_argument(name, reader)?.trim();
                match ENVIRONMENTS.iter().find(|(n, ..)| *n == environment) {
                    Some((_, begin, _)) if name == "begin" => (*begin).to_owned(),
                    Some((.., end)) => (*end).to_owned(),
                    None => format!("\\{name}{{{environment}}}"),
                }
            }
            other => format!("\\{other}"),
        };
        out.push_str(&rewritten);
        Ok(())
    }
}

/// Returns the next argument of a command.
fn raw_argument<'t>(name: &str, reader: &mut TexReader<'t>) -> Result<&'t str, String> {
    reader.argument().ok_or_else(|| format!("\\{name} needs an argument in braces"))
}

fn plain_text<'t>(name: &str, text: &'t str) -> Result<&'t str, String> {
    if text.contains(['$', '\\']) {
        return Err(format!(
            "\\{name} can contain only plain text: use \\textcolor{{...}}{{...}} for a formula"
        ));
    }
    Ok(text)
}

/// Returns a length such as `1em`, checked.
fn length(name: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[number.len()..];
    let is_number = number.trim().parse::<f64>().is_ok_and(f64::is_finite) && number.len() <= 10;
    if is_number && matches!(unit, "em" | "ex" | "pt" | "px" | "cm" | "mm" | "in" | "pc") {
        return Ok(format!("{}{unit}", number.trim()));
    }
    Err(format!("\\{name} needs a length such as 1em, not {text:?}"))
}
