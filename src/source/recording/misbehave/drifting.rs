//! Pages that do not hold together: rows that come, go and move while they are read, links that lead nowhere new, totals that lie.

use crate::source::recording::misbehave::story::{Story, with_records};
use crate::source::recording::misbehave::{Misbehaviour, Truth};

/// See the header.
pub(super) const DRIFTING: &[Misbehaviour] = &[
    Misbehaviour {
        name: "row_inserted",
        sentence: "a row comes at the front while pages are read, and shifts all behind it",
        outcomes: &[0, 3],
        undeclared: Some("read by a cursor instead of places, or declare `expect: {total: PATH}`"),
        play: |story| {
            let page = story.later()?;
            shift_right(story, page);
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "row_removed",
        sentence: "a row goes at the front while pages are read, and all behind it move up",
        outcomes: &[0, 3],
        undeclared: Some("read by a cursor instead of places, or declare `expect: {total: PATH}`"),
        play: |story| {
            let page = story.later()?;
            let now = all(story).split_off(1);
            becomes(story, page, now, None);
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "row_moves_to_the_front",
        sentence: "the last row moves to the front while pages are read, as where the order is by the last change",
        outcomes: &[0, 3],
        undeclared: Some("read by a cursor instead of places, or sort by a column that never changes"),
        play: |story| {
            let page = story.later()?;
            let mut now = all(story);
            now.rotate_right(1);
            becomes(story, page, now, None);
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "row_inserted_and_counted",
        sentence: "a row comes at the front while pages are read, and the total counts it from then on",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let page = story.later()?;
            totals(story, page, |count| (count + 1).to_string())?;
            shift_right(story, page);
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "row_removed_and_counted",
        sentence: "a row goes at the front while pages are read, and the total leaves it out from then on",
        outcomes: &[0, 3],
        undeclared: Some("read by a cursor instead of places"),
        play: |story| {
            let page = story.later()?;
            let mut now = all(story);
            let count = now.len();
            now.remove(0);
            becomes(story, page, now, Some((count, count - 1)))?;
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "rows_swapped",
        sentence: "the order is not stable: at a border of two pages one row is given twice and its neighbour never",
        outcomes: &[0, 3],
        undeclared: Some("sort by a unique column, and declare `expect: {total: PATH}` with a `primary_key`"),
        play: |story| {
            let page = story.later()?;
            let (one, other) = (story.pages[page - 1], story.pages[page]);
            let (before, mut behind) = (story.records(one), story.records(other));
            *behind.first_mut()? = before.last()?.clone();
            story.set_records(other, &behind);
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "page_repeated",
        sentence: "a page is answered with the one before it",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let page = story.later()?;
            let (one, other) = (story.pages[page - 1], story.pages[page]);
            let body = story.scenes[one].body.clone();
            story.always_by(other, |scene| scene.body = body.clone());
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "page_repeated_once",
        sentence: "a page is answered with the one before it, and rightly when it is asked for again",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let page = story.later()?;
            let (one, other) = (story.pages[page - 1], story.pages[page]);
            let body = story.scenes[one].body.clone();
            story.first_by(other, |scene| scene.body = body);
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "first_page_always",
        sentence: "every page is answered with the first",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            story.later()?;
            let body = story.scenes[story.pages[0]].body.clone();
            for page in 1..story.pages.len() {
                let at = story.pages[page];
                story.always_by(at, |scene| scene.body = body.clone());
            }
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "rows_of_the_first_page_always",
        sentence: "every page has the records of the first, and its own links",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            story.later()?;
            let records = story.records(story.pages[0]);
            for page in 1..story.pages.len() {
                let at = story.pages[page];
                story.set_records(at, &records);
            }
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "next_leads_to_itself",
        sentence: "the next link of a page leads to itself",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let page = story.between()?;
            let (one, other) = (story.pages[page - 1], story.pages[page]);
            story.set_envelope(other, one)?;
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "next_leads_back",
        sentence: "the next link of the last page leads to the second",
        // Once as many records came as the API counts, it is the end.
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let last = story.pages.len().checked_sub(1).filter(|last| *last > 1)?;
            let (one, other) = (story.pages[0], story.pages[last]);
            story.set_envelope(other, one)?;
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "next_ends_early",
        sentence: "a page in the middle says that no other follows",
        outcomes: &[0, 3],
        undeclared: Some("declare `expect: {total: PATH}` or `expect: {min_rows: N}`"),
        play: |story| {
            let page = story.between()?;
            let (last, other) = (*story.pages.last()?, story.pages[page]);
            story.set_envelope(other, last)?;
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "empty_page",
        sentence: "a page in the middle has no records",
        outcomes: &[0, 3],
        undeclared: Some("declare `expect: {total: PATH}`"),
        play: |story| {
            let page = story.between()?;
            let at = story.pages[page];
            story.set_records(at, &[]);
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "empty_page_once",
        sentence: "a page in the middle has no records the first time that it is asked for",
        outcomes: &[0, 3],
        undeclared: Some("declare `expect: {total: PATH}`"),
        play: |story| {
            let page = story.between()?;
            let at = story.pages[page];
            story.first_by(at, |scene| {
                if let Some(body) = with_records(&scene.body, &[]) {
                    scene.body = body;
                }
            });
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "short_page",
        sentence: "a page in the middle has half of its records",
        outcomes: &[0, 3],
        undeclared: Some("declare `expect: {total: PATH}`"),
        play: |story| {
            let page = story.between()?;
            let at = story.pages[page];
            let records = story.records(at);
            let half = records.len() / 2;
            (half > 0).then(|| story.set_records(at, &records[..half]))?;
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "long_page",
        sentence: "a page has the records of the next one too, which comes as well",
        outcomes: &[0, 3],
        undeclared: Some("declare a `primary_key` with `write_disposition: merge`"),
        play: |story| {
            let page = story.later()?;
            let (one, other) = (story.pages[page - 1], story.pages[page]);
            let mut records = story.records(one);
            records.extend(story.records(other));
            story.set_records(one, &records);
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "total_too_small",
        sentence: "the total is half of what there is",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            totals(story, 0, |count| (count / 2).to_string())?;
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "total_too_large",
        sentence: "the total is one more than what there is",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            totals(story, 0, |count| (count + 1).to_string())?;
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "total_is_zero",
        sentence: "the total is 0",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            totals(story, 0, |_| "0".to_owned())?;
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "total_is_null",
        sentence: "the total is null",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            totals(story, 0, |_| "null".to_owned())?;
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "total_is_text",
        sentence: "the total is a text",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            totals(story, 0, |_| "\"many\"".to_owned())?;
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "record_twice",
        sentence: "a record is given twice on one page",
        outcomes: &[0, 3],
        undeclared: Some("declare a `primary_key` with `write_disposition: merge`"),
        play: |story| {
            let at = story.any()?;
            let mut records = story.records(at);
            records.push(records.last()?.clone());
            story.set_records(at, &records);
            Some(Truth::Same)
        },
    },
];

/// From `page` on, each page begins with the last record of the one before, as after an insertion at the front.
fn shift_right(story: &mut Story, page: usize) {
    let mut carried = story.records(story.pages[page - 1]).pop();
    for page in page..story.pages.len() {
        let at = story.pages[page];
        let mut records = story.records(at);
        records.splice(0..0, carried);
        let is_last = page + 1 == story.pages.len();
        carried = if is_last { None } else { records.pop() };
        story.set_records(at, &records);
    }
}

/// The records of all pages.
fn all(story: &Story) -> Vec<String> {
    story.pages.iter().flat_map(|at| story.records(*at)).collect()
}

/// From `page` on the API has these records, and tells one total in place of another; the pages before have them too once they are asked for again.
/// `None` where no total is told.
fn becomes(story: &mut Story, page: usize, now: Vec<String>, total: Option<(usize, usize)>) -> Option<()> {
    let (mut rest, mut is_told) = (now.into_iter(), total.is_none());
    for place in 0..story.pages.len() {
        let size = story.records(story.pages[place]).len();
        let is_last = place + 1 == story.pages.len();
        let records: Vec<String> = rest.by_ref().take(if is_last { usize::MAX } else { size }).collect();
        if place < page {
            story.first_by(story.pages[place], |_| ());
        }
        let at = story.pages[place];
        let (mut before, mut behind) = story.envelope(at)?;
        if let Some((was, is)) = total {
            let told = [&before, &behind].map(|text| replaced(text, &was.to_string(), &is.to_string()));
            is_told |= told != [before, behind];
            [before, behind] = told;
        }
        story.scenes[at].body = bytes::Bytes::from(format!("{before}[{}]{behind}", records.join(",")));
    }
    is_told.then_some(())
}

/// From `first` on, changes every number around the records that is how many there are; `None` where there is none.
fn totals(story: &mut Story, first: usize, told: fn(usize) -> String) -> Option<()> {
    let (count, mut has_changed) = (story.count(), false);
    for page in first..story.pages.len() {
        let at = story.pages[page];
        let (before, behind) = story.envelope(at)?;
        let changed = [&before, &behind].map(|text| replaced(text, &count.to_string(), &told(count)));
        has_changed |= changed != [before, behind];
        let records = story.records(at).join(",");
        let [before, behind] = changed;
        story.always_by(at, |scene| scene.body = bytes::Bytes::from(format!("{before}[{records}]{behind}")));
    }
    has_changed.then_some(())
}

/// The text with `new` for every number that is `old`.
fn replaced(text: &str, old: &str, new: &str) -> String {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || ".-+_\"%=&?/".contains(c));
    let (mut out, mut at) = (String::new(), 0);
    for (found, _) in text.match_indices(old) {
        if found >= at && !is_part(text[..found].chars().next_back()) && !is_part(text[found + old.len()..].chars().next()) {
            out.push_str(&text[at..found]);
            out.push_str(new);
            at = found + old.len();
        }
    }
    out + &text[at..]
}
