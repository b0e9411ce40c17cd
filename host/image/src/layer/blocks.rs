//! Compresses blocks on several threads and gives them back in order.
//!
//! Bounded: when enough blocks are under way, the caller waits for the oldest. Threads are started
//! for the second block, so that small layers cost none; where none can be started (a pod's limit
//! of processes), the caller compresses itself.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use flate2::Crc;

use super::deflate::deflate_block;
use crate::media_type::Compression;

/// The most threads for gzip: each adds up to 4 MiB to the memory in use.
const MAX_GZIP_THREADS: usize = 8;
/// The most threads for zstd: each adds 8 MiB, and four outrun any disk.
const MAX_ZSTD_THREADS: usize = 4;
/// Blocks under way beyond one for each thread, so that none waits for the caller.
const SPARE_BLOCKS: usize = 2;

/// A block on its way.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// What deflate may look back into.
    pub(crate) dictionary: Vec<u8>,
    /// What is to be compressed.
    pub(crate) input: Vec<u8>,
    /// What came out.
    pub(crate) output: Vec<u8>,
    /// The checksum of `input`, for gzip.
    pub(crate) crc: Crc,
}

struct Job {
    block: Block,
    reply: SyncSender<io::Result<Block>>,
}

/// The threads, and the blocks under way.
#[derive(Debug)]
pub(crate) struct Pipeline {
    compression: Compression,
    threads: usize,
    codec: Option<Codec>,
    jobs: Option<SyncSender<Job>>,
    workers: Vec<JoinHandle<()>>,
    under_way: VecDeque<Receiver<io::Result<Block>>>,
    submitted: bool,
}

impl Pipeline {
    /// At most `threads` threads; 0 and 1 compress on the caller's.
    pub(crate) fn new(compression: Compression, threads: usize) -> Self {
        let most = match compression {
            Compression::Zstd { .. } => MAX_ZSTD_THREADS,
            Compression::Gzip { .. } | Compression::None => MAX_GZIP_THREADS,
        };
        Self {
            compression,
            threads: threads.min(most),
            codec: None,
            jobs: None,
            workers: Vec::new(),
            under_way: VecDeque::new(),
            submitted: false,
        }
    }

    /// Hands over a block; gives those that are done, oldest first.
    pub(crate) fn submit(&mut self, mut block: Block) -> io::Result<Vec<Block>> {
        if self.submitted && self.threads > 1 && self.workers.is_empty() {
            self.start();
        }
        self.submitted = true;
        let Some(jobs) = &self.jobs else {
            self.codec()?.compress(&mut block)?;
            return Ok(vec![block]);
        };
        let (reply, result) = sync_channel(1);
        jobs.send(Job { block, reply }).map_err(|_| died())?;
        self.under_way.push_back(result);

        let mut done = Vec::new();
        while let Some(oldest) = self.under_way.front() {
            let result = if self.under_way.len() >= self.workers.len() + SPARE_BLOCKS {
                oldest.recv().map_err(|_| died())?
            } else {
                match oldest.try_recv() {
                    Ok(result) => result,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Err(died()),
                }
            };
            self.under_way.pop_front();
            done.push(result?);
        }
        Ok(done)
    }

    /// Waits for the oldest block under way.
    pub(crate) fn next(&mut self) -> io::Result<Option<Block>> {
        match self.under_way.pop_front() {
            Some(result) => result.recv().map_err(|_| died())?.map(Some),
            None => Ok(None),
        }
    }

    fn codec(&mut self) -> io::Result<&mut Codec> {
        let codec = match self.codec.take() {
            Some(codec) => codec,
            None => Codec::new(self.compression)?,
        };
        Ok(self.codec.insert(codec))
    }

    fn start(&mut self) {
        let (jobs, queue) = sync_channel::<Job>(self.threads);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..self.threads {
            let queue = Arc::clone(&queue);
            let compression = self.compression;
            let worker = std::thread::Builder::new()
                .name("compress".to_owned())
                .spawn(move || work(compression, &queue));
            // Fewer threads than asked for are slower, not wrong.
            let Ok(worker) = worker else { break };
            self.workers.push(worker);
        }
        if self.workers.is_empty() {
            self.threads = 1;
        } else {
            self.jobs = Some(jobs);
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.jobs = None;
        self.under_way.clear();
        for worker in self.workers.drain(..) {
            let _it_panicked_and_said_so = worker.join();
        }
    }
}

fn died() -> io::Error {
    io::Error::other("a compression thread died")
}

fn work(compression: Compression, queue: &Mutex<Receiver<Job>>) {
    let mut codec = Codec::new(compression);
    loop {
        // The lock is held while waiting: one waits for a job, the others for the lock.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut block, reply }) = job else { return };
        let result = match &mut codec {
            Ok(codec) => codec.compress(&mut block).map(|()| block),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        };
        // Nobody waits for it when the layer was given up.
        let _given_up = reply.send(result);
    }
}

/// What one thread compresses with.
enum Codec {
    Gzip { level: u32 },
    Zstd(zstd::bulk::Compressor<'static>),
    Plain,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codec")
    }
}

impl Codec {
    fn new(compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip { level } => Self::Gzip { level },
            Compression::Zstd { level } => Self::Zstd(zstd::bulk::Compressor::new(level)?),
            Compression::None => Self::Plain,
        })
    }

    fn compress(&mut self, block: &mut Block) -> io::Result<()> {
        block.output.clear();
        match self {
            Self::Gzip { level } => {
                block.crc.reset();
                block.crc.update(&block.input);
                deflate_block(*level, &block.dictionary, &block.input, &mut block.output)
            }
            Self::Zstd(compressor) => {
                block.output.reserve(zstd::zstd_safe::compress_bound(block.input.len()));
                compressor.compress_to_buffer(&block.input, &mut block.output).map(|_| ())
            }
            Self::Plain => {
                block.output.extend_from_slice(&block.input);
                Ok(())
            }
        }
    }
}
