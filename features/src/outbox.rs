//! Messages that are not published yet or not confirmed yet. After a lost connection the unconfirmed ones are published again, under the
//! same ids. Pure: knows no channel.

use std::{collections::VecDeque, rc::Rc};

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Queue {
    YTrue,
    Features,
}

/// One half of some samples.
pub struct Message {
    /// Of the partitions, if there are any; else 0.
    pub partition: usize,
    pub queue: Queue,
    pub body: Vec<u8>,
    /// Shared with the other half until one of them is confirmed.
    pub samples: Rc<Samples>,
}

pub struct Samples {
    count: u64,
    /// The id of a single sample.
    pub message_id: Option<String>,
}

#[derive(Default)]
pub struct Outbox {
    waiting: VecDeque<Message>,
    /// In the order of publication. `None` if the confirm came before that of an earlier message.
    unconfirmed: VecDeque<Option<Message>>,
    /// Delivery tag of the first of `unconfirmed`. Tags count from 1 on each channel.
    first_tag: u64,
    /// The bytes of the bodies of `waiting` and `unconfirmed`. amiquip holds copies of those that were published.
    pub bytes: usize,
    /// Samples that were added.
    pub made: u64,
    /// Samples whose two halves are confirmed.
    pub sent: u64,
}

impl Outbox {
    pub fn new() -> Outbox {
        Outbox { first_tag: 1, ..Outbox::default() }
    }

    /// Adds the two messages that hold the halves of `count` samples of a partition.
    pub fn push(
        &mut self,
        partition: usize,
        count: u64,
        [y_true, features]: [Vec<u8>; 2],
        message_id: Option<String>,
    ) {
        self.made += count;
        let samples = Rc::new(Samples { count, message_id });
        for (queue, body) in [(Queue::YTrue, y_true), (Queue::Features, features)] {
            self.bytes += body.len();
            self.waiting.push_back(Message { partition, queue, body, samples: samples.clone() });
        }
    }

    /// The next message to publish, which is unconfirmed from now on.
    pub fn publish_next(&mut self) -> Option<&Message> {
        self.unconfirmed.push_back(Some(self.waiting.pop_front()?));
        self.unconfirmed.back()?.as_ref()
    }

    /// Counts the confirm of the message with this delivery tag, or (`multiple`) of all up to it. True if the oldest unconfirmed message is
    /// among them. A queue that confirms nothing keeps its message the oldest, whatever the other queue confirms.
    pub fn confirm(&mut self, delivery_tag: u64, multiple: bool) -> bool {
        let oldest = self.first_tag;
        let Some(last) = delivery_tag.checked_sub(oldest) else { return false };
        let last = last as usize;
        let first = if multiple { 0 } else { last };
        for message in self.unconfirmed.iter_mut().skip(first).take(last + 1 - first) {
            let Some(Message { body, samples, .. }) = message.take() else { continue };
            self.bytes -= body.len();
            if let Some(Samples { count, message_id }) = Rc::into_inner(samples) {
                self.sent += count;
                // This line shows which ids must have a row in the end.
                log::debug!("confirmed {}", message_id.as_deref().unwrap_or("a batch"));
            }
        }
        while let Some(None) = self.unconfirmed.front() {
            self.unconfirmed.pop_front();
            self.first_tag += 1;
        }
        self.first_tag > oldest
    }

    /// The connection is lost: its unconfirmed messages are to be published again, on a channel with new tags.
    pub fn connection_lost(&mut self) {
        for message in self.unconfirmed.drain(..).rev().flatten() {
            self.waiting.push_front(message);
        }
        self.first_tag = 1;
    }

    /// Messages that are not confirmed, whether published or not.
    pub fn messages(&self) -> usize {
        self.waiting.len() + self.unconfirmed.len()
    }

    /// Samples that are not confirmed.
    pub fn unconfirmed_samples(&self) -> u64 {
        self.made - self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(samples: u8) -> Outbox {
        let mut outbox = Outbox::new();
        for i in 0..samples {
            outbox.push(0, 1, [vec![i, 0], vec![i, 1]], None);
        }
        outbox
    }

    fn publish_all(outbox: &mut Outbox) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| outbox.publish_next().map(|message| message.body.clone())).collect()
    }

    #[test]
    fn a_sample_is_sent_when_both_halves_are_confirmed() {
        let mut outbox = outbox(2);
        assert_eq!(publish_all(&mut outbox), [[0, 0], [0, 1], [1, 0], [1, 1]]);
        assert!(!outbox.confirm(2, false) && !outbox.confirm(3, false), "the oldest waits");
        assert_eq!((outbox.sent, outbox.unconfirmed_samples()), (0, 2));
        assert!(outbox.confirm(1, false));
        assert_eq!((outbox.sent, outbox.messages()), (1, 1));
        assert!(outbox.confirm(4, true));
        assert_eq!((outbox.sent, outbox.messages()), (2, 0));
    }

    #[test]
    fn only_the_unconfirmed_are_published_again_in_their_order() {
        let mut outbox = outbox(3);
        for _ in 0..5 {
            outbox.publish_next();
        }
        outbox.confirm(2, true);
        outbox.confirm(4, false);
        outbox.connection_lost();
        assert_eq!(publish_all(&mut outbox), [[1, 0], [2, 0], [2, 1]]);
        outbox.confirm(3, true);
        assert_eq!((outbox.sent, outbox.messages(), outbox.unconfirmed_samples()), (3, 0, 0));
    }

    #[test]
    fn repeated_and_unknown_tags_change_nothing() {
        let mut outbox = outbox(1);
        publish_all(&mut outbox);
        assert!(!outbox.confirm(0, true) && !outbox.confirm(9, false));
        assert!(outbox.confirm(1, false));
        assert!(!outbox.confirm(1, false));
        assert_eq!((outbox.sent, outbox.messages()), (0, 1));
    }

    #[test]
    fn bytes_count_until_their_confirm_over_any_number_of_connections() {
        let mut outbox = Outbox::new();
        outbox.push(0, 3, [vec![0; 10], vec![0; 100]], None);
        outbox.push(0, 3, [vec![0; 20], vec![0; 200]], None);
        assert_eq!(outbox.bytes, 330);
        publish_all(&mut outbox);
        outbox.confirm(2, false);
        outbox.confirm(2, false);
        assert_eq!(outbox.bytes, 230);
        outbox.connection_lost();
        assert_eq!(outbox.bytes, 230);
        publish_all(&mut outbox);
        outbox.confirm(3, true);
        assert_eq!((outbox.bytes, outbox.messages()), (0, 0));
    }
}
