//! The words of a command as a POSIX shell takes them: quotes, escapes, and variables, of which nothing else is done.

/// Longest command, in bytes.
const BYTES_MAX: usize = 1 << 20;

/// The words of the first command in `text`, and whether something is behind it that is not of it.
///
/// # Errors
/// Why they cannot be told, as a sentence.
pub(super) fn words(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<(Vec<String>, bool), String> {
    if text.len() > BYTES_MAX {
        return Err(format!("the curl command is longer than {BYTES_MAX} bytes"));
    }
    if text.contains("^\n") || text.contains("^\r\n") || text.contains("^\"") {
        return Err("the command is written for cmd.exe; copy it as cURL (bash)".to_owned());
    }
    let mut reader = Reader { rest: text.chars().collect(), at: 0, variable };
    let mut words = Vec::new();
    loop {
        match reader.word()? {
            Some(word) => words.push(word),
            None => return Ok((words, reader.at < reader.rest.len())),
        }
    }
}

struct Reader<'v> {
    rest: Vec<char>,
    at: usize,
    variable: &'v dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    /// The next word; none at the end of the command.
    fn word(&mut self) -> Result<Option<String>, String> {
        self.pass_space();
        let ends = |reader: &Self| match reader.peek(0) {
            None | Some('|' | ';' | '>' | '<') => true,
            // Within a URL it is what somebody forgot to quote.
            Some('&') => reader.peek(1).is_none_or(|next| next == '&' || next.is_whitespace()),
            Some('#') => true,
            _ => false,
        };
        if ends(self) {
            return Ok(None);
        }
        let mut word = String::new();
        while let Some(c) = self.peek(0) {
            match c {
                c if c.is_whitespace() => break,
                '|' | ';' | '>' | '<' => break,
                '&' if self.peek(1).is_none_or(|next| next == '&' || next.is_whitespace()) => break,
                '\\' => self.escaped(&mut word),
                '\'' => self.single(&mut word)?,
                '"' => self.double(&mut word)?,
                '$' if self.peek(1) == Some('\'') => self.ansi(&mut word)?,
                '$' => self.variable(&mut word)?,
                c => {
                    word.push(c);
                    self.at += 1;
                }
            }
        }
        Ok(Some(word))
    }

    fn pass_space(&mut self) {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(c), _) if c.is_whitespace() => self.at += 1,
                (Some('\\'), Some('\n')) => self.at += 2,
                (Some('\\'), Some('\r')) if self.peek(2) == Some('\n') => self.at += 3,
                _ => return,
            }
        }
    }

    fn escaped(&mut self, word: &mut String) {
        match self.peek(1) {
            Some('\n') => self.at += 2,
            Some('\r') if self.peek(2) == Some('\n') => self.at += 3,
            Some(c) => {
                word.push(c);
                self.at += 2;
            }
            None => self.at += 1,
        }
    }

    fn single(&mut self, word: &mut String) -> Result<(), String> {
        self.at += 1;
        loop {
            match self.peek(0) {
                None => return Err("the curl command has a `'` that is not closed".to_owned()),
                Some('\'') => break self.at += 1,
                Some(c) => {
                    word.push(c);
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    fn double(&mut self, word: &mut String) -> Result<(), String> {
        self.at += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Err("the curl command has a `\"` that is not closed".to_owned()),
                (Some('"'), _) => break self.at += 1,
                (Some('\\'), Some('\n')) => self.at += 2,
                (Some('\\'), Some(c @ ('"' | '\\' | '$' | '`'))) => {
                    word.push(c);
                    self.at += 2;
                }
                (Some('$'), _) => self.variable(word)?,
                (Some(c), _) => {
                    word.push(c);
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    /// `$'…'`, as browsers copy texts with line breaks.
    fn ansi(&mut self, word: &mut String) -> Result<(), String> {
        self.at += 2;
        loop {
            let Some(c) = self.peek(0) else { return Err("the curl command has a `$'` that is not closed".to_owned()) };
            self.at += 1;
            match c {
                '\'' => return Ok(()),
                '\\' => {
                    let escape = self.peek(0);
                    self.at += 1;
                    match escape {
                        Some('n') => word.push('\n'),
                        Some('t') => word.push('\t'),
                        Some('r') => word.push('\r'),
                        Some('u') => word.push(self.hex(4)?),
                        Some('U') => word.push(self.hex(8)?),
                        Some('x') => word.push(self.hex(2)?),
                        Some(c) => word.push(c),
                        None => {}
                    }
                }
                c => word.push(c),
            }
        }
    }

    fn hex(&mut self, most: usize) -> Result<char, String> {
        let digits: String = (0..most).map_while(|ahead| self.peek(ahead)).take_while(char::is_ascii_hexdigit).collect();
        self.at += digits.len();
        let number = u32::from_str_radix(&digits, 16).ok();
        number.and_then(char::from_u32).ok_or_else(|| "the curl command has an escape in `$'…'` that is no character".to_owned())
    }

    /// `$NAME` or `${NAME}`.
    fn variable(&mut self, word: &mut String) -> Result<(), String> {
        let is_braced = self.peek(1) == Some('{');
        let start = self.at + if is_braced { 2 } else { 1 };
        let is_name = |c: &&char| c.is_ascii_alphanumeric() || **c == '_';
        let name: String = self.rest[start.min(self.rest.len())..].iter().take_while(is_name).collect();
        let end = start + name.len();
        if self.peek(1) == Some('(') {
            return Err("the curl command has `$(…)` in it, which is not run; put its value in place of it".to_owned());
        }
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || is_braced && self.rest.get(end) != Some(&'}') {
            word.push('$');
            self.at += 1;
            return Ok(());
        }
        let value = (self.variable)(&name).filter(|value| !value.is_empty());
        word.push_str(
            &value.ok_or_else(|| format!("the curl command takes `${name}` from the environment, where it is not set"))?,
        );
        self.at = end + usize::from(is_braced);
        Ok(())
    }
}
