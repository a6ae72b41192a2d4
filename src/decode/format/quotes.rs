//! Quotes of CSV: what a reader of rows says nothing of. It takes all that follows an unclosed quote for one field, and text behind a closing
//! quote for a part of it.

use std::ops::Range;

use crate::config::CsvPlan;

/// What is wrong with a text's quotes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Quotes {
    /// The line, from 1, in which a quote opens that nothing closes.
    pub(super) open_in: Option<usize>,
    /// Where text stands behind a closing quote, in order.
    strays: Vec<usize>,
}

/// Where in a field a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// At its beginning.
    Start,
    /// In a line that is a comment.
    Comment,
    /// In one without quotes.
    Plain,
    /// Between the quotes.
    Quoted,
    /// Behind a quote that closes it, unless another one follows.
    Closed,
}

impl Quotes {
    /// Reads `text`, whose table begins at `base`.
    pub(super) fn read(text: &str, base: usize, quote: u8, CsvPlan { delimiter, comment, .. }: &CsvPlan) -> Self {
        let (mut found, mut within) = (Self::default(), Within::Start);
        let (mut line, mut opened) = (1, 1);
        // Whether the byte at hand begins a line.
        let mut is_first = true;
        if !text.as_bytes().contains(&quote) {
            return found;
        }
        for (at, &byte) in text.as_bytes().iter().enumerate() {
            line += usize::from(byte == b'\n');
            if at < base {
                continue;
            }
            within = match (within, byte) {
                (Within::Comment, byte) if !matches!(byte, b'\n' | b'\r') => Within::Comment,
                (Within::Start, byte) if is_first && Some(byte) == *comment => Within::Comment,
                (Within::Start, byte) if byte == quote => {
                    opened = line;
                    Within::Quoted
                }
                (Within::Quoted, byte) if byte == quote => Within::Closed,
                (Within::Quoted, _) => Within::Quoted,
                (Within::Closed, byte) if byte == quote => Within::Quoted,
                (_, byte) if byte == *delimiter || matches!(byte, b'\n' | b'\r') => Within::Start,
                (Within::Closed, _) => {
                    found.strays.push(at);
                    Within::Plain
                }
                (Within::Start | Within::Plain | Within::Comment, _) => Within::Plain,
            };
            is_first = within == Within::Start && matches!(byte, b'\n' | b'\r');
        }
        found.open_in = (within == Within::Quoted).then_some(opened);
        found
    }

    /// The first text behind a closing quote in a range of the text.
    pub(super) fn stray_within(&self, range: Range<usize>) -> Option<usize> {
        let from = self.strays.partition_point(|&at| at < range.start);
        self.strays.get(from).copied().filter(|&at| at < range.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_that_nothing_closes_and_text_behind_closed_ones_are_found() {
        let read = |text: &str| Quotes::read(text, 0, b'"', &CsvPlan::default());
        assert_eq!(read("id,v\n1,a\n2,\"b\n3,c\n").open_in, Some(3));
        assert_eq!(read("\"id\",\"v\n").open_in, Some(1));
        assert_eq!(read("id,v\n1,\"a\nb\"\r\n2,\"c").open_in, Some(4));
        for whole in ["id,v\n1,\"a \"\"b\"\" c\"\n", "id,v\n1,a\"b\n2,\"\"\n", "1,\"\"\"\"", " \"a,b\n", ""] {
            assert_eq!(read(whole), Quotes::default(), "{whole}");
        }
        let plan = CsvPlan { comment: Some(b'#'), ..CsvPlan::default() };
        for whole in ["#\" it's\n1,\"\n#a\"\n# \"b", "id\r\n#\"\r\n1\r\n"] {
            assert_eq!(Quotes::read(whole, 0, b'"', &plan), Quotes::default(), "{whole}");
        }
        assert_eq!(Quotes::read("say \"hi\nid,v\n1,a\n", 8, b'"', &plan), Quotes::default());
        let stray = read("1,\"a\"b\"\n2,c\n\"d\" ,e\n");
        assert_eq!((stray.open_in, stray.strays.as_slice()), (None, [5, 15].as_slice()));
        assert_eq!((stray.stray_within(0..7), stray.stray_within(8..12), stray.stray_within(12..20)), (Some(5), None, Some(15)));
    }
}
