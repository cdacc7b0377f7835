//! Aggregate messages (type 22, RTMP 1.0 section 7.1.6): several media messages in one, in the form of FLV tags.

use bytes::{Buf, Bytes};

use super::chunk::{Message, MessageKind};

/// Bytes of an FLV tag header.
const TAG_HEADER_BYTES: usize = 11;

/// Takes the messages out of an aggregate one by one, so that a large one need not be unpacked at once.
#[derive(Debug)]
pub(super) struct Aggregate {
    template: Message,
    rest: Bytes,
    /// Timestamp of the first message inside, which stands for that of the aggregate.
    first: Option<u32>,
}

impl Aggregate {
    pub(super) fn new(mut message: Message) -> Self {
        let rest = std::mem::take(&mut message.payload);
        Self { template: message, rest, first: None }
    }

    /// The next message; `None` at the end, also where the rest is no tag.
    pub(super) fn next_message(&mut self) -> Option<Message> {
        let header = self.rest.get(..TAG_HEADER_BYTES)?;
        let &[kind, l1, l2, l3, t1, t2, t3, t0, ..] = header else { return None };
        let len = u32::from_be_bytes([0, l1, l2, l3]) as usize;
        let timestamp = u32::from_be_bytes([t0, t1, t2, t3]);
        let body = self.rest.get(TAG_HEADER_BYTES..TAG_HEADER_BYTES + len)?;
        // Copied, so that one short frame does not keep the whole aggregate alive.
        let payload = Bytes::copy_from_slice(body);
        // The back pointer behind each body says nothing new and is missing behind the last one at times.
        self.rest.advance((TAG_HEADER_BYTES + len + 4).min(self.rest.len()));
        let first = *self.first.get_or_insert(timestamp);
        let offset = timestamp.wrapping_sub(first).cast_signed();
        Some(Message {
            kind: MessageKind::from_id(kind & 0x1f),
            timestamp_ms: self.template.timestamp_ms.saturating_add(i64::from(offset)),
            payload,
            ..self.template.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn aggregate(payload: &[u8]) -> Aggregate {
        Aggregate::new(Message {
            chunk_stream: 4,
            message_stream: 1,
            kind: MessageKind::Aggregate,
            timestamp_ms: 1000,
            payload: Bytes::copy_from_slice(payload),
        })
    }

    #[test]
    fn messages_keep_their_distance_from_the_first() {
        let mut payload = vec![8, 0, 0, 2, 0, 0, 50, 1, 0, 0, 0, 0xaf, 1, 0, 0, 0, 13];
        payload.extend_from_slice(&[9, 0, 0, 1, 0, 0, 90, 1, 0, 0, 0, 0x17]);
        let mut aggregate = aggregate(&payload);
        let first = aggregate.next_message().unwrap();
        assert_eq!(
            (first.kind, first.timestamp_ms, &first.payload[..]),
            (MessageKind::Audio, 1000, &[0xaf, 1][..])
        );
        let second = aggregate.next_message().unwrap();
        assert_eq!((second.kind, second.timestamp_ms), (MessageKind::Video, 1040));
        assert_eq!(second.message_stream, 1);
        assert_eq!(aggregate.next_message(), None);
    }

    #[test]
    fn a_tag_that_is_cut_ends_it() {
        assert_eq!(aggregate(&[8, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 2]).next_message(), None);
        assert_eq!(aggregate(&[8, 0]).next_message(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_spin(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut aggregate = aggregate(&payload);
            let count = std::iter::from_fn(|| aggregate.next_message()).count();
            prop_assert!(count <= payload.len() / TAG_HEADER_BYTES + 1);
        }
    }
}
