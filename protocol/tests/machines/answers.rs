//! Replies to Greenroom's own commands: any reads give the same answers or the same fault, which stays; what is kept
//! of them is bounded by what came.

use greenroom_protocol::answer::{Answer, AnswerError, Answers};

use super::input::{Input, reads};

/// The answers, and the bytes that they took; no answers while they are not complete.
type Read = Result<(Option<Vec<Answer>>, usize), AnswerError>;

fn read(wanted: usize, pieces: &[&[u8]]) -> Read {
    let (mut answers, mut kept, mut used) = (Answers::new(wanted), Vec::new(), 0);
    for piece in pieces {
        kept.extend_from_slice(piece);
        match answers.feed(&kept) {
            Ok(taken) => {
                kept.drain(..taken);
                used += taken;
            }
            Err(error) => {
                assert_eq!(answers.feed(b"\x07\0\0\x01\0\0\0\x02\0\0\0"), Err(error), "a fault stays");
                return Err(error);
            }
        }
        if answers.is_complete() {
            break;
        }
    }
    let complete = answers.is_complete();
    let (done, _) = answers.finish();
    assert!(done.len() <= wanted);
    Ok((complete.then_some(done), used))
}

pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let wanted = usize::from(input.byte() % 4) + 1;
    let framed = input.byte() & 1 != 0;
    let longest = input.byte();
    let mut wire = Vec::new();
    while framed && !input.0.is_empty() {
        // Each command's reply counts from 1.
        let mut reply = Input(input.chunk());
        wire.extend(reply.wire(true, 1));
    }
    wire.extend(input.0);
    let [whole, others @ ..] = reads(&wire, longest).map(|pieces| read(wanted, &pieces));
    for other in others {
        assert_eq!(other, whole);
    }
    let Ok((Some(answers), used)) = whole else { return };
    assert!(used <= wire.len());
    for answer in answers {
        if let Answer::Rows(rows) = answer {
            let values: usize = rows.iter().flatten().flatten().map(|value| value.len()).sum();
            assert!(values + rows.iter().map(Vec::len).sum::<usize>() <= wire.len(), "more was kept than came");
        }
    }
}
