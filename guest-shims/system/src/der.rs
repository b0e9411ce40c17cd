//! As much of DER (X.690) as a certificate's names need.

/// What a tag says.
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const UTF8: u8 = 0x0c;

/// Values one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

/// A value: its tag, its contents, and both with the length between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) tag: u8,
    pub(crate) contents: &'a [u8],
    pub(crate) whole: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next value; nothing at the end, or when it is damaged.
    pub(crate) fn next(&mut self) -> Option<Item<'a>> {
        let all = self.0;
        let (&tag, rest) = all.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first & 0x7f);
        if first & 0x80 != 0 {
            if length > 4 {
                return None;
            }
            let (bytes, after) = rest.split_at_checked(length)?;
            length = bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
            rest = after;
        }
        let (contents, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some(Item { tag, contents, whole: &all[..all.len() - after.len()] })
    }

    /// The contents of the next value, when it has this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.next().filter(|item| item.tag == tag).map(|item| Self(item.contents))
    }
}

/// A value of this tag and contents.
pub(crate) fn encode(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut encoded = vec![tag];
    match contents.len() {
        length @ 0..0x80 => encoded.push(u8::try_from(length).unwrap_or(0)),
        length => {
            let bytes = length.to_be_bytes();
            let skip = bytes.iter().take_while(|&&byte| byte == 0).count();
            encoded.push(0x80 | u8::try_from(bytes.len() - skip).unwrap_or(0));
            encoded.extend_from_slice(&bytes[skip..]);
        }
    }
    encoded.extend_from_slice(contents);
    encoded
}
