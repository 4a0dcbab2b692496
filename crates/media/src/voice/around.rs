//! A sliding view of a stream's items around each item in turn.

use std::collections::VecDeque;

/// Holds the items within `reach` of a centre, and moves the centre on by one item at a time.
#[derive(Debug)]
pub(super) struct Around<T> {
    reach: usize,
    items: VecDeque<T>,
    centre: usize,
}

impl<T> Around<T> {
    pub(super) fn new(reach: usize) -> Self {
        Self { reach, items: VecDeque::with_capacity(2 * reach + 2), centre: 0 }
    }

    pub(super) fn push(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// The centre and everything held around it, once all that lies ahead of the centre is there (`ended`: will ever be).
    pub(super) fn view(&mut self, ended: bool) -> Option<(&T, &[T])> {
        let ahead = self.items.len().checked_sub(self.centre + 1)?;
        if ahead < self.reach && !ended {
            return None;
        }
        let items = self.items.make_contiguous();
        Some((&items[self.centre], items))
    }

    /// Moves the centre on; gives back an item that is now too far behind.
    pub(super) fn advance(&mut self) -> Option<T> {
        self.centre += 1;
        if self.centre <= self.reach {
            return None;
        }
        self.centre -= 1;
        self.items.pop_front()
    }
}
