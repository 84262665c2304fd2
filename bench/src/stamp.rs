//! What a message's text says about itself, so that whoever receives it knows which message it is.

/// Identifies a message of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Which sender, counted from 0.
    pub(crate) sender: u32,
    /// Which message of that sender, counted from 0.
    pub(crate) seq: u32,
}

impl Stamp {
    /// The text: `run.sender.seq.` filled up with `x` to `text_len` bytes.
    pub(crate) fn text(self, run: &str, text_len: usize) -> String {
        let mut text = format!("{run}.{}.{}.", self.sender, self.seq);
        text.extend(std::iter::repeat_n('x', text_len.saturating_sub(text.len())));
        text
    }

    /// Reads the text back; `None` when it is not of this run or was changed on the way.
    pub(crate) fn read(text: &str, run: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(run)?.strip_prefix('.')?.split('.');
        let stamp = Self { sender: parts.next()?.parse().ok()?, seq: parts.next()?.parse().ok()? };
        let intact = parts.next()?.bytes().all(|byte| byte == b'x') && parts.next().is_none();
        intact.then_some(stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_from_its_text() {
        let stamp = Stamp { sender: 12, seq: 345 };
        let text = stamp.text("run", 80);
        assert_eq!(text.len(), 80);
        assert_eq!(Stamp::read(&text, "run"), Some(stamp));
        assert_eq!(Stamp::read(&text, "other"), None);
        assert_eq!(Stamp::read(&text.replace("xx", "y"), "run"), None);
        assert_eq!(Stamp::read("run.1", "run"), None);
    }
}
