//! What readers take a folder's text for.
//!
//! Readers guess the type of a partition column from its folders. This knows the words and forms that one of the readers of
//! `docs/readers.md` takes for something else than text: numbers as Python, Java and DuckDB write them, dates and times as dateutil
//! reads them (`May`, `3pm`, `1-800`), spans of time as pandas does (`2D`, `P1D`), booleans, tuples.
//! What it calls text is text to all of them; of what it calls something else a few are text to all of them too.

/// What a folder's text looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Text to every reader.
    Text,
    /// An integer to every reader, also beside others.
    Integer,
    /// To some reader a number, a date or the like.
    Other,
}

/// Digits of integers that all have 64 bits.
const INTEGER_DIGITS: usize = 18;
/// Letters of a time zone's name.
const ZONE_LETTERS: usize = 5;
/// What stands between the words and numbers of dates, times and tuples.
const SEPARATORS: &str = ".,;-/'+:()";
/// Words that are a value without a number.
const VALUES: &str = "nan inf infinity true false epoch today \
     jan january feb february mar march apr april may jun june jul july aug august sep sept september oct october nov november dec december";
/// Words that may come before the first number.
const LEADING: &str = "at on and ad m t of st nd rd th \
     mon monday tue tuesday wed wednesday thu thursday fri friday sat saturday sun sunday";
/// Units of time, which come before a number only where it has a point.
const UNITS: &str = "w week weeks d day days h hour hours hr hrs minute minutes min mins s second seconds sec secs ms milli millis millisecond \
     milliseconds us µs μs micro micros microsecond microseconds ns nano nanos nanosecond nanoseconds n l u";
/// Words that come after a number: halves of the day, time zones, quarters, and the mark of Java's floats.
const TRAILING: &str = "a am p pm utc gmt z q f";
/// Words after which a time zone may be named by letters of any kind.
const HOURS: &str = "h hour hours a am p pm t";

impl Look {
    /// What `text` looks like.
    pub(crate) fn of(text: &str) -> Self {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_integer = (1..=INTEGER_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        match is_integer {
            true => Self::Integer,
            false if is_of_radix(text) || is_of_words(&plain(text)) => Self::Other,
            false => Self::Text,
        }
    }
}

/// Whether some reader takes the text for a number, which cannot be told from another spelling of it.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.trim().replace('_', "");
    let without_mark =
        digits.strip_suffix(['f', 'F', 'd', 'D']).filter(|rest| rest.ends_with(|c: char| c.is_ascii_digit() || c == '.'));
    Look::of(text) == Look::Integer || is_of_radix(text) || without_mark.unwrap_or(&digits).parse::<f64>().is_ok()
}

/// Whether the text is a hexadecimal, octal or binary number.
fn is_of_radix(text: &str) -> bool {
    let unsigned = text.trim().trim_start_matches(['+', '-']);
    let Some((radix, digits)) = unsigned.strip_prefix('0').and_then(|rest| rest.split_at_checked(1)) else { return false };
    let is_made_of =
        |letters: &str| !digits.is_empty() && digits.chars().all(|digit| letters.contains(digit.to_ascii_lowercase()));
    match radix {
        "x" | "X" => is_made_of("0123456789abcdef_.p+-"),
        "o" | "O" => is_made_of("01234567_"),
        "b" | "B" => is_made_of("01_"),
        _ => false,
    }
}

/// The text without the marks within numbers: `_` between digits, and the `e` of an exponent.
fn plain(text: &str) -> String {
    let chars: Vec<char> = text.trim().chars().collect();
    let is_numeric = |at: usize| chars.get(at).is_some_and(|char| char.is_numeric());
    let is_mark = |at: usize| {
        let follows = at > 0 && (is_numeric(at - 1) || chars[at - 1] == '.');
        let is_signed = chars.get(at + 1).is_some_and(|char| "+-".contains(*char));
        follows
            && match chars[at] {
                '_' => is_numeric(at + 1),
                'e' | 'E' => is_numeric(at + 1) || is_signed && is_numeric(at + 2),
                _ => false,
            }
    };
    (0..chars.len()).filter(|at| !is_mark(*at)).map(|at| chars[at]).collect()
}

/// Whether the text is made of numbers and words of dates, times and numbers alone.
fn is_of_words(text: &str) -> bool {
    let is_separator = |char: char| char.is_whitespace() || SEPARATORS.contains(char);
    if !text.chars().all(|char| char.is_alphanumeric() || is_separator(char)) {
        return false;
    }
    let is_letter = |char: char| char.is_alphabetic() && !char.is_numeric();
    let words: Vec<&str> = text.split(|char| !is_letter(char)).filter(|word| !word.is_empty()).collect();
    let is_one = |list: &str, word: &str| {
        let word = word.to_lowercase();
        list.split_whitespace().any(|one| one == word)
    };
    let is_value = |word: &&str| is_one(VALUES, word);
    if !text.chars().any(char::is_numeric) {
        let is_known = |word: &&str| [VALUES, LEADING, UNITS, TRAILING].iter().any(|list| is_one(list, word));
        return words.iter().any(&is_value) && words.iter().all(is_known);
    }
    let leads = text.trim_start_matches(is_separator).starts_with(is_letter);
    let may_lead =
        |word: &&str| is_value(word) || is_one(LEADING, word) || is_span(word) || text.contains('.') && is_one(UNITS, word);
    if leads && !words.first().is_some_and(may_lead) {
        return false;
    }
    let is_known = |word: &&&str| [VALUES, LEADING, UNITS, TRAILING].iter().any(|list| is_one(list, word)) || is_span(word);
    let unknown: Vec<&&str> = words.iter().filter(|word| !is_known(word)).collect();
    match unknown[..] {
        [] => true,
        [zone] => {
            let is_name = zone.len() <= ZONE_LETTERS && zone.bytes().all(|byte| byte.is_ascii_uppercase());
            is_name && words.iter().skip(usize::from(leads)).any(|word| is_one(HOURS, word))
        }
        _ => false,
    }
}

/// Whether the letters may be those of an ISO 8601 span of time.
fn is_span(word: &str) -> bool {
    word.starts_with(['p', 'P']) && word.chars().all(|char| "pymwdths".contains(char.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(look: Look, texts: &str) {
        for text in texts.split('|') {
            assert_eq!(Look::of(text), look, "{text:?}");
        }
    }

    #[test]
    fn text_is_what_no_reader_takes_for_something_else() {
        check(
            Look::Text,
            "EWR|A|A12|a1|AB12|A-12|x-1|DE|us-east-1|K1A|SW1A 2AA|M8 5NU|2024/A#1|12_A|5x|-|.|..|#5|50%|$5|(none)|no|on|off|null|NA|Mon",
        );
        check(
            Look::Text,
            "123e4567-e89b-12d3-a456-426614174000|0bffb4e4|0x|0xg|日本|plain word|Room 5|1e|v1.2|5kg|NaNd|now then|may be|Quarter 1|__1|_1",
        );
    }

    #[test]
    fn integers_are_the_ones_that_every_reader_takes_for_some() {
        check(Look::Integer, "7|01234|-1|00|-01|2024|999999999999999999");
        check(Look::Other, "+5|1_000|4611686018427387904|99999999999999999999|١٢٣|１２３| 5|5 |0x1F|0b11|0X1F|--5");
    }

    #[test]
    fn numbers_and_booleans_are_other_than_text() {
        check(
            Look::Other,
            "1.5|1.50|.5|5.|-.5|1e5|1E-5|1.5e+3|1e400|1_0.5|1f|1.5F|1D|1e5f|0x1p3|nan|NaN|-nan|inf|+Infinity|-INF|true|False|TRUE|(5)|(1,2)|(true)|1,000|1 000",
        );
    }

    #[test]
    fn numbers_are_told_from_dates_and_the_like() {
        for number in ["7", "01234", "1.5", "1e5", "1_000", "1f", "5.D", "nan", "-INF", "0x1F", " 5", "99999999999999999999"] {
            assert!(is_number(number), "{number}");
        }
        for other in ["12:30", "May", "2026-11-22", "3M", "2D ago", "true", "A12", "1.2.3", "P1D", "Bonn", ""] {
            assert!(!is_number(other), "{other}");
        }
    }

    #[test]
    fn dates_and_times_are_other_than_text() {
        check(
            Look::Other,
            "2024-01-01|2024-1-1|2024/01/01|2024-01|01.02.2024|2024-001|2024Q1|1Q24|10:11|2024-01-01T10:11:12Z|2025-01-01 00:00:00|T10|M3|10h|1h30m",
        );
        check(
            Look::Other,
            "May|march|today|epoch|feb-2024|may24|24may|1st|4th of July|Mon 5|12am|3p|7A|10h CET|1-800|555-1234|1.2.3|1;2|P1D|PT1H|PS2|2w|3us|-5min|5 days|S.1|Hours.5|24_5Q1",
        );
    }
}
