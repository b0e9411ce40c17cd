//! What guests ask of the builder, and its form on the socket between them.

/// Set a symbolic link's times: four words, or none for "now"; the link, `O_PATH`.
pub const LINK_TIMES: u32 = 1;
/// connect(2): the address, or none when the socket's inode comes along; the socket, the inode.
pub const CONNECT: u32 = 2;

/// Longest payload: a `struct sockaddr_un` and a bit.
pub const PAYLOAD_MAX: usize = 128;
/// Length of every request.
pub const REQUEST_LEN: usize = 8 + PAYLOAD_MAX;

/// A request; the reply's socket and the descriptors it is about go with it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which.
    pub kind: u32,
    /// How much of the payload is used.
    pub len: u32,
    /// The rest.
    pub payload: [u8; PAYLOAD_MAX],
}

impl Request {
    /// One without payload.
    #[must_use]
    pub const fn new(kind: u32) -> Self {
        Self { kind, len: 0, payload: [0; PAYLOAD_MAX] }
    }

    /// As it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; REQUEST_LEN] {
        let mut bytes = [0; REQUEST_LEN];
        let (kind, rest) = bytes.split_at_mut(4);
        let (len, payload) = rest.split_at_mut(4);
        kind.copy_from_slice(&self.kind.to_ne_bytes());
        len.copy_from_slice(&self.len.to_ne_bytes());
        payload.copy_from_slice(&self.payload);
        bytes
    }

    /// As it is received; `None` when the length is wrong.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; REQUEST_LEN] = bytes.try_into().ok()?;
        let (kind, rest) = bytes.split_first_chunk::<4>()?;
        let (len, payload) = rest.split_first_chunk::<4>()?;
        let len = u32::from_ne_bytes(*len);
        if usize::try_from(len).ok()? > PAYLOAD_MAX {
            return None;
        }
        Some(Self { kind: u32::from_ne_bytes(*kind), len, payload: payload.try_into().ok()? })
    }

    /// The used part of the payload.
    #[must_use]
    pub fn used(&self) -> &[u8] {
        usize::try_from(self.len).ok().and_then(|len| self.payload.get(..len)).unwrap_or(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_and_lies_do_not() {
        let mut request = Request::new(CONNECT);
        request.len = 3;
        request.payload[..3].copy_from_slice(b"abc");
        let bytes = request.to_bytes();
        let read = Request::parse(&bytes).unwrap();
        assert_eq!((read.kind, read.used()), (CONNECT, &b"abc"[..]));
        assert!(Request::parse(&bytes[..REQUEST_LEN - 1]).is_none());
        let mut long = bytes;
        long[4] = 129;
        assert!(Request::parse(&long).is_none());
    }
}
