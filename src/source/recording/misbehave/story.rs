//! A recording as a story that is told otherwise: its exchanges in order, the pages of its longest chain, and what can be done to them.
//!
//! In: the scenes of a recording, and a seed. Out: the same with some of them changed. Records keep their own text, so that what is moved is not respelled.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::source::recording::{Fault, Scene, SceneEnd};

/// Levels of objects around a list of records.
const DEPTH_MAX: usize = 4;

/// A recording in memory, about to be changed.
pub(crate) struct Story {
    pub(super) scenes: Vec<Scene>,
    /// Scenes that are pages with records, of the path that has most of them, in order.
    pub(super) pages: Vec<usize>,
    rng: fastrand::Rng,
}

/// The records in a body, and where their list stands.
pub(super) struct List {
    start: usize,
    end: usize,
    pub(super) records: Vec<String>,
}

impl Story {
    /// The story of these scenes; its choices follow from `seed`.
    pub(crate) fn new(scenes: Vec<Scene>, seed: u64) -> Self {
        let mut chains: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, scene) in scenes.iter().enumerate() {
            let is_page = matches!(scene.answer, Ok((200, _))) && scene.end == SceneEnd::Whole;
            if is_page && list_of(&scene.body).is_some_and(|list| !list.records.is_empty()) {
                let path = scene.request.url.split('?').next().unwrap_or_default().to_owned();
                let pages = chains.entry(path).or_default();
                if pages.iter().all(|other| scenes[*other].request != scene.request) {
                    pages.push(at);
                }
            }
        }
        let pages = chains.into_values().max_by_key(Vec::len).unwrap_or_default();
        Self { scenes, pages, rng: fastrand::Rng::with_seed(seed) }
    }

    /// The scenes, as they are by now.
    pub(crate) fn into_scenes(self) -> Vec<Scene> {
        self.scenes
    }

    /// One of the pages.
    pub(super) fn any(&mut self) -> Option<usize> {
        self.rng.choice(&self.pages).copied()
    }

    /// One behind the first, by its place among the pages.
    pub(super) fn later(&mut self) -> Option<usize> {
        (self.pages.len() > 1).then(|| self.rng.usize(1..self.pages.len()))
    }

    /// One between the first and the last, by its place among the pages.
    pub(super) fn between(&mut self) -> Option<usize> {
        (self.pages.len() > 2).then(|| self.rng.usize(1..self.pages.len() - 1))
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { self.rng.usize(..end) }
    }

    /// Puts an answer before the one of scene `at`, as a first attempt has it.
    pub(super) fn first(&mut self, at: usize, status: u16, headers: &[(&str, &str)], body: &str) {
        let scene = answer(&self.scenes[at], status, headers, body);
        self.insert(at, scene);
    }

    /// Answers the request of scene `at` always so.
    pub(super) fn always(&mut self, at: usize, status: u16, headers: &[(&str, &str)], body: &str) {
        let scene = answer(&self.scenes[at], status, headers, body);
        self.always_by(at, |old| *old = scene.clone());
    }

    /// Changes every answer to the request of scene `at`.
    pub(super) fn always_by(&mut self, at: usize, change: impl Fn(&mut Scene)) {
        let request = self.scenes[at].request.clone();
        self.scenes.iter_mut().filter(|scene| scene.request == request).for_each(change);
    }

    /// Puts a failure before the answer of scene `at`.
    pub(super) fn fails(&mut self, at: usize, fault: Fault) {
        let mut scene = self.scenes[at].clone();
        scene.answer = Err(fault);
        self.insert(at, scene);
    }

    /// Puts the answer of scene `at`, as `change` makes it, before itself.
    pub(super) fn first_by(&mut self, at: usize, change: impl FnOnce(&mut Scene)) {
        let mut scene = self.scenes[at].clone();
        change(&mut scene);
        self.insert(at, scene);
    }

    fn insert(&mut self, at: usize, scene: Scene) {
        self.scenes.insert(at, scene);
        self.pages.iter_mut().filter(|page| **page >= at).for_each(|page| *page += 1);
    }

    /// The records of scene `at`.
    pub(super) fn records(&self, at: usize) -> Vec<String> {
        list_of(&self.scenes[at].body).map_or_else(Vec::new, |list| list.records)
    }

    /// The scene has these records.
    pub(super) fn set_records(&mut self, at: usize, records: &[String]) {
        self.always_by(at, |scene| {
            if let Some(body) = with_records(&scene.body, records) {
                scene.body = body;
            }
        });
    }

    /// Records of all pages.
    pub(super) fn count(&self) -> usize {
        self.pages.iter().map(|at| self.records(*at).len()).sum()
    }

    /// What stands around the records of scene `at`, before and behind.
    pub(super) fn envelope(&self, at: usize) -> Option<(String, String)> {
        let text = std::str::from_utf8(&self.scenes[at].body).ok()?;
        let list = list_of(&self.scenes[at].body)?;
        Some((text[..list.start].to_owned(), text[list.end..].to_owned()))
    }

    /// Gives scene `at` what stands around the records of another one, headers too; `None` where that is the same.
    pub(super) fn set_envelope(&mut self, at: usize, of: usize) -> Option<()> {
        let (was, (before, behind)) = (self.envelope(at)?, self.envelope(of)?);
        let links = |scene: &Scene| {
            let headers = scene.answer.as_ref().map(|(_, headers)| headers.clone()).unwrap_or_default();
            headers.into_iter().filter(|(name, _)| name == "link").collect::<Vec<_>>()
        };
        let (link_was, link) = (links(&self.scenes[at]), links(&self.scenes[of]));
        if was == (before.clone(), behind.clone()) && link_was == link {
            return None;
        }
        let body = format!("{before}[{}]{behind}", self.records(at).join(","));
        self.always_by(at, |scene| {
            scene.body = Bytes::from(body.clone());
            if let Ok((_, headers)) = &mut scene.answer {
                headers.retain(|(name, _)| name != "link");
                headers.extend(link.iter().cloned());
            }
        });
        Some(())
    }
}

/// An answer to the request of `scene`, with its other headers.
fn answer(scene: &Scene, status: u16, headers: &[(&str, &str)], body: &str) -> Scene {
    let mut scene = scene.clone();
    let own = scene.answer.as_ref().map(|(_, headers)| headers.clone()).unwrap_or_default();
    let kept = own.into_iter().filter(|(name, _)| name == "date" || name == "content-type" && body.starts_with(['{', '[']));
    let kept = kept.filter(|(name, _)| headers.iter().all(|(other, _)| other != name));
    let all = kept.chain(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    scene.answer = Ok((status, all.collect()));
    scene.body = Bytes::copy_from_slice(body.as_bytes());
    scene.end = SceneEnd::Whole;
    scene
}

/// The longest list of objects in a body of JSON.
pub(super) fn list_of(body: &[u8]) -> Option<List> {
    let text = std::str::from_utf8(body).ok()?;
    let raw: &RawValue = serde_json::from_str(text).ok()?;
    let found = longest(raw.get(), 0)?;
    // The list is a piece of the text itself.
    let start = (found.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let records: Vec<&RawValue> = serde_json::from_str(found).ok()?;
    let records = records.into_iter().map(|record| record.get().to_owned()).collect();
    Some(List { start, end: start + found.len(), records })
}

fn longest(raw: &str, depth: usize) -> Option<&str> {
    if raw.starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(raw).ok()?;
        return elements.iter().all(|element| element.get().starts_with('{')).then_some(raw);
    }
    if !raw.starts_with('{') || depth >= DEPTH_MAX {
        return None;
    }
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(raw).ok()?;
    let lists = members.into_values().filter_map(|member| longest(member.get(), depth + 1));
    lists.max_by_key(|list| list.len())
}

/// The body with these records.
pub(super) fn with_records(body: &Bytes, records: &[String]) -> Option<Bytes> {
    let (list, text) = (list_of(body)?, std::str::from_utf8(body).ok()?);
    Some(Bytes::from(format!("{}[{}]{}", &text[..list.start], records.join(","), &text[list.end..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_text_and_the_rest_stays_as_it_was() {
        let body = Bytes::from_static(
            br#"{"meta": {"tags": [{}]}, "data" : {"rows": [ {"v":1.10}, {"v":12345678901234567890123} ]}, "next":null}"#,
        );
        let list = list_of(&body).unwrap();
        assert_eq!(list.records, [r#"{"v":1.10}"#, r#"{"v":12345678901234567890123}"#]);
        let turned: Vec<String> = list.records.into_iter().rev().collect();
        let expected = r#"{"meta": {"tags": [{}]}, "data" : {"rows": [{"v":12345678901234567890123},{"v":1.10}]}, "next":null}"#;
        assert_eq!(with_records(&body, &turned).unwrap(), expected);
        assert!(list_of(b"{\"a\":1}").is_none() && list_of(b"id\n1\n").is_none() && list_of(b"[1,2]").is_none());
    }
}
