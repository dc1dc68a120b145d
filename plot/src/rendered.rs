//! The documents of the page's server: each rendered once for a moment, and then shared by all who ask for it.
//! Never keeps more than one moment's; a client that is still reading an older one keeps that alive.

use crate::live::Live;
use crate::{json, page};
use std::sync::Arc;

/// What is rendered from a moment.
#[derive(Clone, Copy)]
pub enum Document {
    Page,
    Parts,
    Stats,
}

pub struct Rendered {
    pub live: Arc<Live>,
    /// Of which moment `documents` are; see [`Rendered::tag`].
    of: String,
    documents: [Option<Arc<[u8]>>; 3],
}

impl Rendered {
    pub fn new(live: Arc<Live>) -> Self {
        Rendered { live, of: String::new(), documents: Default::default() }
    }

    /// What changes whenever a document does: an HTTP entity tag.
    pub fn tag(&self) -> String {
        let (version, stalled) = (self.live.moment().version, self.live.stalled_s().is_some());
        format!("\"{}-{version}{}\"", self.live.started_s, if stalled { "-stalled" } else { "" })
    }

    /// The document as of now.
    pub fn document(&mut self, document: Document) -> Arc<[u8]> {
        let tag = self.tag();
        if self.of != tag {
            (self.of, self.documents) = (tag, Default::default());
        }
        let Rendered { live, documents, .. } = self;
        match documents.get_mut(document as usize) {
            Some(place) => Arc::clone(place.get_or_insert_with(|| Rendered::render(live, document))),
            None => Rendered::render(live, document),
        }
    }

    fn render(live: &Live, document: Document) -> Arc<[u8]> {
        let moment = live.moment();
        let text = match document {
            Document::Page => page::document(&moment, live),
            Document::Parts => page::parts_json(&moment, live),
            Document::Stats => json::stats(&moment, live.config.window).to_string(),
        };
        text.into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Command};
    use crate::live::{Moment, State, now_s};
    use crate::statistics::Statistics;
    use crate::summary::Summary;

    #[test]
    fn a_document_is_rendered_once_for_a_moment() {
        let Ok(Command::Run(config)) = config::read([], |_| None) else { panic!("the defaults") };
        let summary = || Summary::of(&Statistics::new(10));
        let live = Arc::new(Live::new(config, summary()));
        let mut rendered = Rendered::new(Arc::clone(&live));
        for document in [Document::Page, Document::Parts, Document::Stats] {
            let first = rendered.document(document);
            assert!(Arc::ptr_eq(&first, &rendered.document(document)));
            let version = live.moment().version + 1;
            let state = State::Following;
            live.publish(Moment {
                version,
                summary: summary(),
                state,
                last_rows_s: None,
                picture_trouble: None,
            });
            let second = rendered.document(document);
            assert!(!Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&second, &rendered.document(document)));
        }
        let tag = rendered.tag();
        live.beat(now_s() - 40.0);
        assert_ne!(rendered.tag(), tag);
        assert!(String::from_utf8_lossy(&rendered.document(Document::Page)).contains("not looked at"));
    }
}
