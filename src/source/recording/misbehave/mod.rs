//! Misbehaviours: what APIs do, done to a recording.
//!
//! In: a [`Story`]. Out: the same told otherwise, and what is true then. Each misbehaviour is a pure function with a name, a sentence and what may come of it, in
//! the tables [`trouble`], [`drifting`] and [`content`]. Not here: how a run fares with it ([`crate::cli`]).

mod content;
mod drifting;
mod story;
mod trouble;

pub(crate) use story::Story;

/// One way in which an API misbehaves.
pub(crate) struct Misbehaviour {
    /// Its name, as the command line has it.
    pub(crate) name: &'static str,
    /// What the API does.
    pub(crate) sentence: &'static str,
    /// Exit codes that may come of it: 0 with all rows, or others that refuse it.
    pub(crate) outcomes: &'static [u8],
    /// What a config may leave undeclared, so that nothing tells that rows are lost; `None` where lakeward has to notice by itself.
    pub(crate) undeclared: Option<&'static str>,
    /// Does it; `None` where the recording has nothing to do it to.
    pub(crate) play: fn(&mut Story) -> Option<Truth>,
}

/// Which rows are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Truth {
    /// Those of the recording.
    Same,
    /// Those but for the values of this column.
    But(String),
}

/// All of them.
pub(crate) fn misbehaviours() -> impl Iterator<Item = &'static Misbehaviour> {
    trouble::TROUBLE.iter().chain(drifting::DRIFTING).chain(content::CONTENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_sixty_and_more_each_with_a_name_a_sentence_and_outcomes() {
        let all: Vec<&Misbehaviour> = misbehaviours().collect();
        assert!(all.len() >= 60, "{}", all.len());
        assert_eq!(all.iter().map(|of| of.name).collect::<BTreeSet<_>>().len(), all.len());
        for Misbehaviour { name, sentence, outcomes, .. } in all {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(!sentence.is_empty() && !sentence.ends_with('.') && !outcomes.is_empty(), "{name}");
        }
    }
}
