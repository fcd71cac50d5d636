//! Memory that lives as long as what borrows it.
//!
//! The core borrows its tables. On a board they are statics; on the host a reload must free those it replaces. What an
//! [`Arena`] hands out is borrowed from it, and freed when the arena is dropped. A struct that holds both the arena and what
//! is borrowed from it uses [`Arena::lend`].

use core::cell::RefCell;
use std::boxed::Box;
use std::vec::Vec;

/// Boxes that grow in number while they are borrowed.
#[derive(Default)]
pub(super) struct Arena(RefCell<Vec<Box<dyn Held>>>);

/// Something to be freed.
trait Held {}

struct Owned<T>(*mut [T]);

impl<T> Held for Owned<T> {}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `Box::into_raw` in `keep_slice` and is freed here only. The references
        // that were handed out have ended, since they borrow from the arena.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl Arena {
    /// Keeps `values` until the arena is dropped.
    #[allow(clippy::mut_from_ref)] // Each call lends another allocation.
    pub(super) fn keep_slice<T: 'static>(&self, values: Vec<T>) -> &mut [T] {
        let raw = Box::into_raw(values.into_boxed_slice());
        self.0.borrow_mut().push(Box::new(Owned(raw)));
        // SAFETY: the allocation lives, and stays where it is, until the arena is dropped; nothing else refers to it.
        unsafe { &mut *raw }
    }

    /// Keeps a copy of `text`.
    pub(super) fn keep_str(&self, text: &str) -> &str {
        core::str::from_utf8(self.keep_slice(text.as_bytes().to_vec())).unwrap_or("")
    }

    /// This arena with the lifetime of one that is never dropped, for a struct that holds it together with what borrows
    /// from it. The arena may be moved: what it hands out stays where it is.
    ///
    /// # Safety
    /// The reference must not be used after the arena is moved. What was handed out through it must not be used after the
    /// arena is dropped.
    pub(super) unsafe fn lend(&self) -> &'static Self {
        // SAFETY: the caller's promise.
        unsafe { &*core::ptr::from_ref(self) }
    }
}
