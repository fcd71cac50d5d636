//! Netlink messages written into lent memory: headers, attributes, nests, and the batch around them.
//!
//! Message and attribute headers, which are netlink's, have the byte order of the machine; values, which are nf_tables', are
//! big-endian (linux/netlink.h, linux/netfilter/nfnetlink.h). A message that does not fit leaves the batch as it was and
//! is [`Full`]; nothing here panics.

/// The lent buffer has no room for this message: send what is there, begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

pub(super) const NLM_F_REQUEST: u16 = 0x1;
pub(super) const NLM_F_ACK: u16 = 0x4;
pub(super) const NLM_F_CREATE: u16 = 0x400;
pub(super) const NLM_F_APPEND: u16 = 0x800;

const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
/// NFNL_SUBSYS_NFTABLES, the high byte of a message type.
pub(super) const SUBSYSTEM: u16 = 10;
/// NFPROTO_INET: IPv4 and IPv6 in one table.
pub(super) const FAMILY_INET: u8 = 1;
/// Set on the type of an attribute that holds attributes.
const NESTED: u16 = 0x8000;

/// `struct nlmsghdr` and `struct nfgenmsg`.
pub(super) const HEADERS: usize = 20;
/// `struct nlattr`.
pub(super) const ATTR: usize = 4;

/// The smallest buffer of a [`Batch`], in bytes: any single message of the host fits it.
pub const MIN_BUFFER: usize = 4096;

/// Messages that the kernel applies as a whole or not at all, written one after the other into a lent buffer.
///
/// The messages are numbered from the number given to [`Batch::begin`], so that an error answer says which one it means.
pub struct Batch<'b> {
    buf: &'b mut [u8],
    len: usize,
    first: u32,
    messages: u32,
    /// Where the header of the last message within the batch starts.
    last: Option<usize>,
}

/// A batch that is ready to be sent.
#[derive(Debug)]
pub struct Finished<'b> {
    /// All of it, to be sent as one datagram.
    pub bytes: &'b [u8],
    /// The sequence number of its first message.
    pub first: u32,
    /// How many sequence numbers it uses.
    pub messages: u32,
    /// The sequence number that the kernel acknowledges if all went well.
    pub ack: u32,
}

impl Finished<'_> {
    /// The sequence number after its last.
    pub const fn next(&self) -> u32 {
        self.first.wrapping_add(self.messages)
    }

    /// Whether an answer with sequence number `seq` belongs to this batch.
    pub const fn owns(&self, seq: u32) -> bool {
        seq.wrapping_sub(self.first) < self.messages
    }
}

impl<'b> Batch<'b> {
    /// An empty batch in `buf`, its messages numbered from `first`. [`Full`] below [`MIN_BUFFER`] bytes.
    pub fn begin(buf: &'b mut [u8], first: u32) -> Result<Self, Full> {
        if buf.len() < MIN_BUFFER {
            return Err(Full);
        }
        let mut batch = Self { buf, len: 0, first, messages: 0, last: None };
        batch.header(BATCH_BEGIN, NLM_F_REQUEST, 0, SUBSYSTEM)?;
        batch.close(0)?;
        Ok(batch)
    }

    /// Whether it holds no message yet.
    pub const fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// How many bytes are left for messages.
    pub const fn room(&self) -> usize {
        // Without the room for the end message.
        self.buf.len().saturating_sub(self.len).saturating_sub(HEADERS)
    }

    /// Closes the batch and asks for an acknowledgement of its last message, since older kernels do not acknowledge the end
    /// message.
    ///
    /// # Errors
    ///
    /// [`Full`] where the batch is empty: it would never be acknowledged.
    pub fn finish(mut self) -> Result<Finished<'b>, Full> {
        let last = self.last.ok_or(Full)?;
        let ack = self.first.wrapping_add(self.messages).wrapping_sub(1);
        self.patch(last + 6, &(NLM_F_REQUEST | NLM_F_ACK | self.flags_at(last)).to_ne_bytes())?;
        let start = self.len;
        self.header(BATCH_END, NLM_F_REQUEST, 0, SUBSYSTEM)?;
        self.close(start)?;
        let Self { buf, len, first, messages, .. } = self;
        Ok(Finished { bytes: buf.get(..len).ok_or(Full)?, first, messages, ack })
    }

    /// One nf_tables message; on [`Full`] the batch is as before.
    pub(super) fn message(
        &mut self,
        kind: u16,
        flags: u16,
        body: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        let (start, messages) = (self.len, self.messages);
        let write = || {
            self.header(SUBSYSTEM << 8 | kind, NLM_F_REQUEST | flags, FAMILY_INET, 0)?;
            body(self)?;
            if self.len + HEADERS > self.buf.len() {
                return Err(Full);
            }
            self.close(start)
        };
        let written = write();
        if written.is_err() {
            (self.len, self.messages) = (start, messages);
        } else {
            self.last = Some(start);
        }
        written
    }

    /// An attribute of raw bytes, padded to four.
    pub(super) fn bytes(&mut self, kind: u16, value: &[u8]) -> Result<(), Full> {
        let len = u16::try_from(ATTR + value.len()).map_err(|_| Full)?;
        self.put(&len.to_ne_bytes())?;
        self.put(&kind.to_ne_bytes())?;
        self.put(value)?;
        self.pad()
    }

    /// A NUL-terminated string.
    pub(super) fn text(&mut self, kind: u16, value: &[u8]) -> Result<(), Full> {
        let len = u16::try_from(ATTR + value.len() + 1).map_err(|_| Full)?;
        self.put(&len.to_ne_bytes())?;
        self.put(&kind.to_ne_bytes())?;
        self.put(value)?;
        self.put(&[0])?;
        self.pad()
    }

    /// A big-endian 32-bit number.
    pub(super) fn number(&mut self, kind: u16, value: u32) -> Result<(), Full> {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// An attribute that holds attributes. At most 65,535 bytes, else [`Full`].
    pub(super) fn nest(
        &mut self,
        kind: u16,
        body: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        let start = self.len;
        self.put(&[0; 2])?;
        self.put(&(kind | NESTED).to_ne_bytes())?;
        body(self)?;
        let len = u16::try_from(self.len - start).map_err(|_| Full)?;
        self.patch(start, &len.to_ne_bytes())
    }

    fn header(&mut self, kind: u16, flags: u16, family: u8, resource: u16) -> Result<(), Full> {
        self.put(&[0; 4])?; // the length, known at the end
        self.put(&kind.to_ne_bytes())?;
        self.put(&flags.to_ne_bytes())?;
        self.put(&self.first.wrapping_add(self.messages).to_ne_bytes())?;
        self.put(&[0; 4])?; // to the kernel
        self.put(&[family, 0])?;
        self.put(&resource.to_be_bytes())
    }

    fn close(&mut self, start: usize) -> Result<(), Full> {
        let len = u32::try_from(self.len - start).map_err(|_| Full)?;
        self.patch(start, &len.to_ne_bytes())?;
        self.messages = self.messages.wrapping_add(1);
        Ok(())
    }

    fn flags_at(&self, message: usize) -> u16 {
        match self.buf.get(message + 6..message + 8) {
            Some(&[a, b]) => u16::from_ne_bytes([a, b]),
            _ => 0,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.len + bytes.len();
        self.buf.get_mut(self.len..end).ok_or(Full)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    fn pad(&mut self) -> Result<(), Full> {
        let zeros = [0u8; 3];
        let missing = self.len.wrapping_neg() & 3;
        self.put(zeros.get(..missing).unwrap_or(&[]))
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) -> Result<(), Full> {
        self.buf.get_mut(at..at + bytes.len()).ok_or(Full)?.copy_from_slice(bytes);
        Ok(())
    }
}
