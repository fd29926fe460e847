//! Hostile clients made up at random: a session's recorded bytes, damaged, cut into odd writes, left in odd ways.
//!
//! `GREENROOM_SEED` replays a run, `GREENROOM_ROUNDS` makes it longer; a failure prints the seed of its round.

use std::{env, panic::AssertUnwindSafe, panic::catch_unwind};

use mysql_common::constants::CapabilityFlags;

use crate::{
    bed::Bed,
    clients::MODES,
    damage::{Dice, damage, pieces},
    guest::{Leave, packet, send, socket},
    support::{
        servers::each_server,
        wire::{Param, Wire, execute_body},
    },
};

/// Attacks between two looks at the proxy.
const BATCH: u64 = 40;

fn number(name: &str, usual: u64) -> u64 {
    env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

/// What a session may send after its login, one command after the other without waiting.
fn session(dice: &mut Dice, id: u32) -> Vec<u8> {
    let id_bytes = id.to_le_bytes();
    let on = |byte: u8, tail: &[u8]| packet(0, &[&[byte][..], &id_bytes, tail].concat());
    let execute = execute_body(id, 0, &[Param::Int(7), Param::Text("seven")]);
    let commands = [
        packet(0, b"\x03SELECT id, v FROM kept"),
        packet(0, b"\x03SELECT 1; SELECT 2, 'x'; DO 3"),
        packet(0, b"\x03SET @a = 1, sql_mode = ''"),
        packet(0, b"\x03START TRANSACTION"),
        packet(0, b"\x03INSERT INTO scratch VALUES (1, 'x')"),
        packet(0, b"\x03ROLLBACK"),
        packet(0, b"\x03SELECT ROW_COUNT(), FOUND_ROWS() /* x */, CONNECTION_ID()"),
        packet(0, b"\x03SELECT nothing FROM nowhere"),
        [packet(0, b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE scratch"), packet(2, b"1\tx\n"), packet(3, b"")]
            .concat(),
        packet(0, b"\x16SELECT ?, ?"),
        packet(0, &[&[0x17], &execute[..]].concat()),
        on(0x17, b"\x01\x01\0\0\0\0\x01\x08\0\xfd\0\x07\0\0\0\0\0\0\0\x05seven"),
        on(0x1C, b"\x02\0\0\0"),
        on(0x18, b"\x01\0long data"),
        on(0x1A, b""),
        on(0x19, b""),
        packet(0, b"\x02nosuch"),
        packet(0, b"\x04kept\0%"),
        packet(0, b"\x0e"),
        packet(0, b"\x1f"),
        packet(0, b"\x1b\x01\0"),
        packet(0, b"\x09"),
    ];
    (0..1 + dice.below(6)).flat_map(|_| dice.one_of(&commands).clone()).collect()
}

fn attack(bed: &Bed, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut login = bed.tenant.login().with(CapabilityFlags::CLIENT_LOCAL_FILES);
    if dice.below(3) == 0 {
        login = login.without(CapabilityFlags::CLIENT_DEPRECATE_EOF | CapabilityFlags::CLIENT_SESSION_TRACK);
    }
    let mut wire = Wire::connect(bed.proxy.address(), &login).unwrap();
    let id = if dice.below(2) == 0 { wire.prepare("SELECT ?, ?").unwrap().id } else { 1 };
    let mut bytes = session(&mut dice, id);
    for _ in 0..1 + dice.below(3) {
        damage(&mut dice, &mut bytes);
    }
    let leave = if dice.below(4) == 0 { Leave::Abruptly } else { Leave::Orderly };
    let pieces = pieces(&mut dice, &bytes);
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| send(socket(&wire), &pieces, leave))) {
        println!("GREENROOM_SEED={seed} sent {}", bytes.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn damaged_sessions_harm_nobody() {
    let (start, rounds) = (number("GREENROOM_SEED", 1), number("GREENROOM_ROUNDS", 4));
    each_server(|server| {
        for mode in MODES {
            let bed = Bed::new(server, server.address(), mode);
            for round in 0..rounds {
                let seeds = start + round * BATCH..start + (round + 1) * BATCH;
                println!("pool = {mode}, GREENROOM_SEED={} and the {BATCH} from there on", seeds.start);
                seeds.for_each(|seed| attack(&bed, seed));
                bed.well();
            }
        }
    });
}
