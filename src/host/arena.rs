//! Memory that lives as long as what borrows it.
//!
//! The core borrows its tables. On a board they are statics; on the host a reload must give them back. An
//! [`Arena`] hands out `&'static` slices and frees them when it is dropped; whoever holds it keeps it in the same
//! struct as the borrower, behind it, and never lets the borrower out.

use std::boxed::Box;
use std::vec::Vec;

/// Boxes that are borrowed as if they were static.
#[derive(Default)]
pub(super) struct Arena(Vec<Box<dyn Held>>);

/// Something to be freed.
trait Held {}

struct Owned<T>(*mut [T]);

impl<T> Held for Owned<T> {}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `Box::into_raw` in `keep_slice` and is freed here only. The references
        // that were handed out are gone: the arena is dropped after whatever borrows from it (its contract).
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl Arena {
    /// Keeps `values` until the arena is dropped. The caller must let go of the reference before that.
    pub(super) fn keep_slice<T: 'static>(&mut self, values: Vec<T>) -> &'static mut [T] {
        let raw = Box::into_raw(values.into_boxed_slice());
        self.0.push(Box::new(Owned(raw)));
        // SAFETY: the allocation lives until the arena is dropped, and nothing else refers to it.
        unsafe { &mut *raw }
    }

    /// Keeps a copy of `text`, on the same terms.
    pub(super) fn keep_str(&mut self, text: &str) -> &'static str {
        core::str::from_utf8(self.keep_slice(text.as_bytes().to_vec())).unwrap_or("")
    }
}
