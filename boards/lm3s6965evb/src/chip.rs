//! The chip: entry, statics, faults, and how much of the stack was used.

use crate::app::{App, Memory, Stack};
use crate::{semihosting, uart};
use core::panic::PanicInfo;
use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use cortex_m_rt::{ExceptionFrame, entry, exception};
use static_cell::StaticCell;

/// Every table of the application, lent once.
static MEMORY: StaticCell<Memory> = StaticCell::new();

/// Ends a run: end of transmission.
const EOT: u8 = 0x04;

/// cortex-m-rt's `paint-stack` fills the stack with this before anything runs.
const PAINT: u32 = 0xCCCC_CCCC;

// Exit codes, other than QEMU's own 1.
const PANICKED: u32 = 101;
const FAULTED: u32 = 102;
const STRAY_INTERRUPT: u32 = 103;
const BAD_TABLES: u32 = 104;

#[derive(Clone, Copy)]
struct Uart0;

// SAFETY: UART0's number in this chip's vector table; it never changes.
unsafe impl InterruptNumber for Uart0 {
    fn number(self) -> u16 {
        u16::from(uart::IRQ)
    }
}

#[entry]
fn main() -> ! {
    uart::init();
    // SAFETY: handler and reader meet only in critical sections.
    unsafe { NVIC::unmask(Uart0) };
    let Some(mut app) = App::new(MEMORY.uninit(), uart::send) else { semihosting::exit(BAD_TABLES) };
    let mut chunk = [0u8; 64];
    loop {
        let n = uart::receive(&mut chunk);
        let mut parts = chunk.get(..n).unwrap_or(&[]).split(|&b| b == EOT);
        app.bytes(parts.next().unwrap_or(&[]));
        if parts.next().is_some() {
            app.finish(uart::overruns(), stack());
            uart::flush();
            semihosting::exit(0);
        }
    }
}

/// The deepest that the stack has been, and what is reserved for it.
fn stack() -> Stack {
    unsafe extern "C" {
        static _stack_start: u32;
        static _stack_end: u32;
    }
    let (top, bottom) = (&raw const _stack_start, &raw const _stack_end);
    let mut at = bottom;
    // SAFETY: the words between the linker's two symbols are the stack, aligned and mapped.
    while at < top && unsafe { at.read_volatile() } == PAINT {
        at = at.wrapping_add(1);
    }
    Stack { used: (top as usize - at as usize) as u32, reserve: (top as usize - bottom as usize) as u32 }
}

/// Every interrupt but the system's own; only UART0 is unmasked.
#[exception]
unsafe fn DefaultHandler(irq: i16) {
    if irq == i16::from(uart::IRQ) {
        uart::on_interrupt();
    } else {
        semihosting::exit(STRAY_INTERRUPT);
    }
}

#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    semihosting::exit(FAULTED)
}

/// The message is not printed: that would link core::fmt.
#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    semihosting::exit(PANICKED)
}
