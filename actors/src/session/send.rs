//! A command on its way to the server, and a file behind it.

use greenroom_protocol::reply::Reply;
use greenroom_protocol::sql::Facts;

use super::conversation::Conversation;
use super::pump::Fault;
use super::reader::{Body, Reader};
use super::turn::Turn;
use crate::buffer::Buffer;

impl Conversation {
    /// Begins to read a text of which this is the first part.
    pub(super) fn begin_reading(&self, text: &[u8]) -> Box<Reader> {
        let (mode, doubt) = self.mode_and_doubt();
        let mut reader = Box::new(Reader::new(mode, doubt));
        reader.feed(text);
        reader
    }

    /// Sends what is there, and streams what is not.
    pub(super) async fn send_turn(&mut self, turn: &mut Turn) -> Result<(), Fault> {
        let mut body = Body::default();
        // The reader has had the first part.
        let mut fed = true;
        let (mut first, mut packets) = (true, Vec::new());
        loop {
            let filled = self.client.inlet.as_ref().map_or(&[][..], Buffer::filled);
            let part = filled.get(..turn.incoming.scanned.used).unwrap_or_default();
            if let Some(reader) = turn.reader.as_mut() {
                body.each(part, |text| {
                    if !fed {
                        reader.feed(text);
                    }
                });
                fed = false;
            }
            if turn.incoming.scanned.complete
                && let Some(reader) = turn.reader.take()
            {
                turn.effects = reader.finish();
                turn.change = self.change_stored(turn.effects);
                // Too late to write the answer into it, but not to refuse it.
                let previous = Facts::READS_ROW_COUNT | Facts::READS_FOUND_ROWS;
                if turn.elsewhere && turn.effects.facts.intersects(previous) {
                    return Err(Fault::Unanswerable);
                }
            }
            let bytes = match turn.repack.as_mut().filter(|_| !first) {
                Some(repack) => {
                    packets.clear();
                    repack.feed(part, &mut packets);
                    &packets
                }
                None => turn.rewritten.as_deref().filter(|_| first).unwrap_or(part),
            };
            let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else {
                return Err(Fault::Backend { begun: false, reason: "there is no connection".to_owned() });
            };
            let sent = match std::mem::take(&mut first) && wire.card.statements.has_closing() {
                true => wire.stream.write_all(&wire.card.statements.before(bytes)).await,
                false => wire.stream.write_all(bytes).await,
            };
            sent.map_err(|error| Fault::Unsent(error.to_string()))?;
            if turn.incoming.scanned.complete {
                break;
            }
            self.consume(turn.incoming.scanned.used);
            self.fill().await.map_err(Fault::Client)?;
            let filled = self.client.inlet.as_ref().map_or(&[][..], Buffer::filled);
            match turn.incoming.inbound.scan(filled) {
                Ok(scanned) => turn.incoming.scanned = scanned,
                Err(error) => return Err(Fault::Client(self.violated(error).await)),
            }
        }
        Ok(())
    }

    /// `LOAD DATA LOCAL`: the client's file.
    pub(super) async fn upload(&mut self, reply: &mut Reply) -> Result<(), Fault> {
        let mut upload = reply.upload();
        // A client that knows what it will be asked may have sent its file ahead.
        let mut ahead = self.client.inlet.is_some();
        loop {
            if !std::mem::take(&mut ahead) {
                self.fill().await.map_err(Fault::Client)?;
            }
            let Some(inlet) = self.client.inlet.as_mut() else { continue };
            let uploaded = match upload.advance(inlet.filled_mut()) {
                Ok(uploaded) => uploaded,
                Err(error) => return Err(Fault::Client(self.violated(error).await)),
            };
            let Some(wire) = self.grant.as_mut().and_then(|grant| grant.wire()) else {
                return Err(Fault::Backend { begun: true, reason: "there is no connection".to_owned() });
            };
            let sent = wire.stream.write_all(inlet.filled().get(..uploaded.used).unwrap_or_default()).await;
            sent.map_err(|error| Fault::Backend { begun: true, reason: error.to_string() })?;
            self.consume(uploaded.used);
            if uploaded.done {
                reply.infile_sent(upload.next_seq());
                return Ok(());
            }
        }
    }
}
