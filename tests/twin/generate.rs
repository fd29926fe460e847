//! Scripts: chapters of moves, each of a few groups, so that some scripts pin early and many not at all.

use greenroom::demo::server::Flavor;

use super::{
    client::Client,
    fill::fill,
    moves::{GROUPS, Group, Holds, READS},
};
use crate::support::dice::Dice;

/// Moves in a chapter.
const CHAPTER: usize = 10;
/// What ends everything that a chapter may have left open, but for pins to the end.
const CLOSING: [&str; 4] = ["ROLLBACK", "UNLOCK TABLES", "SET autocommit = 1", "COMMIT"];
/// What shows at the end whatever nobody looked at before.
const LAST: [&str; 3] = ["SHOW SESSION VARIABLES", "SELECT LAST_INSERT_ID(), DATABASE()", ":change {db}"];

/// A script and who runs it.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) client: Client,
    pub(crate) lines: Vec<String>,
}

impl Script {
    /// Takes the lines, and the client if it is named, from a script as it was printed.
    pub(crate) fn read(&mut self, text: &str) {
        let (clients, lines): (Vec<&str>, Vec<&str>) =
            text.lines().map(str::trim).partition(|line| line.starts_with("client: "));
        self.lines = lines.into_iter().map(str::to_owned).collect();
        for client in clients {
            let named = |known: &Client| client == format!("client: {known:?}");
            self.client = Client::ALL.into_iter().find(named).expect(client);
        }
    }
}

/// The script of a seed, of about this many lines.
pub(crate) fn script(seed: u64, steps: usize, flavor: Flavor) -> Script {
    script_of(GROUPS, seed, steps, flavor)
}

/// The same, of these groups' moves.
pub(crate) fn script_of(groups: &[&Group], seed: u64, steps: usize, flavor: Flavor) -> Script {
    let mut dice = Dice::new(seed);
    let client = dice.one_of(&Client::ALL);
    let mut lines = Vec::new();
    while lines.len() < steps {
        let holds = dice.one_of(&[Holds::Nothing, Holds::ForAWhile, Holds::ToTheEnd]);
        chapter(groups, &mut dice, (flavor, client), holds, &mut lines);
        if holds == Holds::ToTheEnd && dice.roll(4) > 0 {
            let end = if dice.roll(3) == 0 { ":change {db}" } else { ":reset" };
            lines.extend(["SHOW SESSION VARIABLES", end, "USE {db}"].map(str::to_owned));
        } else if dice.roll(2) == 0 {
            // What is open would hold the connection through the next chapters.
            lines.extend(CLOSING.map(str::to_owned));
        }
    }
    lines.extend(CLOSING.iter().chain(&LAST).map(|line| (*line).to_owned()));
    Script { client, lines }
}

/// What one of the others does for a while. Most hold the connection for no longer than a statement, so that it
/// goes from hand to hand; whoever holds it longer ends with a reset.
pub(crate) fn noise(dice: &mut Dice, flavor: Flavor) -> (Vec<String>, Holds) {
    let holds = match dice.roll(12) {
        0 => Holds::ToTheEnd,
        1 => Holds::ForAWhile,
        _ => Holds::Nothing,
    };
    let mut lines = Vec::new();
    chapter(GROUPS, dice, (flavor, Client::Modern), holds, &mut lines);
    if holds != Holds::Nothing {
        lines.push(dice.one_of(&[":reset", ":change {db}"]).to_owned());
    }
    lines.extend(CLOSING[..2].iter().map(|line| (*line).to_owned()));
    (lines, holds)
}

fn chapter(
    groups: &[&Group],
    dice: &mut Dice,
    (flavor, client): (Flavor, Client),
    holds: Holds,
    lines: &mut Vec<String>,
) {
    let offered: Vec<&Group> =
        groups.iter().copied().filter(|group| group.holds <= holds && client.suits(group)).collect();
    let groups: Vec<&Group> = (0..=dice.roll(3)).map(|_| dice.one_of(&offered)).collect();
    for _ in 0..CHAPTER {
        let group = if dice.roll(3) == 0 { READS } else { dice.one_of(&groups) };
        let chosen = dice.one_of(&group.moves(flavor));
        lines.extend(fill(chosen, dice).split('\n').map(str::to_owned));
    }
}
