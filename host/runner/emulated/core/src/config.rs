//! What a step's processes must know, in one read-only block that every process maps.
//!
//! The builder writes it before the step starts; the descriptor numbers in it are the same in every
//! process of the step.

/// First of the descriptors that belong to the runner in every process of a step. High, so that the
/// guest's own numbers start at 3 as they should; below 1024, the usual soft limit.
pub const FIRST_FD: i32 = 900;
/// One past the last that they can have.
pub const END_FD: i32 = 1000;
/// The rootfs, `O_PATH`.
pub const ROOT_FD: i32 = 900;
/// The loader.
pub const LOADER_FD: i32 = 901;
/// The ledger's file.
pub const LEDGER_FD: i32 = 902;
/// The configuration block.
pub const CONFIG_FD: i32 = 903;
/// The socket to the builder.
pub const BROKER_FD: i32 = 904;
/// Memory that all processes of the step share for writing: [`crate::processes::WORDS`].
pub const STATE_FD: i32 = 905;
/// First descriptor of a bind; they follow without a gap, so that every number of the range that is
/// guarded is taken.
pub const FIRST_BIND_FD: i32 = 906;
/// First of the descriptors that directories of descriptors in /proc get, of which getdents64(2)
/// traps: see [`crate::descriptors`].
pub const FIRST_LISTING_FD: i32 = 986;
/// One past the last of them.
pub const END_LISTING_FD: i32 = 998;
/// Where the first process reports how the step ended; closed in guests.
pub const STATUS_FD: i32 = 998;
/// The Landlock rules; closed in guests.
pub const RULES_FD: i32 = 999;

/// Most binds a step can have: the descriptors are reserved.
pub const MAX_BINDS: usize = 80;

const _: () = assert!(FIRST_BIND_FD as usize + MAX_BINDS <= FIRST_LISTING_FD as usize);

/// What a bind shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BindKind {
    /// A directory.
    Dir = 0,
    /// Anything else; the descriptor is the file itself.
    File = 1,
    /// The proc file system, with its magic links.
    Proc = 2,
    /// The pod's terminals: only the builder opens one, and only the step's own.
    Terminals = 3,
    /// What makes a new terminal.
    TerminalMaker = 4,
}

/// Something of the host's shown at a path of the guest's.
#[derive(Clone, Copy, Debug)]
pub struct Bind<'a> {
    /// Absolute guest path, canonical.
    pub target: &'a [u8],
    /// Absolute host path, for telling where a descriptor's path lies.
    pub host: &'a [u8],
    /// The `O_PATH` descriptor.
    pub fd: i32,
    /// What it is.
    pub kind: BindKind,
    /// Whether the guest may not write.
    pub read_only: bool,
    /// Device and inode of what the bind covers in the rootfs, 0 when there is nothing.
    pub covered: (u64, u64),
}

/// How the step's first program starts. Lists are NUL-terminated strings, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start<'a> {
    /// Credentials, as [`crate::cred::Credentials::encode`] writes them.
    pub credentials: &'a [u8],
    /// Absolute guest path.
    pub cwd: &'a [u8],
    /// The value of `PATH`, for a program named without a slash.
    pub search: &'a [u8],
    /// Arguments.
    pub argv: &'a [u8],
    /// Environment.
    pub env: &'a [u8],
}

/// The block, parsed.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// Absolute host path of the rootfs.
    pub root: &'a [u8],
    /// The guest's host name.
    pub hostname: &'a [u8],
    /// The uid that everything is stored as.
    pub own_uid: u32,
    /// Whether the network is loopback alone.
    pub no_network: bool,
    /// The seccomp program: `struct sock_filter`s.
    pub filter: &'a [u8],
    /// What the step's abstract Unix sockets are called first.
    pub token: &'a [u8],
    /// Whether attributes are changed by the builder alone: something that the step may only read
    /// is our own on disk.
    pub guarded: bool,
    /// The device number of /proc, whose files belong to whoever looks at them.
    pub proc_device: u64,
    /// Whether signals are scoped by Landlock: to signal everybody is then to signal the step.
    pub scoped: bool,
    /// The first program's start.
    pub start: Start<'a>,
    binds: [Option<Bind<'a>>; MAX_BINDS],
    count: usize,
    /// Bit n: some target's second byte is, modulo 32, n. A cheap first test.
    initials: u32,
}

const MAGIC: &[u8; 8] = b"kilncfg2";

impl<'a> Config<'a> {
    /// A configuration without binds, for tests and as the writer's start.
    #[must_use]
    pub const fn new(root: &'a [u8], hostname: &'a [u8], own_uid: u32) -> Self {
        Self {
            root,
            hostname,
            own_uid,
            no_network: false,
            filter: &[],
            token: &[],
            guarded: false,
            proc_device: 0,
            scoped: false,
            start: Start { credentials: &[], cwd: &[], search: &[], argv: &[], env: &[] },
            binds: [None; MAX_BINDS],
            count: 0,
            initials: 0,
        }
    }

    /// Adds a bind; false when the table is full.
    pub fn add(&mut self, bind: Bind<'a>) -> bool {
        let Some(place) = self.binds.get_mut(self.count) else { return false };
        *place = Some(bind);
        self.count += 1;
        self.initials |= 1 << (bind.target.get(1).copied().unwrap_or(0) % 32);
        true
    }

    /// The binds, later ones win.
    pub fn binds(&self) -> impl DoubleEndedIterator<Item = &Bind<'a>> {
        self.binds.iter().take(self.count).flatten()
    }

    /// One past the last descriptor that guests must not touch.
    #[must_use]
    pub fn end_fd(&self) -> i32 {
        FIRST_BIND_FD + i32::try_from(self.count).unwrap_or(0)
    }

    /// Whether a descriptor is the runner's: guests do not see it.
    #[must_use]
    pub fn is_own(&self, fd: i32) -> bool {
        (FIRST_FD..self.end_fd()).contains(&fd)
    }

    /// The bind mounted exactly at this guest path.
    #[must_use]
    pub fn mounted_at(&self, guest: &[u8]) -> Option<&Bind<'a>> {
        let initial = guest.get(1)? % 32;
        if self.initials & (1 << initial) == 0 {
            return None;
        }
        self.binds().rev().find(|bind| bind.target == guest)
    }

    /// The bind that covers this guest path, with the longest target.
    #[must_use]
    pub fn covering(&self, guest: &[u8]) -> Option<&Bind<'a>> {
        // `//proc` and `/./proc` are spelled out by the walk.
        let initial = *guest.get(1)?;
        if initial == b'/' || initial == b'.' {
            return None;
        }
        if self.initials & (1 << (initial % 32)) == 0 {
            return None;
        }
        let mut best: Option<&Bind<'a>> = None;
        for bind in self.binds() {
            let longer = best.is_none_or(|best| bind.target.len() >= best.target.len());
            if longer && below(guest, bind.target).is_some() {
                best = Some(bind);
            }
        }
        best
    }

    /// Whether this inode of the rootfs is covered by a bind.
    #[must_use]
    pub fn covers_inode(&self, device: u64, inode: u64) -> bool {
        self.binds().any(|bind| bind.covered == (device, inode) && inode != 0)
    }

    /// Whether the path, as it is spelled, may lead to a bind: it must then be walked.
    #[must_use]
    pub fn may_cover(&self, guest: &[u8]) -> bool {
        match guest.get(1) {
            Some(b'/' | b'.') => true,
            Some(initial) => {
                self.initials & (1 << (initial % 32)) != 0 && self.covering(guest).is_some()
            }
            None => false,
        }
    }

    /// Whether the step has mounts of its own that it may write to: caches, file systems in memory.
    #[must_use]
    pub fn has_writable_mounts(&self) -> bool {
        let own = |bind: &Bind<'_>| {
            bind.kind == BindKind::Dir && !bind.read_only && below(bind.target, b"/dev").is_none()
        };
        self.binds().any(own)
    }

    /// Replaces a host path by the guest's name for it; false when the guest has none.
    pub fn to_guest<'p>(&self, host: &'p [u8]) -> Option<(&[u8], &'p [u8])> {
        let mut best: Option<(&[u8], &'p [u8], usize)> = None;
        if let Some(rest) = below(host, self.root) {
            best = Some((b"", rest, self.root.len()));
        }
        for bind in self.binds() {
            if let Some(rest) = below(host, bind.host)
                && best.is_none_or(|(_, _, len)| bind.host.len() > len)
            {
                best = Some((bind.target, rest, bind.host.len()));
            }
        }
        best.map(|(target, rest, _)| (target, rest))
    }

    /// Reads the block.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut input = Input(bytes);
        if input.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let own_uid = input.u32()?;
        let no_network = input.u32()? != 0;
        let mut config = Self::new(input.string()?, input.string()?, own_uid);
        config.no_network = no_network;
        config.filter = input.string()?;
        config.token = input.string()?;
        config.guarded = input.u32()? != 0;
        config.proc_device = input.u64()?;
        config.scoped = input.u32()? != 0;
        config.start = Start {
            credentials: input.string()?,
            cwd: input.string()?,
            search: input.string()?,
            argv: input.string()?,
            env: input.string()?,
        };
        for _ in 0..input.u32()? {
            let fd = input.u32()?.cast_signed();
            let kind = match input.u32()? {
                0 => BindKind::Dir,
                1 => BindKind::File,
                2 => BindKind::Proc,
                3 => BindKind::Terminals,
                4 => BindKind::TerminalMaker,
                _ => return None,
            };
            let read_only = input.u32()? != 0;
            let covered = (input.u64()?, input.u64()?);
            let (target, host) = (input.string()?, input.string()?);
            config.add(Bind { target, host, fd, kind, read_only, covered }).then_some(())?;
        }
        Some(config)
    }

    /// Writes the block, piece by piece.
    pub fn write(&self, mut out: impl FnMut(&[u8])) {
        fn string(out: &mut impl FnMut(&[u8]), bytes: &[u8]) {
            out(&u32::try_from(bytes.len()).unwrap_or(0).to_ne_bytes());
            out(bytes);
        }
        out(MAGIC);
        out(&self.own_uid.to_ne_bytes());
        out(&u32::from(self.no_network).to_ne_bytes());
        string(&mut out, self.root);
        string(&mut out, self.hostname);
        string(&mut out, self.filter);
        string(&mut out, self.token);
        out(&u32::from(self.guarded).to_ne_bytes());
        out(&self.proc_device.to_ne_bytes());
        out(&u32::from(self.scoped).to_ne_bytes());
        let Start { credentials, cwd, search, argv, env } = self.start;
        for text in [credentials, cwd, search, argv, env] {
            string(&mut out, text);
        }
        out(&u32::try_from(self.count).unwrap_or(0).to_ne_bytes());
        for bind in self.binds() {
            out(&bind.fd.to_ne_bytes());
            out(&u32::from(bind.kind as u8).to_ne_bytes());
            out(&u32::from(bind.read_only).to_ne_bytes());
            out(&bind.covered.0.to_ne_bytes());
            out(&bind.covered.1.to_ne_bytes());
            string(&mut out, bind.target);
            string(&mut out, bind.host);
        }
    }
}

/// What follows `prefix` in `path`: empty, or from a slash on. A `prefix` of `/` is the root.
#[must_use]
pub fn below<'p>(path: &'p [u8], prefix: &[u8]) -> Option<&'p [u8]> {
    let prefix = if prefix == b"/" { b"" } else { prefix };
    let rest = path.strip_prefix(prefix)?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.take(8)?.try_into().ok()?))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind<'a>(target: &'a [u8], host: &'a [u8]) -> Bind<'a> {
        Bind { target, host, fd: 910, kind: BindKind::Dir, read_only: true, covered: (1, 2) }
    }

    #[test]
    fn the_block_survives() {
        let mut config = Config::new(b"/w/root", b"build", 65532);
        config.filter = b"12345678";
        assert!(config.add(bind(b"/proc", b"/proc")));
        assert!(config.add(bind(b"/root/.cache", b"/w/cache")));
        let mut bytes = Vec::new();
        config.write(|piece| bytes.extend_from_slice(piece));
        let read = Config::parse(&bytes).unwrap();
        assert_eq!(read.root, b"/w/root");
        assert_eq!(read.binds().count(), 2);
        assert_eq!(read.binds().nth(1).unwrap().host, b"/w/cache");
        for cut in 0..bytes.len() {
            assert!(Config::parse(&bytes[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn binds_cover_whole_components() {
        let mut config = Config::new(b"/w/root", b"build", 1);
        config.add(bind(b"/dev", b"/w/dev"));
        config.add(bind(b"/dev/null", b"/dev/null"));
        assert!(config.covering(b"/device").is_none());
        assert_eq!(config.covering(b"/dev/null").unwrap().host, b"/dev/null");
        assert_eq!(config.covering(b"/dev/x").unwrap().host, b"/w/dev");
        assert!(config.mounted_at(b"/dev/x").is_none());
        assert!(config.may_cover(b"//dev/x"));
        assert!(!config.may_cover(b"/usr/dev"));
    }

    #[test]
    fn host_paths_become_guest_paths() {
        let mut config = Config::new(b"/w/root", b"build", 1);
        config.add(bind(b"/mnt", b"/w/root/inner"));
        config.add(bind(b"/proc", b"/proc"));
        assert_eq!(config.to_guest(b"/w/root").unwrap(), (&b""[..], &b""[..]));
        assert_eq!(config.to_guest(b"/w/root/a").unwrap(), (&b""[..], &b"/a"[..]));
        assert_eq!(config.to_guest(b"/w/root/inner/b").unwrap(), (&b"/mnt"[..], &b"/b"[..]));
        assert_eq!(config.to_guest(b"/proc/1").unwrap(), (&b"/proc"[..], &b"/1"[..]));
        assert!(config.to_guest(b"/w/rootfs").is_none());
    }
}
