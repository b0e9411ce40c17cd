//! Compressed streams.

use std::io::{self, BufRead, Read};

use shim::Input;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

/// What a stream begins with says.
pub(crate) fn detect(begin: &[u8]) -> Format {
    if begin.starts_with(b"\x1f\x8b") {
        Format::Gzip
    } else if begin.starts_with(b"BZh") {
        Format::Bzip2
    } else if begin.starts_with(b"\xfd7zXZ\0") {
        Format::Xz
    } else if begin.starts_with(b"\x28\xb5\x2f\xfd") {
        Format::Zstd
    } else {
        Format::Plain
    }
}

/// The stream, expanded.
pub(crate) fn expand(input: Input, format: Format) -> io::Result<Box<dyn Read>> {
    Ok(match format {
        Format::Plain => Box::new(input),
        Format::Gzip => Box::new(Gzip { state: State::Between(input), any: false }),
        Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        Format::Xz => Box::new(lzma_rust2::XzReader::new(input, true)),
        Format::Zstd => Box::new(
            ruzstd::decoding::StreamingDecoder::new(input)
                .map_err(|error| io::Error::other(error.to_string()))?,
        ),
    })
}

/// The members of a gzip stream one after the other; zeros behind the last are padding.
struct Gzip {
    state: State,
    any: bool,
}

enum State {
    Between(Input),
    Member(Box<flate2::bufread::GzDecoder<Input>>),
    End,
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::End) {
                State::End => return Ok(0),
                State::Between(mut input) => {
                    let begin = input.fill_buf()?;
                    if begin.is_empty() || self.any && begin[0] != 0x1f {
                        if self.any && begin.iter().any(|&byte| byte != 0) {
                            return Err(io::Error::other("trailing garbage"));
                        }
                        return Ok(0);
                    }
                    self.any = true;
                    self.state = State::Member(Box::new(flate2::bufread::GzDecoder::new(input)));
                }
                State::Member(mut member) => {
                    let len = member.read(buffer)?;
                    if len > 0 {
                        self.state = State::Member(member);
                        return Ok(len);
                    }
                    self.state = State::Between(member.into_inner());
                }
            }
        }
    }
}
