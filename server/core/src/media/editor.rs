/// Rewrites a file in place, front to back: what is kept moves up over what was dropped. No second copy, linear in its bytes.
pub(super) struct Editor {
    bytes: Vec<u8>,
    /// How far it is read; what is behind is decided.
    read: usize,
    /// How far it is written, never beyond `read`.
    written: usize,
}

impl Editor {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, read: 0, written: 0 }
    }

    /// What is not decided yet.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.read..).unwrap_or_default()
    }

    /// Keeps the next bytes, or all when there are fewer.
    pub(super) fn keep(&mut self, len: usize) {
        let end = self.read.saturating_add(len).min(self.bytes.len());
        self.bytes.copy_within(self.read..end, self.written);
        self.written += end - self.read;
        self.read = end;
    }

    /// Drops the next bytes, or all when there are fewer.
    pub(super) fn drop(&mut self, len: usize) {
        self.read = self.read.saturating_add(len).min(self.bytes.len());
    }

    /// Drops the next bytes and has `new` in their place; only drops when `new` is longer.
    pub(super) fn replace(&mut self, len: usize, new: &[u8]) {
        self.drop(len);
        if new.len() <= len
            && let Some(place) = self.bytes.get_mut(self.written..self.written + new.len())
        {
            place.copy_from_slice(new);
            self.written += new.len();
        }
    }

    /// Writes over what is kept already.
    pub(super) fn patch(&mut self, at: usize, new: &[u8]) {
        if at + new.len() <= self.written
            && let Some(place) = self.bytes.get_mut(at..at + new.len())
        {
            place.copy_from_slice(new);
        }
    }

    /// Bytes kept so far.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// What was kept. What was not decided is dropped.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.written);
        self.bytes
    }
}

/// The `N` bytes at `at`.
pub(super) fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_be_bytes)
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_be_bytes)
}

pub(super) fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

pub(super) fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

/// Three bytes, the lowest first.
pub(super) fn le24(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
}
