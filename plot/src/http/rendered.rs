//! The documents of the page's server. Renders each once for a moment, and shares it between all clients.
//! Keeps the documents of one moment only, and none of a range of time. A client that still reads an older one keeps that alive.

use crate::http::live::Live;
use crate::view::asked::Asked;
use crate::view::range::RangeView;
use crate::view::{json, page, prometheus};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError};

/// A document that is rendered from a moment.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Document {
    Page,
    Parts,
    Stats,
    Metrics,
}

pub struct Rendered {
    pub live: Arc<Live>,
    /// The moment of `documents`, as its [`Rendered::tag`].
    of: String,
    documents: HashMap<Document, Arc<[u8]>>,
}

impl Rendered {
    pub fn new(live: Arc<Live>) -> Self {
        Rendered { live, of: String::new(), documents: HashMap::new() }
    }

    /// HTTP entity tag: changes whenever a document changes.
    pub fn tag(&self) -> String {
        let (version, stalled) = (self.live.moment().version, self.live.stalled_s().is_some());
        format!("\"{}-{version}{}\"", self.live.started_s, if stalled { "-stalled" } else { "" })
    }

    /// The document as of now.
    pub fn document(&mut self, document: Document) -> Arc<[u8]> {
        let tag = self.tag();
        if self.of != tag {
            (self.of, self.documents) = (tag, HashMap::new());
        }
        let render = || {
            let (moment, is_stalled) = (self.live.moment(), self.live.stalled_s().is_some());
            let text = match document {
                Document::Page => page::document(&moment, &self.live.logs, is_stalled),
                Document::Parts => page::parts_json(&moment, &self.live.logs, is_stalled),
                Document::Stats => json::stats(&moment).to_string(),
                Document::Metrics => prometheus::metrics(&moment, is_stalled),
            };
            text.into_bytes().into()
        };
        Arc::clone(self.documents.entry(document).or_insert_with(render))
    }
}

/// A document of a range of time. Rendered for each request, as a range that ends now is another one in each second, and there are as
/// many ranges as people ask for.
///
/// None if all rows are asked for, or if the document is of no range.
pub fn of_range(live: &Live, document: Document, asked: Asked, now_s: i64) -> Option<String> {
    let view = RangeView::of(&mut live.past.lock().unwrap_or_else(PoisonError::into_inner), asked, now_s)?;
    let (moment, is_stalled) = (live.moment(), live.stalled_s().is_some());
    match document {
        Document::Page => Some(page::range_document(&view, &moment, &live.logs, is_stalled)),
        Document::Parts => Some(page::range_parts_json(&view, &moment, &live.logs, is_stalled)),
        Document::Stats => Some(json::range_stats(&view, &moment).to_string()),
        Document::Metrics => None,
    }
}

/// HTTP entity tag of a text.
pub fn tag_of(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::follow::State;
    use crate::stats::past::SharedPast;
    use crate::stats::statistics::Statistics;
    use crate::stats::summary::Summary;
    use crate::unix_time::now_s;
    use crate::view::moment::Moment;

    #[test]
    fn a_document_is_rendered_once_for_a_moment() {
        let summary = || Arc::new(Summary::of(&Statistics::new(10)));
        let live = Arc::new(Live::new(&["log.csv".to_owned()], Vec::new(), summary(), SharedPast::default()));
        let mut rendered = Rendered::new(Arc::clone(&live));
        for document in [Document::Page, Document::Parts, Document::Stats, Document::Metrics] {
            let first = rendered.document(document);
            assert!(Arc::ptr_eq(&first, &rendered.document(document)));
            let version = live.moment().version + 1;
            let state = State::Following;
            live.publish(Moment { version, state, ..Moment::starting(summary()) });
            let second = rendered.document(document);
            assert!(!Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&second, &rendered.document(document)));
        }
        let tag = rendered.tag();
        live.beat(now_s() - 40.0);
        assert_ne!(rendered.tag(), tag);
        assert!(live.health().is_err());
        assert!(String::from_utf8_lossy(&rendered.document(Document::Page)).contains("not looked at"));
    }
}
