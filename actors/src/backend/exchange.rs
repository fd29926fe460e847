//! Greenroom's own commands on a connection that no reply is outstanding on.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use greenroom_protocol::answer::{Answer, AnswerError, Answers};
use greenroom_protocol::command::{Command, attributes};
use greenroom_protocol::constants::CapabilityFlags;
use greenroom_protocol::packet;
use greenroom_protocol::track::Changes;
use tokio::time::timeout;

use crate::buffer;
use crate::stream::Stream;

/// How long an exchange may take: it waits for no lock, so a server that takes longer will not answer, and whoever waits
/// for it holds a connection meanwhile.
const LIMIT: Duration = Duration::from_secs(10);

/// Why an exchange did not come to its end; the connection is then of no use to anybody.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The socket failed.
    #[error("the connection to the server failed: {0}")]
    Io(#[from] io::Error),
    /// The server closed it.
    #[error("the server closed the connection")]
    Closed,
    /// The server's reply makes no sense.
    #[error(transparent)]
    Reply(#[from] AnswerError),
    /// The server does not answer.
    #[error("the server did not answer within {LIMIT:?}")]
    Silent,
    /// The server said more than it was asked.
    #[error("the server sent more than its replies")]
    Surplus,
}

/// Commands to be sent in one write.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The server looks for query attributes before every statement.
    attributes: bool,
    bytes: Vec<u8>,
    count: usize,
    rows: Option<usize>,
    /// Which of them prepares a statement.
    prepare: Option<usize>,
    /// How much longer it may take than an exchange should.
    patience: Duration,
}

/// What came of a batch.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answers: Vec<Answer>,
    pub(crate) changes: Changes,
}

impl Batch {
    /// For a connection whose login agreed on these capabilities.
    pub(crate) fn new(agreed: CapabilityFlags) -> Self {
        let attributes = agreed.contains(CapabilityFlags::CLIENT_QUERY_ATTRIBUTES);
        Self { attributes, bytes: Vec::new(), count: 0, rows: None, prepare: None, patience: Duration::ZERO }
    }

    /// Adds a command.
    pub(crate) fn add(&mut self, command: Command, argument: &[u8]) {
        if command == Command::StmtPrepare {
            self.prepare = Some(self.count);
        }
        let mut payload = Vec::with_capacity(argument.len() + 1 + attributes::NONE.len());
        payload.push(command.byte());
        if self.attributes && command == Command::Query {
            payload.extend_from_slice(&attributes::NONE);
        }
        payload.extend_from_slice(argument);
        packet::frame(&mut self.bytes, 0, &payload);
        self.count += 1;
    }

    /// Lets commands go along that have no reply.
    pub(crate) fn silent(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Allows so many rows a reply.
    pub(crate) fn rows(mut self, rows: usize) -> Self {
        self.rows = Some(rows);
        self
    }

    /// Lets the server take so much longer: it is asked to wait.
    pub(crate) fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends all of it in one write and reads every reply.
    pub(crate) async fn run(self, stream: &mut Stream) -> Result<Outcome, ExchangeError> {
        // On the heap for as long as it takes: in the futures of those who ask it would take up their memory for good.
        timeout(LIMIT + self.patience, Box::pin(self.exchange(stream))).await.unwrap_or(Err(ExchangeError::Silent))
    }

    async fn exchange(self, stream: &mut Stream) -> Result<Outcome, ExchangeError> {
        stream.write_all(&self.bytes).await?;
        let mut answers = Answers::new(self.count);
        if let Some(rows) = self.rows {
            answers.allow(rows);
        }
        if let Some(index) = self.prepare {
            answers.prepares(index);
        }
        let mut slot = None;
        while !answers.is_complete() {
            let room_is_short = slot.as_ref().is_some_and(buffer::Buffer::is_full);
            if room_is_short && let Some(full) = slot.as_mut() {
                // A packet is longer than the buffer; the machine has refused it if it is too long.
                full.reserve(full.filled().len() * 2);
            }
            if poll_fn(|cx| buffer::poll_fill(&mut slot, stream, cx)).await? == 0 {
                return Err(ExchangeError::Closed);
            }
            if let Some(buffer) = slot.as_mut() {
                let used = answers.feed(buffer.filled())?;
                buffer.consume(used);
            }
        }
        if slot.is_some_and(|buffer| !buffer.is_empty()) {
            return Err(ExchangeError::Surplus);
        }
        let (answers, changes) = answers.finish();
        Ok(Outcome { answers, changes })
    }
}
