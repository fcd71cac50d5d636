//! Civil dates of log lines, and their way to seconds since the epoch.

/// A date and time as a line shows it: in some zone, perhaps without a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, where the form has one.
    pub year: Option<u16>,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 60.
    pub second: u8,
    /// Milliseconds, 0 to 999.
    pub millis: u16,
}

/// A line's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// A civil date, `Some(seconds east of Greenwich)` where the line names its zone.
    Civil(Civil, Option<i32>),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Epoch(i64),
}
