//! AMQP 0-9-1 frames as bytes (section 4.2.3 of its specification): writes frames that no client library would send, and reads frames of a
//! recorded connection.

/// The kind of a method frame.
pub const METHOD: u8 = 1;
/// The kind of a frame with the properties of a message.
pub const HEADER: u8 = 2;
/// The kind of a frame with a part of a message's body.
pub const BODY: u8 = 3;
const END: u8 = 0xce;
/// The first bytes of a client.
pub const PROTOCOL: &[u8] = b"AMQP\0\0\x09\x01";
/// The class `basic`.
pub const BASIC: u16 = 60;
/// The method of `basic` that publishes a message.
pub const PUBLISH: u16 = 40;
/// The method of `basic` that acknowledges deliveries, or confirms messages.
pub const ACK: u16 = 80;

/// One frame, without its channel.
pub struct Frame<'a> {
    /// [`METHOD`], [`HEADER`] or [`BODY`].
    pub kind: u8,
    /// Its content.
    pub payload: &'a [u8],
}

/// The bytes of a frame.
pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let head = [&[kind][..], &channel.to_be_bytes(), &(payload.len() as u32).to_be_bytes()].concat();
    [&head, payload, &[END]].concat()
}

/// The bytes of a method frame.
pub fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    frame(METHOD, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat())
}

/// A length of one byte, then that many bytes.
pub fn short_string(text: &[u8]) -> Vec<u8> {
    [&[text.len() as u8], text].concat()
}

/// A length of four bytes, then that many bytes.
pub fn long_string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

/// Removes the first whole frame from `bytes`.
pub fn next_frame<'a>(bytes: &mut &'a [u8]) -> Option<Frame<'a>> {
    let size = u32::from_be_bytes(bytes.get(3..7)?.try_into().unwrap()) as usize;
    let (kind, payload) = (bytes[0], bytes.get(7..7 + size)?);
    assert_eq!(*bytes.get(7 + size)?, END, "not a frame");
    *bytes = &bytes[8 + size..];
    Some(Frame { kind, payload })
}

impl Frame<'_> {
    /// Class and method of a method frame.
    pub fn method(&self) -> Option<(u16, u16)> {
        let number = |at: usize| Some(u16::from_be_bytes(self.payload.get(at..at + 2)?.try_into().unwrap()));
        if self.kind == METHOD { Some((number(0)?, number(2)?)) } else { None }
    }
}

/// A message that was published whole.
pub struct Published {
    /// The routing key.
    pub queue: String,
    /// The body, whole.
    pub body: Vec<u8>,
    /// Whether a confirm came back.
    pub confirmed: bool,
}

/// The messages of a recorded connection with one publishing channel.
pub fn published(mut to_broker: &[u8], mut from_broker: &[u8]) -> Vec<Published> {
    to_broker = to_broker.strip_prefix(PROTOCOL).unwrap_or(to_broker);
    let mut messages: Vec<Published> = Vec::new();
    let mut missing = 0;
    while let Some(frame) = next_frame(&mut to_broker) {
        match frame.kind {
            METHOD if frame.method() == Some((BASIC, PUBLISH)) => {
                // Two reserved bytes, the exchange, the routing key.
                let arguments = &frame.payload[6..];
                let key = &arguments[1 + usize::from(arguments[0])..];
                let queue = String::from_utf8(key[1..=usize::from(key[0])].to_vec()).unwrap();
                messages.push(Published { queue, body: Vec::new(), confirmed: false });
            }
            HEADER => missing = u64::from_be_bytes(frame.payload[4..12].try_into().unwrap()) as usize,
            BODY => {
                missing -= frame.payload.len();
                messages.last_mut().unwrap().body.extend_from_slice(frame.payload);
            }
            _ => {}
        }
    }
    if missing > 0 || messages.last().is_some_and(|message| message.body.is_empty()) {
        messages.pop();
    }
    let mut first = 0;
    while let Some(frame) = next_frame(&mut from_broker) {
        if frame.method() != Some((BASIC, ACK)) {
            continue;
        }
        let tag = u64::from_be_bytes(frame.payload[4..12].try_into().unwrap()) as usize;
        let multiple = frame.payload[12] & 1 == 1;
        let begin = if multiple { first } else { tag - 1 };
        messages[begin..tag].iter_mut().for_each(|message| message.confirmed = true);
        if multiple {
            first = tag;
        }
    }
    messages
}
