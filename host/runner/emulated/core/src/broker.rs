//! What guests ask of the builder, and its form on the socket between them.

/// Set a symbolic link's times: four words, or none for "now"; the link, `O_PATH`.
pub const LINK_TIMES: u32 = 1;
/// connect(2): the address, or none when the peer's inode comes along; the caller's user and group
/// after the request; the socket, the inode. As of a socket that does not wait: `EINPROGRESS` and
/// `EALREADY`, or `EAGAIN` where a Unix socket's peer has no room.
pub const CONNECT: u32 = 2;
/// inotify_add_watch(2): flags = the mask; the inotify instance, the file, `O_PATH`.
pub const WATCH: u32 = 3;
/// sendmsg(2): the address, the data after the request; the socket, the peer's inode if
/// [`Request::target`] says so, the descriptors to be passed.
pub const SEND: u32 = 4;
/// fchmod(2): flags = the mode; the file.
pub const MODE: u32 = 5;
/// futimens(3): as [`LINK_TIMES`]; the file.
pub const TIMES: u32 = 6;
/// fsetxattr(2): the name, NUL, the value after the request; the file.
pub const SET_XATTR: u32 = 7;
/// fremovexattr(2): the name and NUL after the request; the file.
pub const REMOVE_XATTR: u32 = 8;
/// Open a terminal: flags = those of open(2); its number, or nothing for a new one. The answer is
/// its number, and the descriptor.
pub const TERMINAL: u32 = 9;
/// A file of /proc as the guest is to see it: the file, open for reading; the caller's credentials
/// after the request. The descriptor comes with the answer.
pub const PROC_TEXT: u32 = 10;

/// A call of System V IPC, see [`crate::sysv`].
pub const SYSV: u32 = 11;
/// A Unix socket is about to listen: the caller's user and group.
pub const LISTEN: u32 = 12;
/// Who is at the other end: flags = the process that the kernel names; the socket. Process, user and
/// group come after the answer.
pub const PEER: u32 = 13;
/// A call that sets another thread's priority, policy, processors or limits, in the form of
/// [`crate::sysv::request`] without credentials. After the answer comes what prlimit(2) tells.
pub const SCHEDULE: u32 = 14;
/// SO_LINGER: flags = whether a connection is reset when it is closed; the socket.
pub const LINGER: u32 = 15;

/// Longest payload: a `struct sockaddr_un` and a bit.
pub const PAYLOAD_MAX: usize = 128;
/// Length of every request.
pub const REQUEST_LEN: usize = 16 + PAYLOAD_MAX;
/// Most bytes after a request: a datagram of UDP fits.
pub const DATA_MAX: usize = 64 * 1024;
/// Most descriptors of the guest's that one message passes on.
pub const FILES_MAX: usize = 16;

/// A request; the reply's socket and the descriptors it is about go with it. The answer is four
/// bytes: the call's value, or its negated errno.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which.
    pub kind: u32,
    /// How much of the payload is used.
    pub len: u32,
    /// The call's flags.
    pub flags: u32,
    /// Whether the second descriptor is the peer's inode.
    pub target: bool,
    /// The rest.
    pub payload: [u8; PAYLOAD_MAX],
}

impl Request {
    /// One without payload.
    #[must_use]
    pub const fn new(kind: u32) -> Self {
        Self { kind, len: 0, flags: 0, target: false, payload: [0; PAYLOAD_MAX] }
    }

    /// As it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; REQUEST_LEN] {
        let mut bytes = [0; REQUEST_LEN];
        let (words, payload) = bytes.split_at_mut(16);
        let values = [self.kind, self.len, self.flags, u32::from(self.target)];
        for (word, value) in words.chunks_exact_mut(4).zip(values) {
            word.copy_from_slice(&value.to_ne_bytes());
        }
        payload.copy_from_slice(&self.payload);
        bytes
    }

    /// As it is received, and the data after it; `None` when a length is wrong.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (request, data) = bytes.split_first_chunk::<REQUEST_LEN>()?;
        let (words, payload) = request.split_first_chunk::<16>()?;
        let mut words = words
            .chunks_exact(4)
            .filter_map(|word| Some(u32::from_ne_bytes(word.try_into().ok()?)));
        let (kind, len, flags, target) =
            (words.next()?, words.next()?, words.next()?, words.next()? != 0);
        if usize::try_from(len).ok()? > PAYLOAD_MAX {
            return None;
        }
        Some((Self { kind, len, flags, target, payload: payload.try_into().ok()? }, data))
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
        request.flags = 7;
        request.target = true;
        request.payload[..3].copy_from_slice(b"abc");
        let mut bytes = request.to_bytes().to_vec();
        bytes.extend_from_slice(b"data");
        let (read, data) = Request::parse(&bytes).unwrap();
        assert_eq!((read.kind, read.used(), read.flags, read.target), (2, &b"abc"[..], 7, true));
        assert_eq!(data, b"data");
        assert!(Request::parse(&bytes[..REQUEST_LEN - 1]).is_none());
        bytes[4] = 129;
        assert!(Request::parse(&bytes).is_none());
    }
}
