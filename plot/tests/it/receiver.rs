//! A receiver of alerts: a real server of HTTP, plain or with TLS, that answers as a test says.

use crate::process::{Directory, HEADER, Plot, command, until};
use glue::testing::Authority;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub const LOG: &str = "metric_log.csv";

/// Rows of one absolute error.
pub fn rows(n: usize, error: f64) -> String {
    format!("x,0,{error},{error}\n").repeat(n)
}

/// A log of 200 rows of an absolute error of 61.
pub fn bad_log() -> Directory {
    let directory = Directory::new();
    directory.write(LOG, HEADER.to_owned() + &rows(200, 61.0));
    directory
}

/// Rows that bring the numbers of the window back, and then those with which rules resolve.
pub fn resolve(directory: &Directory, plot: &Plot) {
    let n = plot.stats()["all"]["n"].as_u64().unwrap();
    directory.append(LOG, rows(200, 1.0));
    plot.rows(n + 200);
    directory.append(LOG, rows(100, 1.0));
    plot.rows(n + 300);
}

pub fn with_receiver(directory: &Directory, rules: &str, url: &str) -> Command {
    let mut command = command(directory);
    command.args(["--window", "200", "--alert", rules, "--alert-format", "json", "--alert-url", url]);
    command
}

pub fn start(directory: &Directory, rules: &str, receiver: &Receiver) -> Plot {
    let url = format!("http://{}/hook", receiver.address);
    Plot::spawn(directory, &mut with_receiver(directory, rules, &url))
}

pub fn log_has(directory: &Directory, text: &str) {
    until(&format!("{text:?} in the log"), || directory.read("stderr").contains(text));
}

/// What the file remembers.
pub fn remembered(directory: &Directory, address: &str) -> Value {
    let name = format!("plot_alerts_{}.json", address.replace(':', "_"));
    serde_json::from_str(&directory.read(&name)).unwrap_or_default()
}

/// What the n-th request (from 0) is answered with: a status and headers, such as `429 Slow\r\nRetry-After: 1`. None: with nothing, ever.
type Answers = fn(usize) -> Option<&'static str>;

pub const OK: Answers = |_| Some("200 OK");

/// A request.
pub struct Request {
    /// Its first line and headers, in lower case.
    pub head: String,
    pub body: Value,
}

pub struct Receiver {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    pub fn start(answers: Answers) -> Self {
        Receiver::start_at("127.0.0.1:0", answers, None)
    }

    /// One that has this certificate.
    pub fn with_tls(answers: Answers, authority: &Authority) -> Self {
        Receiver::start_at("127.0.0.1:0", answers, Some(server_config(authority)))
    }

    pub fn start_at(address: &str, answers: Answers, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requests, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (shared, over) = (Arc::clone(&requests), Arc::clone(&is_over));
        let serve = move || {
            // Those that get no answer.
            let mut held = Vec::new();
            while !over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => held.extend(answer(stream, answers, tls.clone(), &shared)),
                    Err(e) if e.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
                    Err(e) => panic!("{e}"),
                }
            }
        };
        Receiver { address, requests, is_over, thread: Some(thread::spawn(serve)) }
    }

    /// Waits for the n-th request (from 1), and returns what was asked of each so far.
    pub fn requests<T>(&self, n: usize, part: impl Fn(&Request) -> T) -> Vec<T> {
        until(&format!("{n} requests"), || self.requests.lock().unwrap().len() >= n);
        self.requests.lock().unwrap().iter().map(part).collect()
    }

    /// Waits for the n-th request; each as `RULE STATE`.
    pub fn changes(&self, n: usize) -> Vec<String> {
        let text = |body: &Value, key: &str| body[key].as_str().unwrap().to_owned();
        self.requests(n, |request| {
            format!("{} {}", text(&request.body, "rule"), text(&request.body, "state"))
        })
    }

    /// Waits for the n-th request; the id of each.
    pub fn ids(&self, n: usize) -> Vec<String> {
        self.requests(n, |request| request.body["id"].as_str().unwrap().to_owned())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

/// Answers one request; returns the connection if it gets no answer.
fn answer(
    stream: TcpStream,
    answers: Answers,
    tls: Option<Arc<ServerConfig>>,
    requests: &Mutex<Vec<Request>>,
) -> Option<TcpStream> {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let held = stream.try_clone().unwrap();
    let is_answered = match tls {
        None => exchange(stream, answers, requests),
        Some(config) => {
            let connection = ServerConnection::new(config).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            // A client that trusts another authority hangs up.
            if stream.conn.complete_io(&mut stream.sock).is_err() {
                return None;
            }
            exchange(stream, answers, requests)
        }
    };
    (!is_answered).then_some(held)
}

fn exchange(stream: impl Read + Write, answers: Answers, requests: &Mutex<Vec<Request>>) -> bool {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        // Who hangs up before the end has asked nothing.
        if stream.read_line(&mut head).unwrap_or(0) == 0 {
            return true;
        }
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    let mut requests = requests.lock().unwrap();
    let number = requests.len();
    requests.push(Request { head, body: serde_json::from_slice(&body).unwrap() });
    drop(requests);
    let Some(answer) = answers(number) else { return false };
    // Fails where the client has left meanwhile.
    let text = format!("HTTP/1.1 {answer}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    let _ = stream.get_mut().write_all(text.as_bytes());
    let _ = stream.get_mut().flush();
    true
}

/// An authority that has certified 127.0.0.1 as `server`.
pub fn authority() -> Authority {
    let authority = Authority::new();
    authority.certify("server", "IP:127.0.0.1");
    authority
}

fn server_config(authority: &Authority) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(authority.path("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(authority.path("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}
