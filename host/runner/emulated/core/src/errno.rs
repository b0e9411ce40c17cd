//! Error numbers (errno(3)) as the kernel and the guest know them.

/// A system call's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

/// Result of a call.
pub type Result<T> = core::result::Result<T, Errno>;

macro_rules! errnos {
    ($($name:ident = $value:literal),* $(,)?) => {
        impl Errno {
            $(
                #[doc = concat!("`E", stringify!($name), "`")]
                pub const $name: Self = Self($value);
            )*
        }
    };
}

errnos! {
    PERM = 1, NOENT = 2, SRCH = 3, INTR = 4, IO = 5, TOOBIG = 7, NOEXEC = 8, BADF = 9, AGAIN = 11,
    NOMEM = 12, ACCES = 13, FAULT = 14, BUSY = 16, EXIST = 17, XDEV = 18, NOTDIR = 20, ISDIR = 21,
    INVAL = 22, NXIO = 6, NOSPC = 28, ROFS = 30, RANGE = 34, NAMETOOLONG = 36, NOSYS = 38,
    LOOP = 40, NODATA = 61, OPNOTSUPP = 95, NETUNREACH = 101,
    ALREADY = 114, INPROGRESS = 115,
}

impl Errno {
    /// The value a system call returns for it.
    #[must_use]
    pub const fn negated(self) -> isize {
        -(self.0 as isize)
    }

    /// Splits a raw return value.
    ///
    /// # Errors
    /// The error number when the value lies in the kernel's error range.
    pub const fn check(value: isize) -> Result<usize> {
        if value < 0 && value > -4096 {
            #[expect(clippy::cast_possible_truncation, reason = "between -4095 and -1")]
            return Err(Self(-(value as i32)));
        }
        Ok(value.cast_unsigned())
    }
}
