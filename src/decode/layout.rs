//! Layouts: which members each object of a struct had, and in which order, so that its JSON text comes back.
//!
//! In: the fields' places as an object names them. Out: a [`Layout`] for each slot, and the spelling that most of them have. Invariants: a slot
//! for each object; null ones, and those behind the last object, are of no account. Two bytes an object, and the list of its members where it is
//! like no other.

use crate::decode::Spelling;

/// Of an object whose members all have values, and come in the order of the fields.
const VALUED: u16 = 0x7fff;
/// Of an object whose members are listed.
const LISTED: u16 = u16::MAX;
/// Of an object that has the first fields, and null among them. Without this bit they all have values.
const HAS_NULL: u16 = 0x8000;

/// The members of one object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Layout<'a> {
    /// The fields that have values.
    Valued,
    /// The first fields, also those that are null.
    First(usize),
    /// The fields at these places.
    Listed(&'a [u16]),
}

/// The layouts of a struct's slots.
#[derive(Debug, Clone, Default)]
pub(super) struct Layouts {
    kinds: Vec<u16>,
    listed: Vec<(u32, Box<[u16]>)>,
}

impl Layouts {
    /// Notes the object in `slot`, behind those there are: its members, and whether one of them is null.
    pub(super) fn push(&mut self, slot: usize, places: &[u16], has_null: bool) {
        self.truncate(slot);
        self.kinds.resize(slot, VALUED);
        let are_first =
            places.iter().enumerate().all(|(at, place)| at == usize::from(*place)) && places.len() < usize::from(VALUED);
        let kind = match (are_first, has_null) {
            (true, false) => places.len() as u16,
            (true, true) => places.len() as u16 | HAS_NULL,
            (false, false) if places.is_sorted_by(|one, next| one < next) => VALUED,
            (false, _) => {
                self.listed.push((slot as u32, places.into()));
                LISTED
            }
        };
        self.kinds.push(kind);
    }

    /// Forgets the slots from `len` on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.kinds.truncate(len);
        while self.listed.last().is_some_and(|(slot, _)| *slot as usize >= len) {
            self.listed.pop();
        }
    }

    /// The members of the object in `slot`.
    pub(super) fn get(&self, slot: usize) -> Layout<'_> {
        match self.kinds.get(slot) {
            None | Some(&VALUED) => Layout::Valued,
            Some(&LISTED) => {
                let found = self.listed.binary_search_by_key(&slot, |(slot, _)| *slot as usize).ok();
                found.and_then(|at| self.listed.get(at)).map_or(Layout::Valued, |(_, places)| Layout::Listed(places))
            }
            Some(&first) => Layout::First(usize::from(first & !HAS_NULL)),
        }
    }

    /// The spelling that most of `slots` have, those with the first fields before others; of a struct of `fields` fields without objects, that of
    /// whole ones.
    pub(super) fn spelling(&self, slots: impl Iterator<Item = usize>, fields: usize) -> Spelling {
        let (mut valued, mut firsts) = (0_usize, vec![0_usize; fields + 1]);
        for slot in slots {
            let kind = self.kinds.get(slot).copied().unwrap_or(VALUED);
            valued += usize::from(kind != LISTED && kind & HAS_NULL == 0);
            if let Some(count) = firsts.get_mut(usize::from(kind & !HAS_NULL)) {
                *count += 1;
            }
        }
        let most = (0_u16..).zip(firsts).filter(|(_, count)| *count > 0).max_by_key(|(first, count)| (*count, *first));
        match most {
            Some((first, count)) if count >= valued => Spelling::First(first),
            None if valued == 0 => Spelling::First(u16::try_from(fields).unwrap_or(0)),
            _ => Spelling::Valued,
        }
    }

    /// Whether the object in `slot` is of this spelling.
    pub(super) fn is(&self, slot: usize, spelling: Spelling) -> bool {
        let kind = self.kinds.get(slot).copied().unwrap_or(VALUED);
        match spelling {
            Spelling::First(first) => kind & !HAS_NULL == first,
            _ => kind != LISTED && kind & HAS_NULL == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(objects: &[(&[u16], bool)]) -> Layouts {
        let mut layouts = Layouts::default();
        objects.iter().enumerate().for_each(|(slot, (places, has_null))| layouts.push(slot, places, *has_null));
        layouts
    }

    #[test]
    fn objects_are_told_apart_by_their_members_and_their_order() {
        let layouts = of(&[(&[0, 1], false), (&[0, 1], true), (&[0, 2], false), (&[0, 2], true), (&[1, 0], false), (&[], false)]);
        let found: Vec<_> = (0..7).map(|slot| layouts.get(slot)).collect();
        assert_eq!(
            found,
            [
                Layout::First(2),
                Layout::First(2),
                Layout::Valued,
                Layout::Listed(&[0, 2]),
                Layout::Listed(&[1, 0]),
                Layout::First(0),
                Layout::Valued,
            ]
        );
        let is = |spelling| (0..6).filter(|slot| layouts.is(*slot, spelling)).collect::<Vec<_>>();
        assert_eq!((is(Spelling::First(2)), is(Spelling::Valued)), (vec![0, 1], vec![0, 2, 5]));
        assert_eq!(layouts.spelling(0..6, 3), Spelling::Valued);
        assert_eq!(layouts.spelling(0..2, 3), Spelling::First(2));
        assert_eq!(layouts.spelling(0..0, 3), Spelling::First(3));
    }

    #[test]
    fn what_is_forgotten_leaves_nothing_behind() {
        let mut layouts = of(&[(&[0], false), (&[1, 0], false), (&[1, 0], false)]);
        layouts.truncate(1);
        layouts.push(3, &[0, 1], true);
        let found: Vec<_> = (0..4).map(|slot| layouts.get(slot)).collect();
        assert_eq!(found, [Layout::First(1), Layout::Valued, Layout::Valued, Layout::First(2)]);
    }
}
