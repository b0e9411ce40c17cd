//! The runner's own descriptors, which a guest can neither close nor see.

use kiln_emulated_core::arch::{LOADER_BASE, LOADER_SPAN};
use kiln_emulated_core::config::{END_LISTING_FD, FIRST_FD, FIRST_LISTING_FD};

use super::{
    ALLOW, AT_LEAST, EBADF, EQUAL, ERRNO, LOAD, POINTER_HIGH, POINTER_LOW, Program, RETURN,
    argument,
};

impl Program {
    /// `EBADF` when this argument is one.
    pub(super) fn guard(&mut self, index: u32) {
        self.emit(LOAD, argument(index).0);
        self.emit_test(AT_LEAST, self.end_fd.cast_unsigned(), 2, 0);
        self.emit_test(AT_LEAST, FIRST_FD.cast_unsigned(), 0, 1);
        self.emit(RETURN, ERRNO | EBADF);
        self.emit(RETURN, ALLOW);
    }

    /// `EBADF` when the first argument is one, save for the handler; else goes on.
    pub(super) fn hide_own(&mut self) {
        self.emit(LOAD, argument(0).0);
        self.emit_test(AT_LEAST, self.end_fd.cast_unsigned(), 6, 0);
        self.emit_test(AT_LEAST, FIRST_FD.cast_unsigned(), 0, 5);
        self.emit(LOAD, POINTER_HIGH);
        self.emit_test(EQUAL, u32::try_from(LOADER_BASE >> 32).unwrap_or(0), 0, 2);
        self.emit(LOAD, POINTER_LOW);
        self.emit_test(AT_LEAST, LOADER_SPAN, 0, 1);
        self.emit(RETURN, ERRNO | EBADF);
    }

    /// To the handler when the descriptor may be a directory that lists descriptors.
    pub(super) fn list(&mut self) {
        self.emit(LOAD, argument(0).0);
        self.emit_test(AT_LEAST, END_LISTING_FD.cast_unsigned(), 7, 0);
        self.emit_test(AT_LEAST, FIRST_LISTING_FD.cast_unsigned(), 0, 6);
        self.emulate(ALLOW);
        self.emit(RETURN, ALLOW);
    }
}
