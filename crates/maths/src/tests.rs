//! Commands of LaTeX.

use std::collections::BTreeSet;

use super::*;

fn rendered(tex: &str) -> String {
    let mathml = mathml(tex, true).unwrap_or_else(|reason| panic!("{tex}: {reason}"));
    let marks = mathml.chars().filter(|c| ('\u{fdd0}'..='\u{fdef}').contains(c)).count();
    assert_eq!(marks, 0, "{tex}: {mathml}");
    mathml
}

#[test]
fn commands_beyond_the_parser_are_rendered() {
    let mut wrong = Vec::new();
    for (tex, part) in [
        (r"\boxed{x}", "<mrow class=\"menv-boxed\"><mrow><mi>x</mi></mrow></mrow>"),
        (r"\phantom{x}", "<mphantom><mrow><mi>x</mi></mrow></mphantom>"),
        (r"\hphantom{x}", "<mpadded height=\"0\" depth=\"0\"><mphantom>"),
        (r"\vphantom{x}", "<mpadded width=\"0\"><mphantom>"),
        (r"\smash{x}", "<mpadded height=\"0\" depth=\"0\"><mrow>"),
        (r"\smash[b]{x}", "<mpadded depth=\"0\">"),
        (r"\mathscr{F}", "ℱ"),
        (r"\bm{x}", "𝒙"),
        (r"a \mod b", "<mi mathvariant=\"normal\">m</mi>"),
        (r"a \pmod{b}", "mod"),
        (r"\cancel{x}", "x\u{338}"),
        (r"\cancel{ab}", "<mrow class=\"menv-cancel\">"),
        (r"\bcancel{x}", "<mrow class=\"menv-bcancel\">"),
        (r"\xcancel{x}", "<mrow class=\"menv-xcancel\">"),
        (r"\enclose{circle}{x}", "<mrow class=\"menv-circle\">"),
        (r"\xrightarrow{abc}", "→"),
        (r"\xrightleftharpoons[b]{a}", "⇌"),
        (r"\operatorname*{argmax}_x", "<munder>"),
        (r"\operatorname{arg\,max}", "<mspace"),
        (r"\substack{a\\b}", "<mtable"),
        (r"x \tag{1}", "<mtext>(1)</mtext>"),
        (r"\label{a} x", "<mi>x</mi>"),
        (
            r"\rule{1em}{1pt}",
            "<mspace width=\"1em\" height=\"1pt\" mathbackground=\"currentcolor\">",
        ),
        (r"\raisebox{1em}{x}", "<mpadded voffset=\"1em\">"),
        (r"{\small x + \frac{1}{2}} y", "<mstyle mathsize=\"0.9em\">"),
        (r"\large x", "<mstyle mathsize=\"1.2em\">"),
        (r"\AA", "\u{212b}"),
        (r"\longdiv{12}", "<mn>12</mn>"),
        (r"\ce{H2O}", "<msub>"),
        (r"\ce{SO4^2-}", "<msubsup>"),
        (r"\ce{2 H2 + O2 -> 2 H2O}", "→"),
        (r"\ce{Na+ + Cl- <=>[a][b] NaCl v}", "⇌"),
        (r"\pu{5 m/s}", ">/<"),
        (r"\SI{5}{\metre\per\second}", "<mn>1</mn>"),
        (r"\unit{m}", "m"),
        (r"\num{1.5e3}", "<mn>10</mn>"),
        (r"\sideset{^1_2}{^3_4}\sum", "<mn>4</mn>"),
        (r"\fcolorbox{red}{yellow}{x}", "<mrow class=\"menv-boxed\">"),
        (r"a~b", "<mspace width"),
        (r"\text{if $x^2$ is}", "<msup>"),
        (r"\text{50\% of \textbf{all}}", "%"),
        (r"\text{caf\'e}", "café"),
        (r"\begin{eqnarray}a&=&b\end{eqnarray}", "<mtable"),
        (r"\begin{psmallmatrix}1&2\end{psmallmatrix}", "<mtable"),
        (r"\nicefrac{1}{2}", "<mn>2</mn>"),
        ("% comment\nx", "<mi>x</mi>"),
        (r"\phantom{\boxed{\text{a \bm{b}}}}", "<mphantom><mrow>"),
    ] {
        let mathml = rendered(tex);
        if !mathml.contains(part) {
            wrong.push(format!("{tex}: {part} in {mathml}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn commands_that_are_not_available_are_named() {
    for (tex, reason) in [
        (
            r"\href{https://a.b}{x}",
            "\\href is not available: put the link around the formula: [$x$](https://...)",
        ),
        (r"\includegraphics{a}", "\\includegraphics is not available: "),
        (r"\html{a}", "\\html is not available: "),
        (r"\newcommand{\R}{x}\R", "\\newcommand is not allowed"),
        (r"x + \nosuchcommand{y}", "the command \\nosuchcommand is not known"),
        (r"\limits", "\\limits must follow an operator such as \\sum"),
        (r"\begin{nosuch}x\end{nosuch}", "the environment \"nosuch\" is not known"),
        (r"\enclose{star}{x}", "\\enclose{star} is not available: use one of box, "),
        (r"\phantom", "\\phantom needs an argument in braces"),
        (r"\rule{x}{1em}", "\\rule needs a length such as 1em, not \"x\""),
        (r"\SI{5}{\nosuch}", "the unit \\nosuch is not known"),
        (r"\eqref{a}", "\\eqref is not available: write the number itself"),
    ] {
        let found = mathml(tex, true).unwrap_err();
        assert!(found.starts_with(reason) && !found.contains(['\n', '│', '╭']), "{tex}: {found}");
    }
}

/// Commands of courses, one formula per entry.
const COMMANDS: &str = include_str!("commands.txt");

#[test]
fn common_commands_are_rendered_or_named() {
    let refused = BTreeSet::from([
        "\\limits",
        "\\newcommand{\\R}{\\mathbb{R}} \\R",
        "\\def\\R{x}\\R",
        "\\href{https://a.b}{x}",
        "\\includegraphics{a}",
        "\\html{a}",
    ]);
    let formulas: Vec<&str> = COMMANDS.lines().filter(|line| !line.is_empty()).collect();
    assert!(formulas.len() > 200);
    for tex in formulas {
        assert_eq!(
            mathml(tex, true).is_err(),
            refused.contains(tex),
            "{tex}: {:?}",
            mathml(tex, true)
        );
    }
}

#[test]
fn formulas_are_converted_to_mathml() {
    let inline = mathml("a^2 + b^2", false).unwrap();
    assert!(inline.starts_with("<math") && inline.contains("<msup>"), "{inline}");
    let block =
        mathml(r"\frac{1}{\sqrt{2}} = \sum_{i=0}^n \begin{pmatrix}1&2\\3&4\end{pmatrix}", true)
            .unwrap();
    assert!(block.contains("display=\"block\"") && block.contains("<mtable"), "{block}");
    let red = mathml(r"\color{red} x", false).unwrap();
    assert!(red.contains("mathcolor=\"#ff0000\"") && !red.contains("style="), "{red}");
}

#[test]
fn errors_of_formulas_have_one_line() {
    for tex in [r"\frac{1}", r"\nosuchcommand", r"{a", r"\begin{matrix}1", r"a^b^c", r"\left("] {
        let reason = mathml(tex, false).unwrap_err();
        assert!(!reason.is_empty() && !reason.contains('\n'), "{tex}: {reason}");
    }
}

#[test]
fn unbounded_formulas_are_rejected_before_parsing() {
    let deep =
        |open: &str, close: &str, n: usize| format!("{}x{}", open.repeat(n), close.repeat(n));
    for (what, tex) in [
        ("braces", deep("{", "}", 3_000)),
        ("unclosed braces", "{".repeat(3_000)),
        ("fractions", deep(r"\frac{1}{", "}", 1_000)),
        ("powers", deep("x^{", "}", 3_000)),
        ("roots without braces", format!("{}x", r"\sqrt ".repeat(2_000))),
        ("fences", deep(r"\left(", r"\right)", 1_000)),
        ("matrices", deep(r"\begin{matrix}", r"\end{matrix}", 500)),
        ("a definition of itself", r"\def\a{\a\a}\a".into()),
        ("definitions that double", r"\newcommand{\a}{\b\b}\newcommand{\b}{\a\a}\a".into()),
        ("an alias of itself", r"\let\a=\a \a".into()),
        ("many symbols", "x".repeat(30_000)),
        ("many cells", format!(r"\begin{{matrix}}{}\end{{matrix}}", "&".repeat(19_000))),
    ] {
        let rendered = mathml(&tex, true);
        // The size of the output is limited in every case.
        assert!(rendered.as_ref().map_or(true, |m| m.len() < 2_000_000), "{what}");
        if what != "many cells" {
            assert!(rendered.is_err(), "{what}");
            assert!(check_source(&tex).is_err(), "{what}: rejected before parsing");
        }
    }
    // Formulas within the limits are accepted.
    let long = format!("{}x{}", r"\sqrt{1+".repeat(20), "}".repeat(20));
    assert!(mathml(&long, true).is_ok());
    assert!(mathml(&"a+b=".repeat(400), true).is_ok());
}
