//! A broker, queues and a log directory of a test's own, and `metric` on them with predictions from `y_pred`.

use crate::metric;
use glue::testing::{Directory, Peer, Service, prefix, shared_broker};
use serde_json::{Value, json};

pub struct Scene {
    pub url: String,
    pub prefix: String,
    pub directory: Directory,
    pub peer: Peer,
}

impl Scene {
    pub fn new() -> Scene {
        let (url, prefix) = (shared_broker(), prefix());
        let peer = Peer::connect(&url);
        Scene { url, prefix, directory: Directory::new(), peer }
    }

    /// Starts it, and returns once it consumes.
    pub fn metric(&self, more: &[(&str, &str)]) -> Service {
        let more = [&[("predictions", "y_pred")], more].concat();
        let service = metric(&self.url, &self.prefix, &self.directory, &more);
        service.wait_for_line("consuming");
        service
    }

    pub fn publish(&mut self, queue: &str, body: &Value) {
        self.peer.publish(&format!("{}{queue}", self.prefix), body.to_string().as_bytes());
        self.peer.confirmed();
    }

    pub fn half(&mut self, queue: &str, id: &str) {
        self.publish(queue, &json!({"id": id, "body": 1}));
    }

    pub fn pair(&mut self, id: &str) {
        ["y_true", "y_pred"].into_iter().for_each(|queue| self.half(queue, id));
    }
}
