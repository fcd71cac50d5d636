//! UART0, a PL011: received bytes go through a queue that the interrupt fills, sent ones wait for room.
//!
//! A full queue masks the interrupt until the reader has made room: under QEMU, or with hardware flow
//! control, the sender then waits. On a plain line the chip's FIFO overruns, and the overrun is counted.

use core::cell::{Cell, RefCell};
use core::ptr::{read_volatile, write_volatile};
use cortex_m::interrupt::{self, Mutex};
use heapless::Deque;

const BASE: usize = 0x4000_C000;
const DR: usize = BASE;
const FR: usize = BASE + 0x18;
const IBRD: usize = BASE + 0x24;
const FBRD: usize = BASE + 0x28;
const LCRH: usize = BASE + 0x2C;
const CTL: usize = BASE + 0x30;
const IFLS: usize = BASE + 0x34;
const IM: usize = BASE + 0x38;
const ICR: usize = BASE + 0x44;

/// System control: clock gate of UART0, of GPIO port A (its pins), and their alternate functions.
const RCGC1: usize = 0x400F_E104;
const RCGC2: usize = 0x400F_E108;
const GPIO_A_AFSEL: usize = 0x4000_4420;
const GPIO_A_DEN: usize = 0x4000_451C;

const FR_RX_EMPTY: u32 = 1 << 4;
const FR_TX_FULL: u32 = 1 << 5;
const FR_BUSY: u32 = 1 << 3;
const DR_OVERRUN: u32 = 1 << 11;
const LCRH_FIFO_8N1: u32 = 1 << 4 | 3 << 5;
const CTL_RX_TX_ON: u32 = 1 << 9 | 1 << 8 | 1;
/// Receive and receive-timeout: a FIFO that is less than half full must not wait for more.
const IM_RX: u32 = 1 << 4 | 1 << 6;

/// The interrupt number of UART0.
pub const IRQ: u8 = 5;

/// Bytes that wait for the reader: 44 ms at 115,200 baud, the time for the longest line's work.
const QUEUE: usize = 512;

struct Received {
    bytes: RefCell<Deque<u8, QUEUE>>,
    overruns: Cell<u32>,
}

static RECEIVED: Mutex<Received> =
    Mutex::new(Received { bytes: RefCell::new(Deque::new()), overruns: Cell::new(0) });

fn read(register: usize) -> u32 {
    // SAFETY: a device register of this chip, aligned, always mapped.
    unsafe { read_volatile(register as *const u32) }
}

fn write(register: usize, value: u32) {
    // SAFETY: a device register of this chip, aligned, always mapped; none of them gives a device access to memory.
    unsafe { write_volatile(register as *mut u32, value) }
}

/// 115,200 baud from the 12 MHz clock after reset, FIFOs on, receive interrupts on.
pub fn init() {
    write(RCGC1, read(RCGC1) | 1);
    write(RCGC2, read(RCGC2) | 1);
    read(RCGC2); // The clock needs three cycles before the first access.
    write(GPIO_A_AFSEL, read(GPIO_A_AFSEL) | 3);
    write(GPIO_A_DEN, read(GPIO_A_DEN) | 3);
    write(CTL, 0);
    write(IBRD, 6);
    write(FBRD, 33);
    write(LCRH, LCRH_FIFO_8N1);
    write(IFLS, 0);
    write(CTL, CTL_RX_TX_ON);
    write(IM, IM_RX);
}

/// Moves what the FIFO holds into the queue, as far as there is room.
///
/// The interrupt is acknowledged first: a byte that comes during the work raises it again. Were it acknowledged last,
/// that byte would wait in the FIFO with nothing to announce it.
fn drain(received: &Received, bytes: &mut Deque<u8, QUEUE>) {
    write(ICR, IM_RX);
    while read(FR) & FR_RX_EMPTY == 0 {
        if bytes.is_full() {
            write(IM, 0);
            return;
        }
        let data = read(DR);
        if data & DR_OVERRUN != 0 {
            received.overruns.set(received.overruns.get().saturating_add(1));
        }
        let _ = bytes.push_back(data as u8);
    }
    write(IM, IM_RX);
}

/// The interrupt: empties the FIFO into the queue.
pub fn on_interrupt() {
    interrupt::free(|cs| {
        let received = RECEIVED.borrow(cs);
        if let Ok(mut bytes) = received.bytes.try_borrow_mut() {
            drain(received, &mut bytes);
        }
    });
}

/// Fills `into` with what has come, sleeping until at least one byte has. Returns how many.
pub fn receive(into: &mut [u8]) -> usize {
    loop {
        let n = interrupt::free(|cs| {
            let received = RECEIVED.borrow(cs);
            let Ok(mut bytes) = received.bytes.try_borrow_mut() else { return 0 };
            let mut n = 0;
            for slot in into.iter_mut() {
                let Some(byte) = bytes.pop_front() else { break };
                *slot = byte;
                n += 1;
            }
            // What a full queue left in the FIFO raises no interrupt of its own.
            drain(received, &mut bytes);
            if n == 0 && bytes.is_empty() {
                // Interrupts are off: one that comes now still ends the wait, and runs when they are on again.
                cortex_m::asm::wfi();
            }
            n
        });
        if n > 0 {
            return n;
        }
    }
}

/// How often the chip's FIFO ran over and a byte was lost.
pub fn overruns() -> u32 {
    interrupt::free(|cs| RECEIVED.borrow(cs).overruns.get())
}

/// Sends one byte, waiting for room.
pub fn send(byte: u8) {
    while read(FR) & FR_TX_FULL != 0 {}
    write(DR, u32::from(byte));
}

/// Waits until everything is sent.
pub fn flush() {
    while read(FR) & FR_BUSY != 0 {}
}
