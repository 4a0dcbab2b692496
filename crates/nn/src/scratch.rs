//! Memory that a thread keeps between calls, and memory that the tasks of one call share.

use std::cell::RefCell;
use std::marker::PhantomData;

/// A cache line of elements.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

thread_local! {
    /// Buffers that no call on this thread uses now; the last one returned is taken first.
    static FREE: RefCell<Vec<Vec<Line>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of this thread, returned when it is dropped.
///
/// A guard and not a function that calls back: a closure would be compiled without the vector
/// instructions of the kernel that it is written in.
pub(crate) struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

/// Takes `len` elements, aligned to a cache line, that hold whatever the last user left.
///
/// Takes nest; after the first of a size nothing is allocated.
pub(crate) fn take(len: usize) -> Buffer {
    let mut lines = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if lines.len() * 16 < len {
        lines.resize(len.div_ceil(16), Line([0.0; 16]));
    }
    Buffer { lines, len }
}

impl Buffer {
    /// The elements.
    pub(crate) fn elements(&mut self) -> &mut [f32] {
        // SAFETY: a line is 16 elements without padding, and there are lines for `len` elements.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        FREE.with_borrow_mut(|free| free.push(lines));
    }
}

/// A slice of which each task of a call writes its own part.
pub(crate) struct Shared<'a, T = f32> {
    start: *mut T,
    len: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// Not derived: a pointer is copied whatever it points to.
impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

// SAFETY: the only access is `part`, whose callers promise disjoint parts.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Shares `slice` for as long as it is borrowed.
    pub(crate) fn new(slice: &'a mut [T]) -> Shared<'a, T> {
        Shared { start: slice.as_mut_ptr(), len: slice.len(), lifetime: PhantomData }
    }

    /// The elements `at..at + len`.
    ///
    /// # Safety
    /// No other reference to any of them is alive.
    #[inline(always)]
    pub(crate) unsafe fn part(&self, at: usize, len: usize) -> &'a mut [T] {
        assert!(at <= self.len && len <= self.len - at, "part lies within the slice");
        // SAFETY: in bounds; the caller promises that it is the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), len) }
    }
}
