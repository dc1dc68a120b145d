//! What the live page answers: GET and HEAD of a few paths.
//! Never touches a socket or a file.

use crate::http::hosts::{self, Refused};
use crate::http::live::Live;
use crate::http::query;
use crate::http::rendered::{self, Document, Rendered};
use crate::logs::follow::State;
use crate::unix_time::now_s;
use crate::view::asked::Asked;
use crate::view::page;
use crate::view::picture::{PNG_NAME, SVG_NAME};
use crate::view::prometheus;
use std::sync::Arc;

/// Sent with every answer. The page loads nothing from other hosts, and no other page may show it in a frame.
const HEADERS: &str = "Cache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
    Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
    img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'\r\nConnection: close\r\n\r\n";

pub struct Answer {
    /// Status and headers, without [`HEADERS`].
    head: String,
    /// Shared between all clients that ask for the same document.
    body: Arc<[u8]>,
}

impl Answer {
    /// Other headers may follow the status, each after a line break.
    fn new(status: &str, content_type: &str, body: impl Into<Arc<[u8]>>) -> Self {
        let body = body.into();
        let head = format!("{status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n", body.len());
        Answer { head, body }
    }

    pub fn text(status: &str, line: &str) -> Self {
        Answer::new(status, "text/plain; charset=utf-8", format!("{line}\n").into_bytes())
    }

    /// Head and body as they are sent.
    pub fn into_bytes(self) -> (Vec<u8>, Arc<[u8]>) {
        (format!("HTTP/1.1 {}{HEADERS}", self.head).into_bytes(), self.body)
    }
}

/// The answer to a request. `head`: of the request, without the empty line after it.
pub fn answer(head: &str, rendered: &mut Rendered) -> Answer {
    let request = match Request::read(head, &rendered.live.hosts) {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    let answer = route(&request, rendered);
    if request.head_only { Answer { body: Arc::default(), ..answer } } else { answer }
}

struct Request<'a> {
    path: &'a str,
    /// Behind `?`; empty without one.
    query: &'a str,
    /// Entity tag of the document that the client has already.
    known: Option<&'a str>,
    head_only: bool,
}

impl<'a> Request<'a> {
    /// `hosts`: the allowed host names, see [`hosts::check`].
    ///
    /// # Errors
    /// The answer that refuses the request.
    fn read(head: &'a str, hosts: &[String]) -> Result<Self, Answer> {
        let bad = |line: &str| Answer::text("400 Bad Request", line);
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        let (Some(method), Some(target), Some(version @ ("HTTP/1.0" | "HTTP/1.1")), None) =
            (method, target, version, words.next())
        else {
            return Err(bad("not an HTTP/1.1 request"));
        };
        let headers: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(':')).collect();
        let values = |name: &'static str| {
            let named = headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
            named.map(|(_, value)| value.trim())
        };
        let (authority, target) = absolute_form(target).map_or((None, target), |(at, path)| (Some(at), path));
        let mut host = values("host");
        match (host.next(), host.next()) {
            (Some(host), None) => {
                hosts::check(authority.unwrap_or(host), hosts).map_err(|refused| match refused {
                    Refused::NoHost => bad("the Host header does not hold a host"),
                    Refused::Unknown(name) => unknown(&name),
                })?
            }
            (None, _) if version == "HTTP/1.0" => {}
            (None, _) => return Err(bad("there is no Host header")),
            (Some(_), Some(_)) => return Err(bad("there is more than one Host header")),
        }
        let head_only = method == "HEAD";
        if !head_only && method != "GET" {
            return Err(Answer::text("405 Method Not Allowed\r\nAllow: GET, HEAD", "only GET and HEAD"));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        // Of a target that names its host alone.
        let path = if path.is_empty() && authority.is_some() { "/" } else { path };
        Ok(Request { path, query, known: values("if-none-match").next(), head_only })
    }
}

/// Host and path of a target such as `http://localhost:8080/stats.json`. A server must accept it; its host overrides the header
/// (RFC 9112, section 3.2.2).
fn absolute_form(target: &str) -> Option<(&str, &str)> {
    const SCHEME: &str = "http://";
    let (scheme, rest) = target.split_at_checked(SCHEME.len())?;
    let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
    scheme.eq_ignore_ascii_case(SCHEME).then(|| rest.split_at(path_at))
}

fn unknown(name: &str) -> Answer {
    Answer::text(
        "421 Misdirected Request",
        &format!(
            "this page does not answer to the name {name}. To allow it, start plot with --hosts {name} or set PLOT_HOSTS={name}; \
             IP addresses and names without a dot are always allowed"
        ),
    )
}

fn route(request: &Request, rendered: &mut Rendered) -> Answer {
    match request.path {
        "/" => document(request, rendered, Document::Page),
        page::PARTS => document(request, rendered, Document::Parts),
        "/stats.json" => document(request, rendered, Document::Stats),
        "/metrics" => document(request, rendered, Document::Metrics),
        "/healthz" => match rendered.live.health() {
            Ok(()) => Answer::text("200 OK", "ok"),
            Err(reason) => Answer::text("503 Service Unavailable", &reason),
        },
        path => match path.strip_prefix('/') {
            Some(PNG_NAME) => picture(&rendered.live, PNG_NAME, "image/png"),
            Some(SVG_NAME) => picture(&rendered.live, SVG_NAME, "image/svg+xml"),
            _ => Answer::text(
                "404 Not Found",
                &format!("there is /, /stats.json, /metrics, /{PNG_NAME}, /{SVG_NAME}, /healthz"),
            ),
        },
    }
}

/// Of all rows, or of the range that the request asks for.
fn document(request: &Request, rendered: &mut Rendered, document: Document) -> Answer {
    let now_s = now_s() as i64;
    let asked = match document {
        Document::Metrics => Asked::All,
        Document::Page | Document::Parts | Document::Stats => match query::read(request.query, now_s) {
            Ok(asked) => asked,
            Err(line) => return Answer::text("400 Bad Request", &line),
        },
    };
    let of_range = rendered::of_range(&rendered.live, document, asked, now_s);
    let content_type = match document {
        Document::Page => "text/html; charset=utf-8",
        Document::Parts | Document::Stats => "application/json",
        Document::Metrics => prometheus::CONTENT_TYPE,
    };
    if document != Document::Parts {
        let body = of_range.map_or_else(|| rendered.document(document), |text| text.into_bytes().into());
        return Answer::new("200 OK", content_type, body);
    }
    let tag = of_range.as_deref().map_or_else(|| rendered.tag(), rendered::tag_of);
    if request.known == Some(&tag) {
        // Without content: not even its length.
        return Answer { head: format!("304 Not Modified\r\nETag: {tag}\r\n"), body: Arc::default() };
    }
    let body = of_range.map_or_else(|| rendered.document(document), |text| text.into_bytes().into());
    Answer::new(&format!("200 OK\r\nETag: {tag}"), content_type, body)
}

fn picture(live: &Live, name: &str, content_type: &str) -> Answer {
    match live.picture(name) {
        Some(bytes) => Answer::new("200 OK", content_type, bytes),
        None if live.moment().summary.all.n == 0 && live.moment().state != State::Starting => {
            Answer::text("404 Not Found", "not drawn yet: there are no rows")
        }
        None => Answer::text("404 Not Found", "not drawn yet"),
    }
}
