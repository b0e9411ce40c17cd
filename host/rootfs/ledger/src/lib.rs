//! The ledger's table: what an unprivileged file system cannot hold, keyed by inode.
