//! A web server on loopback for the files of a directory.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What the server says of the age of its files: `MODIFIED` in seconds since 1970.
const LAST_MODIFIED: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
/// See [`LAST_MODIFIED`].
pub const MODIFIED: i64 = 784_111_777;

/// Serves until the test's process ends.
pub struct WebServer {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl WebServer {
    /// Serves a directory; each answer has a time.
    pub fn start(root: PathBuf) -> Self {
        Self::with(Site { root, times: LAST_MODIFIED, ..Site::default() })
    }

    /// Serves a directory and tells no times.
    pub fn start_without_times(root: PathBuf) -> Self {
        Self::with(Site { root, ..Site::default() })
    }

    /// Serves a directory to those who send this `Authorization`.
    pub fn start_guarded(root: PathBuf, login: &str) -> Self {
        Self::with(Site { root, login: Some(login.to_owned()), ..Site::default() })
    }

    /// Sends everybody to the same path at `target`.
    pub fn start_moved(target: &str) -> Self {
        Self::with(Site { moved: Some(target.to_owned()), ..Site::default() })
    }

    fn with(site: Site) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (site, log) = (site.clone(), Arc::clone(&log));
                std::thread::spawn(move || answer(stream, &site, &log));
            }
        });
        Self { url, requests }
    }

    /// How many times a path was asked for.
    pub fn count(&self, path: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}

/// What is served, and to whom.
#[derive(Clone, Default)]
struct Site {
    root: PathBuf,
    times: &'static str,
    login: Option<String>,
    moved: Option<String>,
}

fn answer(mut stream: TcpStream, site: &Site, log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let target = request.split(' ').nth(1).unwrap_or("/");
    let path = target.split('?').next().unwrap_or("/");
    log.lock().unwrap().push(path.to_owned());
    let is_welcome = site.login.as_ref().is_none_or(|login| {
        let sent = head.iter().filter_map(|line| line.split_once(": "));
        sent.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
            .any(|(_, value)| value == login)
    });
    let moved = site.moved.as_ref().map(|to| format!("Location: {to}{target}\r\n"));
    let (status, body) = match std::fs::read(site.root.join(path.trim_start_matches('/'))) {
        _ if moved.is_some() => ("301 Moved Permanently", Vec::new()),
        _ if !is_welcome => ("401 Unauthorized", Vec::new()),
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{}{}\r\n",
        body.len(),
        site.times,
        moved.unwrap_or_default()
    );
    // A client that has read enough may hang up.
    let _hung_up = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}
