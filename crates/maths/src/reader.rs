//! Reads LaTeX source: commands, groups and arguments.

/// Reads a formula from the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct TexReader<'t> {
    rest: &'t str,
}

/// A part of a formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// Name of a command: letters, or one other character.
    Command(&'t str),
    Char(char),
}

impl<'t> TexReader<'t> {
    pub fn new(rest: &'t str) -> Self {
        Self { rest }
    }

    pub fn rest(&self) -> &'t str {
        self.rest
    }

    pub fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Removes a prefix, if it is there.
    pub fn take(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Returns the next part; comments are passed over.
    pub fn next(&mut self) -> Option<Token<'t>> {
        let c = self.rest.chars().next()?;
        let tail = &self.rest[c.len_utf8()..];
        match c {
            '%' => {
                self.rest = tail.find('\n').map_or("", |end| &tail[end..]);
                self.next()
            }
            '\\' => {
                let letters =
                    tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
                let first = tail.chars().next().map_or(0, char::len_utf8);
                let (name, rest) = tail.split_at(if letters > 0 { letters } else { first });
                self.rest = rest;
                Some(Token::Command(name))
            }
            c => {
                self.rest = tail;
                Some(Token::Char(c))
            }
        }
    }

    /// Returns the content of a group in braces, a command, or a character; `None` at the end of the formula.
    pub fn argument(&mut self) -> Option<&'t str> {
        self.skip_spaces();
        if self.take("{") {
            return self.until_closing('{', '}');
        }
        let start = self.rest;
        self.next().filter(|token| *token != Token::Char('}'))?;
        Some(&start[..start.len() - self.rest.len()])
    }

    /// Returns the content of `[...]`.
    pub fn optional(&mut self) -> Option<&'t str> {
        let saved = *self;
        self.skip_spaces();
        if self.take("[")
            && let Some(content) = self.until_closing('[', ']')
        {
            return Some(content);
        }
        *self = saved;
        None
    }

    /// Returns the text up to the closing character of the open group, which is removed.
    fn until_closing(&mut self, open: char, close: char) -> Option<&'t str> {
        let start = self.rest;
        let (mut depth, mut braces) = (0_usize, 0_usize);
        loop {
            let end = start.len() - self.rest.len();
            match self.next()? {
                Token::Char(c) if c == close && depth == 0 && (close == '}' || braces == 0) => {
                    return Some(&start[..end]);
                }
                Token::Char(c) if c == open && (open == '{' || braces == 0) => depth += 1,
                Token::Char(c) if c == close && (close == '}' || braces == 0) => depth -= 1,
                Token::Char('{') => braces += 1,
                Token::Char('}') => braces = braces.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Returns the rest of the current group, cell or line.
    pub fn rest_of_group(&mut self) -> &'t str {
        let start = self.rest;
        let mut depth = 0_usize;
        loop {
            let before = self.rest;
            match self.next() {
                Some(Token::Char('{') | Token::Command("begin" | "left")) => depth += 1,
                Some(Token::Char('}') | Token::Command("end" | "right")) if depth > 0 => depth -= 1,
                Some(Token::Char('}' | '&') | Token::Command("end" | "right" | "\\" | "cr"))
                    if depth == 0 =>
                {
                    self.rest = before;
                    return &start[..start.len() - before.len()];
                }
                Some(_) => {}
                None => return start,
            }
        }
    }
}
