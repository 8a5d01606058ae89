//! Aiken: multiple choice as plain text. A question, its choices `A. text` or `A) text`, and `ANSWER: A`.

use crate::question::{Answer, Bank, Kind, Question, Rejected, Text, TextFormat};
use crate::remark::RemarkCode;

/// A question that is being read.
#[derive(Default)]
struct Open {
    line: u32,
    prompt: String,
    choices: Vec<(char, String)>,
}

/// Reads a file. Lines end with LF.
pub fn parse(source: &str) -> Bank {
    let mut bank = Bank::default();
    let mut open: Option<Open> = None;
    for (number, line) in (1..).zip(source.lines().map(str::trim)) {
        if line.is_empty() {
            continue;
        }
        if let Some(answer) = line.strip_prefix("ANSWER:") {
            match open.take() {
                Some(question) => finish(question, answer, &mut bank),
                None => reject(&mut bank, number, line, RemarkCode::AnswerAlone),
            }
        } else if let Some((label, text)) = choice(line) {
            match &mut open {
                Some(question) => question.choices.push((label, text.to_owned())),
                None => reject(&mut bank, number, line, RemarkCode::ChoiceAlone),
            }
        } else {
            match &mut open {
                // A text may have several lines.
                Some(question) if question.choices.is_empty() => {
                    question.prompt.push('\n');
                    question.prompt.push_str(line);
                }
                _ => {
                    if let Some(before) = open.take() {
                        reject(&mut bank, before.line, &before.prompt, NO_ANSWER);
                    }
                    open = Some(Open { line: number, prompt: line.to_owned(), ..Open::default() });
                }
            }
        }
    }
    if let Some(question) = open {
        reject(&mut bank, question.line, &question.prompt, NO_ANSWER);
    }
    bank
}

const NO_ANSWER: RemarkCode = RemarkCode::NoAnswerLine;

/// Splits `A. text` or `A) text`.
fn choice(line: &str) -> Option<(char, &str)> {
    let label = line.chars().next().filter(char::is_ascii_uppercase)?;
    let rest = line[1..].strip_prefix(['.', ')'])?;
    Some((label, rest.trim()))
}

fn finish(question: Open, answer: &str, bank: &mut Bank) {
    let letter = answer.trim().chars().next().unwrap_or(' ').to_ascii_uppercase();
    let right = question.choices.iter().filter(|(label, _)| *label == letter).count();
    let problem = match (question.choices.len(), right) {
        (0 | 1, _) => Some(RemarkCode::FewChoices),
        (_, 0) => Some(RemarkCode::AnswerNamesNoChoice),
        (_, 1) => None,
        _ => Some(RemarkCode::DoubleLetter),
    };
    if let Some(reason) = problem {
        return reject(bank, question.line, &question.prompt, reason);
    }
    let answers = question
        .choices
        .into_iter()
        .map(|(label, text)| Answer {
            weight: if label == letter { 100.0 } else { 0.0 },
            text: Text::new(TextFormat::Plain, text),
            feedback: Text::default(),
        })
        .collect();
    let kind = Kind::Choice { single: true, answers, shuffle: true };
    let prompt = Text::new(TextFormat::Plain, question.prompt);
    bank.questions.push(Question::new(question.line, prompt, kind));
}

fn reject(bank: &mut Bank, line: u32, text: &str, reason: RemarkCode) {
    let text = crate::text::escape::plain_field(text, 80);
    bank.rejected.push(Rejected { line, text, reason: reason.into() });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_end_with_their_answer() {
        let bank = parse(
            "What is 2+2?\nA. 3\nB) 4\nANSWER: B\n\nTwo\nlines?\nA. x\nB. y\nC. z\nANSWER: c\n",
        );
        assert_eq!(bank.rejected, []);
        let [first, second] = &bank.questions[..] else { panic!("{bank:?}") };
        let Kind::Choice { single: true, answers, .. } = &first.kind else { panic!() };
        assert_eq!(answers.iter().map(|a| a.weight).collect::<Vec<_>>(), [0.0, 100.0]);
        assert_eq!((second.prompt.text.as_str(), second.line), ("Two\nlines?", 6));
    }

    #[test]
    fn what_is_no_question_is_reported_with_its_line() {
        let bank = parse(
            "No choices\nANSWER: A\nOne\nA. x\nANSWER: A\nNone\nA. x\nB. y\nANSWER: D\nLost\nA. x\nB. y\nNext\n\
             A. x\nB. y\nANSWER: A\nANSWER: B\nEnd\n",
        );
        let lines: Vec<u32> = bank.rejected.iter().map(|r| r.line).collect();
        assert_eq!((bank.questions.len(), lines), (1, vec![1, 3, 6, 10, 17, 18]));
    }
}
