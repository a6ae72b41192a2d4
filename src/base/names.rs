//! Which names are one name to a reader, a file system or an object gateway that others tell apart.

use unicode_normalization::UnicodeNormalization;

/// What names have in common that differ in case or in their Unicode form (`é` as one character or as two) alone.
#[must_use]
pub(crate) fn folded(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfd().flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_unicode_form_do_not_count() {
        for (one, other) in
            [("Orders", "orders"), ("caf\u{e9}", "cafe\u{301}"), ("CAF\u{c9}", "cafe\u{301}"), ("\u{212b}", "\u{e5}")]
        {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("a ", "a"), ("é", "e"), ("a_b", "a-b"), ("ﬁ", "fi")] {
            assert_ne!(folded(one), folded(other), "{one} {other}");
        }
    }
}
