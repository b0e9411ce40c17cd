//! The files and commands that a program reads and writes, by name.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Write},
};

use shim::{
    Context, Stop, native,
    sys::{self, Child, Ended, Piped},
};

use crate::{
    dialect::{Dialect, Kind},
    separator::{Reader, Records},
};

enum Stream {
    File(BufWriter<File>),
    ErrorOutput,
    Command(BufWriter<File>, Child),
    Input(Reader),
    Output(Reader, Child),
}

/// Where `print` writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    File,
    Append,
    Command,
}

#[derive(Default)]
pub(crate) struct Streams(Vec<(Vec<u8>, Stream)>);

/// The most that may be open at a time: a program that never closes must not take all descriptors.
const MOST: usize = 200;

fn shell(command: &[u8]) -> [Vec<u8>; 3] {
    [b"/bin/sh".to_vec(), b"-c".to_vec(), command.to_vec()]
}

/// Runs a command by the shell and gives what `system` gives for its end.
pub(crate) fn system(command: &[u8], dialect: &Dialect) -> Result<f64, Stop> {
    let started = sys::start(&shell(command), Piped::Nothing);
    let ended = started.and_then(|(child, _)| child.wait());
    match ended {
        Ok(Ended::Exited(status)) => Ok(f64::from(status)),
        Ok(Ended::Signaled(signal)) if dialect.is_mawk() => Ok(256.0 + f64::from(signal)),
        Ok(Ended::Signaled(_)) => Err(native("a command that a signal ended")),
        Err(error) => Err(native(format!("the shell: {}", sys::reason(&error)))),
    }
}

impl Streams {
    fn find(&mut self, name: &[u8], is: impl Fn(&Stream) -> bool) -> Option<usize> {
        self.0.iter().position(|(known, stream)| known == name && is(stream))
    }

    fn add(&mut self, name: &[u8], stream: Stream) -> Result<usize, Stop> {
        if self.0.len() >= MOST {
            return Err(native("that many open files"));
        }
        self.0.push((name.to_vec(), stream));
        Ok(self.0.len() - 1)
    }

    /// Writes to a file or command, opened when it is new.
    pub(crate) fn write(
        &mut self,
        context: &mut Context,
        to: To,
        name: &[u8],
        text: &[u8],
        dialect: &Dialect,
    ) -> Result<(), Stop> {
        if to != To::Command && name == b"/dev/stdout" {
            return Ok(context.out.write_all(text)?);
        }
        let is_output = |stream: &Stream| !matches!(stream, Stream::Input(_) | Stream::Output(..));
        let at = match self.find(name, is_output) {
            Some(at) => at,
            None => {
                let stream = open_output(context, to, name, dialect)?;
                self.add(name, stream)?
            }
        };
        let written = match &mut self.0[at].1 {
            Stream::File(file) | Stream::Command(file, _) => file.write_all(text),
            _ => io::stderr().write_all(text),
        };
        match written {
            // As the signal that the real one gets.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Stop::Fail(2, format!("write failure: {}", sys::reason(&error))))
            }
            other => Ok(other?),
        }
    }

    /// The next record of a file; `Err` in the result when it cannot be read.
    pub(crate) fn read_file(
        &mut self,
        context: &Context,
        name: &[u8],
        separator: &Records,
    ) -> Result<Result<Option<Vec<u8>>, ()>, Stop> {
        let at = match self.find(name, |stream| matches!(stream, Stream::Input(_))) {
            Some(at) => at,
            None => {
                let name = if name == b"/dev/stdin" { b"-" } else { name };
                let opened = context.input(name).and_then(|mut input| {
                    // A directory shows only when it is read.
                    input.fill_buf()?;
                    Ok(input)
                });
                match opened {
                    Ok(input) => self.add(name, Stream::Input(Reader::new(input)))?,
                    Err(_) => return Ok(Err(())),
                }
            }
        };
        match &mut self.0[at].1 {
            Stream::Input(reader) => reader.next(separator).map(Ok),
            _ => Ok(Ok(None)),
        }
    }

    /// The next record of a command's output.
    pub(crate) fn read_command(
        &mut self,
        context: &mut Context,
        command: &[u8],
        separator: &Records,
    ) -> Result<Option<Vec<u8>>, Stop> {
        let at = match self.find(command, |stream| matches!(stream, Stream::Output(..))) {
            Some(at) => at,
            None => {
                self.flush(context)?;
                let (child, output) = sys::start(&shell(command), Piped::Output)
                    .map_err(|error| native(format!("the shell: {}", sys::reason(&error))))?;
                let Some(output) = output else { return Err(native("a pipe")) };
                let reader = Reader::new(Box::new(BufReader::new(output)));
                self.add(command, Stream::Output(reader, child))?
            }
        };
        match &mut self.0[at].1 {
            Stream::Output(reader, _) => reader.next(separator),
            _ => Ok(None),
        }
    }

    /// Writes what is buffered, so that others write after it.
    pub(crate) fn flush(&mut self, context: &mut Context) -> Result<(), Stop> {
        context.out.flush()?;
        for (_, stream) in &mut self.0 {
            if let Stream::File(file) | Stream::Command(file, _) = stream {
                file.flush()?;
            }
        }
        Ok(())
    }

    /// Closes all of this name; nothing where there is none.
    pub(crate) fn close(&mut self, name: &[u8], dialect: &Dialect) -> Result<Option<f64>, Stop> {
        let mut status = None;
        while let Some(at) = self.find(name, |_| true) {
            let (_, stream) = self.0.remove(at);
            status = Some(end(stream, dialect)?);
        }
        Ok(status)
    }

    /// Closes everything, in the order of the image's awk.
    pub(crate) fn close_all(
        &mut self,
        context: &mut Context,
        dialect: &Dialect,
    ) -> Result<(), Stop> {
        let mut streams = std::mem::take(&mut self.0);
        // mawk's own output is written when its commands have ended.
        if !dialect.is_mawk() {
            context.out.flush()?;
        }
        if dialect.kind != Kind::BusyBox {
            streams.reverse();
        }
        for (_, stream) in streams {
            end(stream, dialect)?;
        }
        Ok(())
    }
}

fn open_output(
    context: &mut Context,
    to: To,
    name: &[u8],
    dialect: &Dialect,
) -> Result<Stream, Stop> {
    let opened = match to {
        To::Command => {
            context.out.flush()?;
            let (child, input) = sys::start(&shell(name), Piped::Input)
                .map_err(|error| native(format!("the shell: {}", sys::reason(&error))))?;
            let Some(input) = input else { return Err(native("a pipe")) };
            return Ok(Stream::Command(BufWriter::new(input), child));
        }
        _ if name == b"/dev/stderr" => return Ok(Stream::ErrorOutput),
        To::Append => sys::append(name),
        To::File => sys::create(name),
    };
    opened.map(|file| Stream::File(BufWriter::new(file))).map_err(|error| {
        let name = String::from_utf8_lossy(name);
        let status = if dialect.is_busybox() { 1 } else { 2 };
        Stop::Fail(status, format!("cannot open \"{name}\" for output ({})", sys::reason(&error)))
    })
}

/// Closes, and gives what `close` gives for it.
fn end(stream: Stream, dialect: &Dialect) -> Result<f64, Stop> {
    let child = match stream {
        Stream::File(mut file) => {
            file.flush()?;
            return Ok(0.0);
        }
        Stream::ErrorOutput | Stream::Input(_) => return Ok(0.0),
        Stream::Command(mut file, child) => {
            match file.flush() {
                // It may end before it has read everything.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
                _ => {}
            }
            // What could not be written is dropped with it.
            let (_file, _rest) = file.into_parts();
            child
        }
        Stream::Output(reader, child) => {
            drop(reader);
            child
        }
    };
    Ok(match child.wait()? {
        // BusyBox gives what wait(2) gives.
        Ended::Exited(status) if dialect.is_busybox() => 256.0 * f64::from(status),
        Ended::Exited(status) => f64::from(status),
        Ended::Signaled(signal) if dialect.is_busybox() => f64::from(signal),
        Ended::Signaled(signal) => 256.0 + f64::from(signal),
    })
}
