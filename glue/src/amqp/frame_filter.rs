//! Filters the broker's frames for amiquip: drops the properties of messages, and cuts bodies off after 1 MiB + 1 byte. Pure: bytes in, bytes
//! out, wherever the input is cut. Never waits for the end of a frame.
//!
//! The services need no properties (CONTRACT.md). amiquip closes the connection over properties that are not UTF-8, and crashes over headers
//! that are nested too deep, at every redelivery. It also reserves memory for a body as soon as the broker announces its size.

use super::bodies::Budget;
use crate::number::counted;
use std::{
    collections::VecDeque,
    io::{self, ErrorKind::InvalidData},
};

/// Longer bodies are cut off here. This is one byte more than the contract allows, so that the consumer sees that they are too long.
pub const BODY_MAX: u64 = (1 << 20) + 1;
/// Limit of messages that are incomplete at once, each on its own channel. The services open three channels.
const INCOMPLETE_MAX: usize = 64;
/// Limit of a frame that is not a body: amiquip reserves its size at once. Methods are far shorter.
const METHOD_BYTES_MAX: u32 = 1 << 20;

/// A frame of AMQP 0-9-1 (section 4.2.3): kind (1 byte), channel (2), size of the payload (4), payload, end (1).
const HEAD_BYTES: usize = 7;
const END_BYTES: usize = 1;
const CONTENT_HEADER: u8 = 2;
const BODY: u8 = 3;
/// No frame, but a record of TLS: what a TLS port answers to plain AMQP.
const TLS_ALERT: u8 = 21;
/// A content header's payload: class (2 bytes), weight (2), size of the body (8), flags (2), and the properties that the flags name.
const BARE_BYTES: usize = 14;
/// The longest start of a frame that must be complete before any of it is passed on.
pub const START_BYTES: usize = HEAD_BYTES + BARE_BYTES;

#[derive(Default)]
pub struct FrameFilter {
    /// Bytes that are passed on; the reader takes them out.
    pub output: VecDeque<u8>,
    /// The rest of the present frame, in the order of its parts: bytes to pass on, to drop, and to pass on at the end.
    pass: usize,
    drop: usize,
    pass_last: usize,
    /// At most [`INCOMPLETE_MAX`].
    incomplete: Vec<Content>,
}

/// A message whose body is incomplete.
struct Content {
    channel: u16,
    /// Bytes still to pass on, and to drop behind them.
    pass: u64,
    drop: u64,
}

/// The result of one call of [`FrameFilter::filter`].
#[derive(Debug, Default, PartialEq)]
pub struct Passed {
    /// Bytes of the input that were passed on or dropped.
    pub read: usize,
    /// Messages that began.
    pub messages: usize,
    /// The next message must wait for room in the budget.
    pub is_stopped: bool,
}

impl FrameFilter {
    /// Passes on `input` until fewer than [`START_BYTES`] bytes of it are left or the budget is used up.
    ///
    /// # Errors
    /// Names the frame that no broker may send.
    pub fn filter(&mut self, input: &[u8], budget: &Budget) -> io::Result<Passed> {
        let mut passed = Passed::default();
        loop {
            let rest = input.get(passed.read..).unwrap_or_default();
            if self.pass + self.drop + self.pass_last == 0 {
                if self.begin(rest, budget, &mut passed)? {
                    continue;
                }
                return Ok(passed);
            }
            if rest.is_empty() {
                return Ok(passed);
            }
            let (part, is_dropped) = match self {
                FrameFilter { pass: part @ 1.., .. } => (part, false),
                FrameFilter { drop: part @ 1.., .. } => (part, true),
                FrameFilter { pass_last: part, .. } => (part, false),
            };
            let len = rest.len().min(*part);
            *part -= len;
            passed.read += len;
            if !is_dropped {
                self.output.extend(rest.get(..len).unwrap_or_default());
            }
        }
    }

    /// Starts the next frame. False if it must wait for more input or for room in the budget.
    fn begin(&mut self, input: &[u8], budget: &Budget, passed: &mut Passed) -> io::Result<bool> {
        let Some((head, payload)) = input.split_first_chunk::<HEAD_BYTES>() else { return Ok(false) };
        let [kind, c0, c1, s0, s1, s2, s3] = *head;
        let (channel, size) = (u16::from_be_bytes([c0, c1]), u32::from_be_bytes([s0, s1, s2, s3]));
        match kind {
            // amiquip refuses a shorter one.
            CONTENT_HEADER if size >= BARE_BYTES as u32 => {
                let Some(bare) = payload.first_chunk::<BARE_BYTES>() else { return Ok(false) };
                if !budget.admit() {
                    passed.is_stopped = true;
                    return Ok(false);
                }
                self.begin_content(channel, size, bare, budget)?;
                passed.read += START_BYTES;
                passed.messages += 1;
                return Ok(true);
            }
            BODY => self.continue_content(channel, size)?,
            TLS_ALERT => {
                return Err(refused("a TLS alert, so this port speaks TLS: use amqps://".to_owned()));
            }
            _ if size > METHOD_BYTES_MAX => {
                return Err(refused(format!(
                    "a frame of {size} bytes and kind {kind}; at most {METHOD_BYTES_MAX} are allowed"
                )));
            }
            _ => self.begin_frame(kind, channel, size, 0),
        }
        passed.read += HEAD_BYTES;
        Ok(true)
    }

    /// Starts a frame: passes on the first `pass` bytes of its payload and drops the `drop` bytes behind them.
    fn begin_frame(&mut self, kind: u8, channel: u16, pass: u32, drop: u32) {
        let ([c0, c1], [s0, s1, s2, s3]) = (channel.to_be_bytes(), pass.to_be_bytes());
        self.output.extend([kind, c0, c1, s0, s1, s2, s3]);
        (self.pass, self.drop, self.pass_last) = (pass as usize, drop as usize, END_BYTES);
    }

    /// Starts a message: passes on its content header without properties, with the length at which the body is cut off.
    fn begin_content(
        &mut self,
        channel: u16,
        size: u32,
        bare: &[u8; BARE_BYTES],
        budget: &Budget,
    ) -> io::Result<()> {
        let [c0, c1, w0, w1, l0, l1, l2, l3, l4, l5, l6, l7, _, _] = *bare;
        let announced = u64::from_be_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
        let len = if budget.discards() { 0 } else { announced.min(BODY_MAX) };
        // The channel may have been closed within a body and opened again. What is lost stays counted: consumers whose channel is closed
        // open another connection.
        self.incomplete.retain(|content| content.channel != channel);
        if self.incomplete.len() >= INCOMPLETE_MAX {
            return Err(refused(format!("messages on more than {INCOMPLETE_MAX} channels at once")));
        }
        if announced > 0 {
            self.incomplete.push(Content { channel, pass: len, drop: announced - len });
        }
        budget.add(len);
        self.begin_frame(CONTENT_HEADER, channel, BARE_BYTES as u32, size - BARE_BYTES as u32);
        self.pass = 0;
        let [l0, l1, l2, l3, l4, l5, l6, l7] = len.to_be_bytes();
        self.output.extend([c0, c1, w0, w1, l0, l1, l2, l3, l4, l5, l6, l7, 0, 0]);
        Ok(())
    }

    /// Starts a body frame: passes on as much as the cut-off length allows.
    fn continue_content(&mut self, channel: u16, size: u32) -> io::Result<()> {
        let at = self.incomplete.iter().position(|content| content.channel == channel);
        let content = at.and_then(|at| self.incomplete.get_mut(at));
        let left = content.as_ref().map_or(0, |content| content.pass + content.drop);
        if u64::from(size) > left {
            let size = counted(size.into(), "byte", "bytes");
            return Err(refused(format!(
                "a body frame of {size} on channel {channel}; {left} are left of the message"
            )));
        }
        // Empty and not within a message: amiquip refuses it.
        let Some(content) = content else {
            self.begin_frame(BODY, channel, 0, 0);
            return Ok(());
        };
        let is_cut_off = content.pass == 0;
        let pass = content.pass.min(u64::from(size)) as u32;
        content.pass -= u64::from(pass);
        content.drop -= u64::from(size - pass);
        if content.pass + content.drop == 0 {
            at.map(|at| self.incomplete.swap_remove(at));
        }
        if is_cut_off {
            self.drop = size as usize + END_BYTES;
        } else {
            self.begin_frame(BODY, channel, pass, size - pass);
        }
        Ok(())
    }
}

fn refused(what: String) -> io::Error {
    io::Error::new(InvalidData, what)
}

#[cfg(test)]
pub mod tests;
