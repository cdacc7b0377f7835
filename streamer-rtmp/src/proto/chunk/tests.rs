//! Reader and writer against each other, against hand-made chunks and against hostile ones.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

fn read_all(reader: &mut ChunkReader, mut input: &[u8]) -> Result<Vec<Message>, ChunkError> {
    let mut messages = Vec::new();
    while let Some(message) = reader.read(&mut input)? {
        messages.push(message);
    }
    assert!(input.is_empty(), "the reader takes all there is");
    Ok(messages)
}

fn read_chopped(reader: &mut ChunkReader, input: &[u8], chop: &[usize]) -> Result<Vec<Message>, ChunkError> {
    let (mut rest, mut sizes, mut messages) = (input, chop.iter().cycle(), Vec::new());
    while !rest.is_empty() {
        let (front, back) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
        messages.extend(read_all(reader, front)?);
        rest = back;
    }
    Ok(messages)
}

fn publishing() -> ChunkReader {
    ChunkReader::new(ReaderLimits::PUBLISHING)
}

fn set_chunk_size(size: u32) -> Vec<u8> {
    let mut out = vec![2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];
    out.extend_from_slice(&size.to_be_bytes());
    out
}

#[test]
fn the_four_header_types_accumulate_timestamps() {
    let mut input = vec![0x04, 0, 3, 0xe8, 0, 0, 2, 8, 1, 0, 0, 0, 0xa0, 0xa1];
    input.extend_from_slice(&[0x44, 0, 0, 20, 0, 0, 1, 8, 0xb0]);
    input.extend_from_slice(&[0x84, 0, 0, 30, 0xc0]);
    input.extend_from_slice(&[0xc4, 0xd0]);
    let messages = read_all(&mut publishing(), &input).unwrap();
    let seen: Vec<_> =
        messages.iter().map(|message| (message.timestamp_ms, message.payload.clone())).collect();
    assert_eq!(
        seen,
        [
            (1000, Bytes::from_static(&[0xa0, 0xa1])),
            (1020, Bytes::from_static(&[0xb0])),
            (1050, Bytes::from_static(&[0xc0])),
            (1080, Bytes::from_static(&[0xd0])),
        ]
    );
    assert!(messages.iter().all(|message| message.message_stream == 1 && message.kind == MessageKind::Audio));
}

#[test]
fn a_type_3_message_behind_a_type_0_one_adds_its_timestamp() {
    // FFmpeg relies on it: equal fields in two headers are left out of the second.
    let input = [0x04, 0, 0, 23, 0, 0, 1, 8, 1, 0, 0, 0, 0xa0, 0xc4, 0xa1];
    let messages = read_all(&mut publishing(), &input).unwrap();
    assert_eq!(messages[1].timestamp_ms, 46);
}

#[test]
fn protocol_control_may_open_with_a_type_1_header() {
    let input = [0x42, 0, 0, 0, 0, 0, 4, 1, 0, 0, 1, 0];
    let mut reader = publishing();
    read_all(&mut reader, &input).unwrap();
    assert_eq!(reader.chunk_size().get(), 256);
}

#[test]
fn interleaved_messages_come_out_in_the_order_they_end() {
    let mut input = vec![0x06, 0, 0, 0, 0, 0, 200, 9, 1, 0, 0, 0];
    input.extend_from_slice(&[1; 128]);
    input.extend_from_slice(&[0x04, 0, 0, 5, 0, 0, 3, 8, 1, 0, 0, 0, 2, 2, 2]);
    input.push(0xc6);
    input.extend_from_slice(&[1; 72]);
    let messages = read_all(&mut publishing(), &input).unwrap();
    assert_eq!(
        messages.iter().map(|message| message.kind).collect::<Vec<_>>(),
        [MessageKind::Audio, MessageKind::Video]
    );
    assert_eq!(messages[1].payload, vec![1; 200]);
}

/// A video message of 6 bytes in chunks of 2 with an extended timestamp that type 3 chunks repeat or do not.
fn extended(repeat: bool) -> Vec<u8> {
    let stamp = [0x01, 0x00, 0x00, 0x01];
    let mut input = set_chunk_size(2);
    input.extend_from_slice(&[0x06, 0xff, 0xff, 0xff, 0, 0, 6, 9, 1, 0, 0, 0]);
    input.extend_from_slice(&stamp);
    for (at, payload) in [[1u8, 0], [1, 0], [0, 9]].iter().enumerate() {
        if at > 0 {
            input.push(0xc6);
            input.extend_from_slice(if repeat { &stamp } else { &[] });
        }
        input.extend_from_slice(payload);
    }
    input
}

proptest! {
    #[test]
    fn extended_timestamps_are_found_in_type_3_chunks_or_not(repeat: bool, chop in proptest::collection::vec(1usize..9, 1..8)) {
        let mut reader = publishing();
        let messages = read_chopped(&mut reader, &extended(repeat), &chop).unwrap();
        prop_assert_eq!(messages.len(), 2);
        prop_assert_eq!(messages[1].timestamp_ms, 0x0100_0001);
        prop_assert_eq!(&messages[1].payload[..], &[1, 0, 1, 0, 0, 9]);
    }
}

#[test]
fn an_extended_delta_is_a_delta_and_its_absolute_form_is_known_too() {
    for repeated in [0x0100_0000u32, 0x0100_0064] {
        let mut input = set_chunk_size(2);
        input.extend_from_slice(&[0x06, 0, 0, 100, 0, 0, 1, 9, 1, 0, 0, 0, 7]);
        input.extend_from_slice(&[0x46, 0xff, 0xff, 0xff, 0, 0, 3, 9, 1, 0, 0, 0, 7, 8, 0xc6]);
        input.extend_from_slice(&repeated.to_be_bytes());
        input.push(9);
        let messages = read_all(&mut publishing(), &input).unwrap();
        assert_eq!(messages[2].timestamp_ms, 0x0100_0064);
        assert_eq!(&messages[2].payload[..], &[7, 8, 9]);
    }
}

#[test]
fn abort_drops_the_message_and_keeps_the_header() {
    let mut input = vec![0x06, 0, 0, 0, 0, 0, 200, 9, 1, 0, 0, 0];
    input.extend_from_slice(&[1; 128]);
    input.extend_from_slice(&[2, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 6]);
    input.extend_from_slice(&[0x86, 0, 0, 9]);
    input.extend_from_slice(&[3; 128]);
    input.push(0xc6);
    input.extend_from_slice(&[3; 72]);
    let mut reader = publishing();
    let messages = read_all(&mut reader, &input).unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[1].timestamp_ms, &messages[1].payload[..]), (9, &[3; 200][..]));
    assert_eq!(reader.pending_bytes(), 0);
}

#[test]
fn messages_without_a_body_are_messages() {
    let input = [0x04, 0, 0, 1, 0, 0, 0, 8, 1, 0, 0, 0, 0xc4, 0xc4];
    let messages = read_all(&mut publishing(), &input).unwrap();
    assert_eq!(messages.len(), 3);
    assert!(messages.iter().all(|message| message.payload.is_empty()));
}

#[test]
fn chunk_sizes_are_checked_and_clamped() {
    for value in [0, 0x8000_0000, u32::MAX] {
        let refused = read_all(&mut publishing(), &set_chunk_size(value));
        assert_eq!(refused, Err(ChunkError::InvalidChunkSize { value }));
    }
    for (value, size) in [(1, 1), (65_536, 65_536), (0x7fff_ffff, 0x00ff_ffff)] {
        let mut reader = publishing();
        read_all(&mut reader, &set_chunk_size(value)).unwrap();
        assert_eq!(reader.chunk_size().get(), size);
    }
    let short = [2, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(read_all(&mut publishing(), &short), Err(ChunkError::ShortControl { len: 3 }));
}

#[test]
fn headers_that_refer_to_nothing_are_refused() {
    for format in [2u8, 3] {
        let refused = read_all(&mut publishing(), &[format << 6 | 5, 0, 0, 0]);
        assert_eq!(refused, Err(ChunkError::MissingHeader { chunk_stream: 5, format }));
    }
}

#[test]
fn a_new_header_inside_a_message_is_refused() {
    let mut input = vec![0x06, 0, 0, 0, 0, 0, 200, 9, 1, 0, 0, 0];
    input.extend_from_slice(&[1; 128]);
    input.extend_from_slice(&[0x46, 0, 0, 0, 0, 0, 72, 9]);
    let refused = read_all(&mut publishing(), &input);
    assert_eq!(refused, Err(ChunkError::InterruptedMessage { chunk_stream: 6, missing: 72 }));
}

#[test]
fn a_declared_length_costs_nothing_until_it_is_sent() {
    let mut reader = publishing();
    let mut input = vec![0x06, 0, 0, 0, 0xff, 0xff, 0xff, 9, 1, 0, 0, 0];
    input.extend_from_slice(&[1; 100]);
    assert_eq!(read_all(&mut reader, &input).unwrap(), []);
    assert_eq!(reader.pending_bytes(), 100);
    assert!(reader.held_capacity() <= 8192, "{}", reader.held_capacity());
}

#[test]
fn the_largest_message_passes_and_the_one_above_the_limit_does_not() {
    let payload = Bytes::from(vec![5u8; MAX_MESSAGE_BYTES]);
    let header =
        MessageHeader { chunk_stream: 6, message_stream: 1, kind: MessageKind::Video, timestamp_ms: 7 };
    let mut bytes = BytesMut::new();
    write_message(&header, &payload, ChunkSize::DEFAULT, &mut bytes).unwrap();
    let messages = read_chopped(&mut publishing(), &bytes, &[65_536]).unwrap();
    assert!(messages[0].payload == payload);

    let max = MAX_MESSAGE_BYTES_BEFORE_PUBLISH;
    for (len, passes) in [(max, true), (max + 1, false)] {
        let mut bytes = BytesMut::new();
        write_message(&header, &payload[..len], ChunkSize::DEFAULT, &mut bytes).unwrap();
        let result = read_chopped(&mut ChunkReader::new(ReaderLimits::BEFORE_PUBLISH), &bytes, &[4096]);
        if passes {
            assert_eq!(result.unwrap().len(), 1);
        } else {
            assert_eq!(result, Err(ChunkError::MessageTooLarge { len, max }));
        }
    }
}

#[test]
fn chunk_streams_and_unfinished_messages_are_counted() {
    let mut reader = publishing();
    let open = |chunk_stream: u8, len: u8| vec![0, chunk_stream, 0, 0, 0, 0, 0, len, 8, 1, 0, 0, 0];
    for at in 0..=255 {
        read_all(&mut reader, &open(at, 0)).unwrap();
    }
    let refused = read_all(&mut reader, &[4, 0, 0, 0, 0, 0, 0, 8, 1, 0, 0, 0]);
    assert_eq!(refused, Err(ChunkError::TooManyChunkStreams { max: MAX_CHUNK_STREAMS }));

    let mut reader = publishing();
    read_all(&mut reader, &set_chunk_size(1)).unwrap();
    for at in 0..MAX_PARTIAL_MESSAGES as u8 {
        read_all(&mut reader, &[open(at, 2), vec![0]].concat()).unwrap();
    }
    let refused = read_all(&mut reader, &open(200, 2));
    assert_eq!(refused, Err(ChunkError::TooManyPartialMessages { max: MAX_PARTIAL_MESSAGES }));
}

#[test]
fn unfinished_messages_share_one_bound() {
    for (limits, chunk) in [(ReaderLimits::BEFORE_PUBLISH, 50_000), (ReaderLimits::PUBLISHING, 12_000_000)] {
        let mut reader = ChunkReader::new(limits);
        read_all(&mut reader, &set_chunk_size(chunk)).unwrap();
        let [_, high, middle, low] = (chunk + 1).to_be_bytes();
        let results: Vec<_> = (4..7u8)
            .map(|at| {
                let mut input = vec![at, 0, 0, 0, high, middle, low, 9, 1, 0, 0, 0];
                input.resize(12 + chunk as usize, 1);
                read_all(&mut reader, &input)
            })
            .collect();
        let refused =
            ChunkError::TooManyPendingBytes { len: 3 * chunk as usize, max: limits.max_pending_bytes };
        assert_eq!(results, [Ok(vec![]), Ok(vec![]), Err(refused)]);
    }
}

#[test]
fn the_bound_holds_for_a_message_that_comes_at_once() {
    let mut input = set_chunk_size(100_000);
    input.extend_from_slice(&[6, 0, 0, 0, 1, 0x86, 0xa1, 9, 1, 0, 0, 0]);
    input.resize(input.len() + 100_000, 1);
    input.extend_from_slice(&[4, 0, 0, 0, 0, 0xc3, 0x50, 8, 1, 0, 0, 0]);
    input.resize(input.len() + 50_000, 1);
    for chop in [[input.len()], [1000]] {
        let mut reader = ChunkReader::new(ReaderLimits::BEFORE_PUBLISH);
        let refused = read_chopped(&mut reader, &input, &chop);
        assert!(matches!(refused, Err(ChunkError::TooManyPendingBytes { .. })), "{chop:?}");
    }
}

fn any_header() -> impl Strategy<Value = MessageHeader> {
    // Control messages change the reader on purpose; they have tests of their own.
    let kinds = prop_oneof![Just(8u8), Just(9), Just(15), Just(17), Just(18), Just(20), Just(22), 23u8..];
    (prop_oneof![2u32..70, 2u32..=65_599], any::<u32>(), kinds, any::<u32>()).prop_map(
        |(chunk_stream, message_stream, kind, timestamp)| MessageHeader {
            chunk_stream,
            message_stream,
            kind: MessageKind::from_id(kind),
            timestamp_ms: i64::from(timestamp),
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_in_any_chopping(
        messages in proptest::collection::vec((any_header(), proptest::collection::vec(any::<u8>(), 0..400)), 0..12),
        size in 1u32..300,
        chop in proptest::collection::vec(1usize..200, 1..8),
    ) {
        let chunk_size = ChunkSize::new(size).unwrap();
        let mut bytes = BytesMut::from(&set_chunk_size(size)[..]);
        for (header, payload) in &messages {
            write_message(header, payload, chunk_size, &mut bytes).unwrap();
        }
        let read = read_chopped(&mut publishing(), &bytes, &chop).unwrap();
        prop_assert_eq!(read.len(), messages.len() + 1);
        for (message, (header, payload)) in read[1..].iter().zip(&messages) {
            prop_assert_eq!(message.chunk_stream, header.chunk_stream);
            prop_assert_eq!(message.message_stream, header.message_stream);
            prop_assert_eq!(message.kind, header.kind);
            prop_assert_eq!(message.timestamp_ms as u32, header.timestamp_ms as u32);
            prop_assert_eq!(&message.payload[..], &payload[..]);
        }
    }

    #[test]
    fn between_messages_is_where_one_ends(
        messages in proptest::collection::vec((any_header(), proptest::collection::vec(any::<u8>(), 0..400)), 0..8),
        size in 1u32..300,
    ) {
        let chunk_size = ChunkSize::new(size).unwrap();
        let mut bytes = BytesMut::from(&set_chunk_size(size)[..]);
        let mut ends = vec![0, bytes.len()];
        for (header, payload) in &messages {
            write_message(header, payload, chunk_size, &mut bytes).unwrap();
            ends.push(bytes.len());
        }
        let mut reader = publishing();
        for at in 0..bytes.len() {
            prop_assert_eq!(reader.is_between_messages(), ends.contains(&at), "{}", at);
            read_all(&mut reader, &bytes[at..=at]).unwrap();
        }
        prop_assert!(reader.is_between_messages());
    }

    #[test]
    fn any_bytes_give_the_same_in_any_chopping(
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), 0u8..8], 0..600),
        chop in proptest::collection::vec(1usize..50, 1..8),
    ) {
        let whole = read_chopped(&mut publishing(), &bytes, &[bytes.len().max(1)]);
        let chopped = read_chopped(&mut publishing(), &bytes, &chop);
        if whole.is_ok() || chopped.is_ok() {
            prop_assert_eq!(whole, chopped);
        }
    }
}
