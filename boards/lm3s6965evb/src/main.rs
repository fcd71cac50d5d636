//! The smallest image with the whole flow from log bytes to bans: Cortex-M3, 256 KiB flash, 64 KiB RAM, no network yet.
//! Log lines come in on UART0, bans go out on it as JSON lines. An EOT byte (0x04) ends the run with a summary line.
//!
//! The image has no clock of its own: the lines' stamps are its clock, as in `edgeban replay`, and its
//! output is what `edgeban replay --json` prints for the same lines without their `lines` member.
//!
//! On a host this crate builds a stub, so that `cargo clippy --workspace` and the tests of [`app`] and
//! [`json`] need no cross compiler.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg_attr(not(target_os = "none"), allow(dead_code))] // A host builds it for its tests only.
mod app;
mod json;

#[cfg(target_os = "none")]
mod chip;
#[cfg(target_os = "none")]
mod semihosting;
#[cfg(target_os = "none")]
mod uart;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("This is firmware: `targets/build thumbv7m-none-eabi` builds it, tests/board.rs runs it.");
}
