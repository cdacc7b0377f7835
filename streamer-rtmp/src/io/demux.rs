//! Media messages in, media out, one bad message at a time.

use std::collections::VecDeque;

use streamer_core::Media;
use streamer_core::container::flv::MessageDemuxer;

use crate::error::RtmpError;
use crate::proto::media::{MediaMessage, MediaMessageKind};

/// The media of one stream of messages, in order.
#[derive(Debug, Default)]
pub(crate) struct DemuxQueue {
    demuxer: MessageDemuxer,
    ready: VecDeque<Media>,
    demuxed: Vec<Media>,
}

impl DemuxQueue {
    pub(crate) fn pop(&mut self) -> Option<Media> {
        self.ready.pop_front()
    }

    /// Takes a message. One that cannot be read is counted and left out, unless it is hostile.
    pub(crate) fn push(&mut self, message: MediaMessage) -> Result<(), RtmpError> {
        let MediaMessage { kind, timestamp_ms, payload, .. } = message;
        let result = match kind {
            MediaMessageKind::Audio => self.demuxer.push_audio(timestamp_ms, payload, &mut self.demuxed),
            MediaMessageKind::Video => self.demuxer.push_video(timestamp_ms, payload, &mut self.demuxed),
            MediaMessageKind::Data => self.demuxer.push_data(timestamp_ms, &payload, &mut self.demuxed),
        };
        self.ready.extend(self.demuxed.drain(..));
        match result {
            Err(error) if error.is_fatal() => Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, "a media message is left out");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Messages and frames left out so far.
    pub(crate) const fn dropped(&self) -> u64 {
        self.demuxer.dropped().total()
    }
}
