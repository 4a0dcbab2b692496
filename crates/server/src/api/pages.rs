//! Lists, page by page, newest first.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hansard_store::jobs::Page;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::{FieldProblem, Problem};

/// Items of a page, unless the caller asks for another number.
const LIMIT_DEFAULT: u32 = 50;

/// Items of a page at most.
const LIMIT_MAX: u32 = 200;

/// What a cursor begins with, so that another kind of cursor cannot be taken for one.
const MARK: &[u8] = b"before:";

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PageView<T> {
    /// The items, newest first.
    items: Vec<T>,
    /// What to pass as `cursor` for the next page; `null` on the last one.
    next_cursor: Option<String>,
}

impl<T> PageView<T> {
    /// The page as callers see it.
    pub(crate) fn of<I>(page: Page<I>, view: impl Fn(I) -> T) -> Self {
        let next_cursor = page.next.map(cursor);
        Self { items: page.items.into_iter().map(view).collect(), next_cursor }
    }

    /// A list that is short enough to be one page.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self { items, next_cursor: None }
    }
}

/// Where a page begins and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The serial to go on below; `None` at the start.
    pub(crate) before: Option<i64>,
    /// Items of the page.
    pub(crate) limit: u32,
}

impl Place {
    /// The place that a caller names.
    ///
    /// # Errors
    /// For a cursor that no page had, and a limit out of range.
    pub(crate) fn read(given: Option<&str>, limit: Option<u32>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::field("/limit", format!("expected 1 to {LIMIT_MAX}")));
        }
        let before = match given {
            None => None,
            Some(text) => {
                let serial = serial(text);
                Some(serial.ok_or_else(|| Problem::field("/cursor", "expected a next_cursor"))?)
            }
        };
        Ok(Self { before, limit })
    }
}

/// Where a page of a list begins that has an order of its own: behind so many items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// Items before it.
    pub(crate) offset: u32,
    /// Items of the page.
    pub(crate) limit: u32,
}

impl Stretch {
    /// The place that a caller names.
    ///
    /// # Errors
    /// For a cursor that no page had, and a limit out of range.
    pub(crate) fn read(given: Option<&str>, limit: Option<u32>) -> Result<Self, Problem> {
        let Place { before, limit } = Place::read(given, limit)?;
        let offset = u32::try_from(before.unwrap_or_default());
        let offset = offset.map_err(|_| Problem::field("/cursor", "expected a next_cursor"))?;
        Ok(Self { offset, limit })
    }

    /// One item more than the page has: it shows whether the list goes on.
    pub(crate) const fn wanted(self) -> u32 {
        self.limit + 1
    }

    /// The page of `items`, of which there are as many as [`Stretch::wanted`] says, or fewer.
    pub(crate) fn page<I, T>(self, items: Vec<I>, view: impl Fn(I) -> T) -> PageView<T> {
        let has_more = items.len() > self.limit as usize;
        let next = i64::from(self.offset) + i64::from(self.limit);
        PageView {
            items: items.into_iter().take(self.limit as usize).map(view).collect(),
            next_cursor: has_more.then(|| cursor(next)),
        }
    }
}

/// Reads the parameters of a list one by one, so that all mistakes in them are told at once.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    problems: Vec<FieldProblem>,
}

impl Parameters {
    /// The parameter called `name` as `read` has it; nothing where it is not given, or is a mistake.
    pub(crate) fn read<T, E: Display>(
        &mut self,
        name: &str,
        given: Option<&str>,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let result = read(given?);
        result.map_err(|error| self.refuse(name, error.to_string())).ok()
    }

    /// Ends the reading with the place in the list.
    ///
    /// # Errors
    /// All mistakes.
    pub(crate) fn place(
        mut self,
        cursor: Option<&str>,
        limit: Option<u32>,
    ) -> Result<Place, Problem> {
        match Place::read(cursor, limit) {
            Ok(place) if self.problems.is_empty() => Ok(place),
            Ok(_) => Err(Problem::fields(self.problems)),
            Err(problem) => {
                self.problems.extend_from_slice(problem.field_problems());
                Err(Problem::fields(self.problems))
            }
        }
    }

    fn refuse(&mut self, name: &str, detail: String) {
        self.problems.push(FieldProblem { pointer: format!("/{name}"), detail });
    }
}

fn cursor(serial: i64) -> String {
    URL_SAFE_NO_PAD.encode([MARK, serial.to_string().as_bytes()].concat())
}

fn serial(cursor: &str) -> Option<i64> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    std::str::from_utf8(bytes.strip_prefix(MARK)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_junk_is_refused() {
        let place = Place::read(Some(&cursor(42)), None).unwrap();

        assert_eq!(place, Place { before: Some(42), limit: LIMIT_DEFAULT });
        for junk in ["", "42", "%00", "YWZ0ZXI6NDI", &"A".repeat(10_000)] {
            assert!(Place::read(Some(junk), None).is_err(), "{junk:?}");
        }
        assert!(Place::read(None, Some(0)).is_err());
        assert!(Place::read(None, Some(LIMIT_MAX + 1)).is_err());
    }

    #[test]
    fn a_list_with_an_order_of_its_own_goes_on_behind_its_last_item() {
        let first = Stretch::read(None, Some(2)).unwrap();
        assert_eq!((first.offset, first.wanted()), (0, 3));
        let page = first.page(vec!['a', 'b', 'c'], |letter| letter);
        assert_eq!(page.items, ['a', 'b']);

        let next = Stretch::read(page.next_cursor.as_deref(), Some(2)).unwrap();
        assert_eq!(next.offset, 2);
        assert_eq!(next.page(vec!['c'], |letter| letter).next_cursor, None);
        assert!(Stretch::read(Some(&cursor(-1)), None).is_err());
    }
}
