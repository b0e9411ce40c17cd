//! A web server on loopback for the files of a directory.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
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
        Self::with_head(root, LAST_MODIFIED)
    }

    /// Serves a directory and tells no times.
    pub fn start_without_times(root: PathBuf) -> Self {
        Self::with_head(root, "")
    }

    fn with_head(root: PathBuf, head: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, log) = (root.clone(), Arc::clone(&log));
                std::thread::spawn(move || answer(stream, &root, head, &log));
            }
        });
        Self { url, requests }
    }

    /// How many times a path was asked for.
    pub fn count(&self, path: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}

fn answer(mut stream: TcpStream, root: &Path, times: &str, log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    while lines.next().is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap_or("/");
    log.lock().unwrap().push(path.to_owned());
    let file = root.join(path.trim_start_matches('/'));
    let (status, body) = match std::fs::read(file) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{times}\r\n",
        body.len()
    );
    // A client that has read enough may hang up.
    let _hung_up = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}
