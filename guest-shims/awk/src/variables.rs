//! The variables that mean something to the language; their numbers are their places here.

pub(crate) const NAMES: [&str; 16] = [
    "ARGC", "ARGV", "CONVFMT", "ENVIRON", "FILENAME", "FNR", "FS", "NF", "NR", "OFMT", "OFS",
    "ORS", "RLENGTH", "RS", "RSTART", "SUBSEP",
];
pub(crate) const ARGC: usize = 0;
pub(crate) const ARGV: usize = 1;
pub(crate) const CONVFMT: usize = 2;
pub(crate) const ENVIRON: usize = 3;
pub(crate) const FILENAME: usize = 4;
pub(crate) const FNR: usize = 5;
pub(crate) const FS: usize = 6;
pub(crate) const NF: usize = 7;
pub(crate) const NR: usize = 8;
pub(crate) const OFMT: usize = 9;
pub(crate) const OFS: usize = 10;
pub(crate) const ORS: usize = 11;
pub(crate) const RLENGTH: usize = 12;
pub(crate) const RS: usize = 13;
pub(crate) const RSTART: usize = 14;
pub(crate) const SUBSEP: usize = 15;
