//! What of the broker's frames reaches amiquip: no properties of messages, and no body beyond 1 MiB + 1 byte. Pure: bytes in, bytes out,
//! wherever they are cut. Never holds a body.
//!
//! The services need no properties (CONTRACT.md), and amiquip ends the connection over text in them that is not UTF-8, and the process over
//! headers nested too deep: again at every redelivery. It also reserves the size of a body as soon as the broker announces it.

use super::bodies::Budget;
use std::io::{self, ErrorKind::InvalidData};

/// Longer bodies are cut off here, one byte beyond what the contract allows, so that the consumer sees that they are too long.
pub const BODY_MAX: u64 = (1 << 20) + 1;
/// Contents that may be incomplete at once, each on a channel of its own. The services open three channels.
const INCOMPLETE_MAX: usize = 64;
/// A method is far shorter, and amiquip reserves a frame's size at once.
const METHOD_BYTES_MAX: usize = 1 << 20;

/// Frames of AMQP 0-9-1 (section 4.2.3) begin with their kind (1 byte), channel (2) and size of the payload (4), and end with a byte behind it.
const HEAD_BYTES: usize = 7;
const CONTENT_HEADER: u8 = 2;
const BODY: u8 = 3;
/// A content header's payload: class (2 bytes), weight (2), size of the body (8), flags (2); properties follow where a flag says so.
const BARE_BYTES: usize = 14;
/// The longest start of a frame that must be there whole before any of it is passed on.
pub const START_BYTES: usize = HEAD_BYTES + BARE_BYTES;

#[derive(Default)]
pub struct FrameFilter {
    /// The frame that is being passed on, in the order of its parts: its rewritten start, ...
    start: [u8; START_BYTES],
    start_at: usize,
    start_end: usize,
    /// ... bytes to pass, bytes to drop, and again bytes to pass.
    pass: usize,
    drop: usize,
    pass_last: usize,
    /// At most [`INCOMPLETE_MAX`].
    incomplete: Vec<Content>,
}

/// A message's body, or what is still to come of it.
struct Content {
    channel: u16,
    /// The whole body as it is passed on.
    len: u64,
    pass: u64,
    drop: u64,
}

/// What became of a piece of the stream.
#[derive(Debug, Default, PartialEq)]
pub struct Passed {
    /// Bytes of the input that are done with.
    pub read: usize,
    pub written: usize,
    /// Messages that began.
    pub messages: usize,
    /// The next message has to wait for room in the budget.
    pub is_stopped: bool,
}

impl FrameFilter {
    /// Passes on what it can of `input`, until the input is used up but for fewer than [`START_BYTES`] bytes, the output is full, or the budget is.
    ///
    /// # Errors
    /// Names what no broker may send.
    pub fn filter(&mut self, input: &[u8], output: &mut [u8], budget: &Budget) -> io::Result<Passed> {
        let mut passed = Passed::default();
        loop {
            let rest = input.get(passed.read..).unwrap_or_default();
            let room = output.get_mut(passed.written..).unwrap_or_default();
            if room.is_empty() {
                return Ok(passed);
            }
            if self.start_at < self.start_end {
                let start = self.start.get(self.start_at..self.start_end).unwrap_or_default();
                let len = copy(start, room, usize::MAX);
                self.start_at += len;
                passed.written += len;
                continue;
            }
            if self.pass + self.drop + self.pass_last == 0 {
                if self.begin(rest, budget, &mut passed)? {
                    continue;
                }
                return Ok(passed);
            }
            if rest.is_empty() {
                return Ok(passed);
            }
            if self.pass == 0 && self.drop > 0 {
                let len = self.drop.min(rest.len());
                self.drop -= len;
                passed.read += len;
                continue;
            }
            let part = if self.pass > 0 { &mut self.pass } else { &mut self.pass_last };
            let len = copy(rest, room, *part);
            *part -= len;
            passed.read += len;
            passed.written += len;
        }
    }

    /// Begins the next frame; false if it has to wait for more input or for room in the budget.
    fn begin(&mut self, input: &[u8], budget: &Budget, passed: &mut Passed) -> io::Result<bool> {
        let Some((head, payload)) = input.split_first_chunk::<HEAD_BYTES>() else { return Ok(false) };
        let [kind, channel @ .., s0, s1, s2, s3] = *head;
        let channel = u16::from_be_bytes(channel);
        let size = u32::from_be_bytes([s0, s1, s2, s3]) as usize;
        match kind {
            // A shorter one is no content header, which amiquip finds out.
            CONTENT_HEADER if size >= BARE_BYTES => {
                let Some(bare) = payload.first_chunk::<BARE_BYTES>() else { return Ok(false) };
                if !budget.has_room() {
                    passed.is_stopped = true;
                    return Ok(false);
                }
                let len = self.begin_content(channel, bare, budget)?;
                let [c0, c1, w0, w1, ..] = *bare;
                self.begin_frame(kind, channel, BARE_BYTES);
                let [l0, l1, l2, l3, l4, l5, l6, l7] = len.to_be_bytes();
                let bare = [c0, c1, w0, w1, l0, l1, l2, l3, l4, l5, l6, l7, 0, 0];
                if let Some(place) = self.start.get_mut(HEAD_BYTES..) {
                    place.copy_from_slice(&bare);
                }
                self.start_end = START_BYTES;
                (self.drop, self.pass_last) = (size - BARE_BYTES, 1);
                passed.read += START_BYTES;
                passed.messages += 1;
            }
            BODY => {
                match self.continue_content(channel, size, budget)? {
                    Some(pass) => {
                        self.begin_frame(kind, channel, pass);
                        (self.pass, self.drop, self.pass_last) = (pass, size - pass, 1);
                    }
                    None => self.drop = size + 1,
                }
                passed.read += HEAD_BYTES;
            }
            _ if size > METHOD_BYTES_MAX => {
                let what = format!(
                    "a frame of kind {kind} and {size} bytes; at most {METHOD_BYTES_MAX} are expected"
                );
                return Err(io::Error::new(InvalidData, what));
            }
            _ => {
                self.begin_frame(kind, channel, size);
                self.pass = size + 1;
                passed.read += HEAD_BYTES;
            }
        }
        Ok(true)
    }

    fn begin_frame(&mut self, kind: u8, channel: u16, size: usize) {
        let ([c0, c1], [s0, s1, s2, s3]) = (channel.to_be_bytes(), (size as u32).to_be_bytes());
        let head = [kind, c0, c1, s0, s1, s2, s3];
        if let Some(place) = self.start.get_mut(..HEAD_BYTES) {
            place.copy_from_slice(&head);
        }
        (self.start_at, self.start_end) = (0, HEAD_BYTES);
    }

    /// Notes what is to come of a body, and gives the length that it is passed on with.
    fn begin_content(&mut self, channel: u16, bare: &[u8; BARE_BYTES], budget: &Budget) -> io::Result<u64> {
        let [_, _, _, _, s0, s1, s2, s3, s4, s5, s6, s7, ..] = *bare;
        let size = u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
        let len = if budget.discards() { 0 } else { size.min(BODY_MAX) };
        // The channel may have been closed within a body, and opened again.
        self.incomplete.retain(|content| content.channel != channel);
        if self.incomplete.len() >= INCOMPLETE_MAX {
            let what = format!("more than {INCOMPLETE_MAX} messages at once");
            return Err(io::Error::new(InvalidData, what));
        }
        if len == 0 {
            budget.add(0);
        }
        if size > 0 {
            self.incomplete.push(Content { channel, len, pass: len, drop: size - len });
        }
        Ok(len)
    }

    /// How many bytes of a body frame of `size` bytes are passed on; none where the frame is left out.
    fn continue_content(&mut self, channel: u16, size: usize, budget: &Budget) -> io::Result<Option<usize>> {
        let at = self.incomplete.iter().position(|content| content.channel == channel);
        let content = at.and_then(|at| self.incomplete.get_mut(at));
        let left = content.as_ref().map_or(0, |content| content.pass + content.drop);
        let size = size as u64;
        if size > left {
            let what = format!(
                "a body frame of {size} bytes on channel {channel}, where {left} are left of the message"
            );
            return Err(io::Error::new(InvalidData, what));
        }
        // An empty frame without a message; amiquip complains.
        let Some(content) = content else { return Ok(Some(0)) };
        let is_cut_off = content.pass == 0;
        let pass = content.pass.min(size);
        content.pass -= pass;
        content.drop -= size - pass;
        if pass > 0 && content.pass == 0 {
            budget.add(content.len);
        }
        if content.pass + content.drop == 0 {
            at.map(|at| self.incomplete.swap_remove(at));
        }
        Ok((!is_cut_off).then_some(pass as usize))
    }
}

/// Copies as many bytes as fit, at most `max`, and gives their number.
fn copy(from: &[u8], to: &mut [u8], max: usize) -> usize {
    let len = from.len().min(to.len()).min(max);
    if let (Some(from), Some(to)) = (from.get(..len), to.get_mut(..len)) {
        to.copy_from_slice(from);
    }
    len
}

#[cfg(test)]
#[path = "frame_filter_tests.rs"]
pub mod tests;
