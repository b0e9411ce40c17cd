//! The commands that take archives and compressed files apart. What compresses is left to the native
//! tools: their output, byte for byte, cannot be had otherwise.

mod expand;
mod extract;
mod header;
mod open;
mod tar;
mod unzip;
mod zip;

shim::commands! {
    "bunzip2" => expand::main,
    "bzcat" => expand::main,
    "gunzip" => expand::main,
    "gzip" => expand::main,
    "tar" => tar::main,
    "unxz" => expand::main,
    "unzstd" => expand::main,
    "unzip" => unzip::main,
    "xz" => expand::main,
    "xzcat" => expand::main,
    "zcat" => expand::main,
    "zstdcat" => expand::main,
}
