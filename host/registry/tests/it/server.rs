//! A registry in memory that misbehaves on request. HTTP/1.1 by hand, so that it can break off
//! anywhere; a thread for each connection, on a loopback port of its own.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::handlers;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path without query.
    pub(crate) path: String,
    /// Decoded pairs of the query.
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer, possibly cut short.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Send so many bytes of the body, then close the connection.
    pub(crate) cut: Option<usize>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// An error in the specification's form.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::new(status)
            .body(format!(r#"{{"errors":[{{"code":"{code}","message":"as the test wants"}}]}}"#))
    }
}

/// What goes wrong, once.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This answer instead of the right one.
    Reply(Reply),
    /// The right answer, but so many bytes of its body.
    Cut(usize),
    /// So many bytes of the request's body are taken and kept, then the connection is gone.
    CutUpload(usize),
    /// This answer before the request's body is read.
    EarlyReply(Reply),
    /// The request is carried out, but its answer is lost.
    LoseAnswer,
    /// No answer, and no end of the connection.
    Stall,
    /// The right answer, a byte of its body at a time with this pause between them.
    Drip(std::time::Duration),
}

/// How the registry protects itself.
#[derive(Debug, Clone, Default)]
pub(crate) enum Auth {
    #[default]
    Open,
    /// `user:pass` in base64.
    Basic(String),
    /// Docker's tokens. `logins`: what the token service takes (`Basic …`, or a refresh token);
    /// None: anybody gets one.
    Bearer { logins: Option<Vec<String>>, expires_in: u64 },
    /// This header in the answer to everything.
    Challenge(String),
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) auth: Auth,
    /// By repository and digest.
    pub(crate) blobs: HashMap<(String, String), Vec<u8>>,
    /// By repository and tag or digest: media type and bytes.
    pub(crate) manifests: HashMap<(String, String), (String, Vec<u8>)>,
    pub(crate) uploads: HashMap<u64, Vec<u8>>,
    /// Tokens given out, with their scopes.
    pub(crate) tokens: HashMap<String, HashSet<String>>,
    pub(crate) seen: Vec<Request>,
    pub(crate) faults: Vec<(&'static str, &'static str, Fault)>,
    pub(crate) refuse_chunks: bool,
    pub(crate) refuse_mounts: bool,
    pub(crate) ignore_ranges: bool,
    pub(crate) no_referrers: bool,
    /// Blobs are fetched from this origin.
    pub(crate) blobs_elsewhere: Option<String>,
    pub(crate) origin: String,
}

/// A running server; it lives as long as the test process.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = State { origin: format!("http://{host}"), ..State::default() };
        let server = Self { host, state: Arc::new(Mutex::new(state)) };
        let shared = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                // A client that breaks off is part of the tests.
                std::thread::spawn(move || shared.converse(&stream).ok());
            }
        });
        server
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Spoils the next request of this method whose path contains `part`.
    pub(crate) fn fault(&self, method: &'static str, part: &'static str, fault: Fault) {
        self.state().faults.push((method, part, fault));
    }

    /// `METHOD path` of everything that came, without what the test is not about.
    pub(crate) fn log(&self) -> Vec<String> {
        self.state().seen.iter().map(|r| format!("{} {}", r.method, r.path)).collect()
    }

    /// How many requests of the method came whose path contains `part`.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        let fits = |r: &&Request| r.method == method && r.path.contains(part);
        self.state().seen.iter().filter(fits).count()
    }

    fn converse(&self, stream: &TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream.try_clone()?;
        while let Some((mut request, length)) = read_head(&mut reader)? {
            let fault = self.take_fault(&request);
            if let Some(Fault::CutUpload(bytes)) = fault {
                let mut part = vec![0; bytes];
                reader.read_exact(&mut part)?;
                request.body = part;
                let mut state = self.state();
                handlers::keep_part(&mut state, &request);
                state.seen.push(request);
                // With unread data in the socket, this close is a reset.
                return Ok(());
            }
            if let Some(Fault::EarlyReply(reply)) = &fault {
                let last = reply.clone().header("Connection", "close");
                write_reply(&mut writer, &request, &last)?;
            }
            request.body = vec![0; length];
            reader.read_exact(&mut request.body)?;
            let mut reply = {
                let mut state = self.state();
                state.seen.push(request.clone());
                match &fault {
                    Some(Fault::Reply(reply)) => reply.clone(),
                    Some(Fault::Stall | Fault::EarlyReply(_)) => Reply::new(0),
                    _ => handlers::answer(&mut state, &request),
                }
            };
            match fault {
                Some(Fault::LoseAnswer | Fault::EarlyReply(_)) => return Ok(()),
                Some(Fault::Stall) => {
                    std::thread::sleep(std::time::Duration::from_secs(30));
                    return Ok(());
                }
                Some(Fault::Cut(bytes)) => reply.cut = Some(bytes),
                Some(Fault::Drip(pause)) => {
                    let whole = std::mem::take(&mut reply.body);
                    let reply = reply.header("Content-Length", whole.len());
                    write_reply(&mut writer, &request, &reply)?;
                    for byte in whole {
                        writer.write_all(&[byte])?;
                        std::thread::sleep(pause);
                    }
                    continue;
                }
                _ => {}
            }
            write_reply(&mut writer, &request, &reply)?;
            if reply.cut.is_some() {
                return stream.shutdown(std::net::Shutdown::Both);
            }
        }
        Ok(())
    }

    fn take_fault(&self, request: &Request) -> Option<Fault> {
        let faults = &mut self.state().faults;
        let fits = |(method, part, _): &(&str, &str, Fault)| {
            request.method == *method && request.path.contains(part)
        };
        let at = faults.iter().position(fits)?;
        Some(faults.remove(at).2)
    }
}

fn read_head(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<(Request, usize)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    assert!(!headers.contains_key("transfer-encoding"), "{method} {target} without a length");
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let url = reqwest::Url::parse("http://server/").unwrap().join(&target).unwrap();
    let query = url.query_pairs().into_owned().collect();
    let path = url.path().to_owned();
    Ok(Some((Request { method, path, query, headers, body: Vec::new() }, length)))
}

fn write_reply(out: &mut TcpStream, request: &Request, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\n", reply.status);
    let set = |name: &str| reply.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    if !set("content-length") && reply.status != 204 {
        head.push_str(&format!("content-length: {}\r\n", reply.body.len()));
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    out.write_all(head.as_bytes())?;
    if request.method != "HEAD" {
        let end = reply.cut.unwrap_or(reply.body.len()).min(reply.body.len());
        out.write_all(&reply.body[..end])?;
    }
    out.flush()
}
