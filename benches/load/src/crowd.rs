//! A crowd: many clients of one thread, each of which selects again as soon as it has its answer.

use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::time::{ClockId, clock_gettime};

use crate::connect::percentile;
use crate::say;
use crate::wire::{Line, PATIENCE, Target, Wire};

const BUFFER: usize = 16 * 1024;

/// Answers taken up between two looks for more, however many there are: so a query costs nearly the same here in any crowd.
const AT_ONCE: usize = 32;

/// So long nothing is asked before and after what is measured, for whoever reads what the processes have used.
const PAUSE: Duration = Duration::from_millis(200);

/// Rows of the table.
const ROWS: usize = 10_000;

struct Client {
    /// Its connection, but while something is written or read.
    line: Option<Line>,
    sql: String,
    asked: Instant,
    answers: u64,
}

struct Crowd {
    clients: Vec<Client>,
    epoll: OwnedFd,
    /// Lent to whoever reads.
    buffer: Vec<u8>,
    took: Vec<Duration>,
}

/// Lets so many clients in, has them select so many rows at once for `warm_up` and, between two words of it, for `time`.
pub(crate) fn run(
    target: &Target,
    clients: usize,
    rows: usize,
    warm_up: Duration,
    time: Duration,
) -> anyhow::Result<String> {
    let mut crowd = Crowd::enter(target, clients, rows)?;
    crowd.select(warm_up)?;
    crowd.forget();
    say("begins")?;
    thread::sleep(PAUSE);
    let (begun, cpu) = (Instant::now(), cpu());
    crowd.select(time)?;
    let (elapsed, cpu) = (begun.elapsed(), cpu_since(cpu));
    say("ends")?;
    thread::sleep(PAUSE);
    let figures = crowd.figures(elapsed, cpu);
    crowd.leave()?;
    Ok(figures)
}

impl Crowd {
    fn enter(target: &Target, clients: usize, rows: usize) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut crowd = Self { clients: Vec::new(), epoll, buffer: vec![0; BUFFER], took: Vec::new() };
        for number in 0..clients {
            let line = Wire::open(target, None, &mut crowd.buffer)?.into_line();
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&crowd.epoll, line.socket(), data, epoll::EventFlags::IN)?;
            let first = 1 + number * 7919 % ROWS;
            let sql = match rows {
                1 => format!("SELECT c FROM sbtest1 WHERE id = {first}"),
                _ => format!("SELECT COUNT(DISTINCT k) FROM sbtest1 WHERE id BETWEEN {first} AND {first} + {rows} - 1"),
            };
            crowd.clients.push(Client { line: Some(line), sql, asked: Instant::now(), answers: 0 });
        }
        Ok(crowd)
    }

    /// Everybody asks at once and again with each answer, until the time is over; what has been asked is heard to the end.
    fn select(&mut self, time: Duration) -> anyhow::Result<()> {
        let patience = Timespec::try_from(PATIENCE)?;
        let until = Instant::now() + time;
        for client in &mut self.clients {
            client.ask(&mut self.buffer)?;
        }
        let (mut owed, mut ready) = (self.clients.len(), Vec::with_capacity(AT_ONCE));
        while owed > 0 {
            epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&patience))?;
            ensure!(!ready.is_empty(), "{owed} clients have had no answer for {} s", PATIENCE.as_secs());
            for event in ready.drain(..) {
                let number = usize::try_from(event.data.u64())?;
                let client = self.clients.get_mut(number).context("an event of nobody's")?;
                let now = client.hear(&mut self.buffer)?;
                self.took.push(now - client.asked);
                if now < until { client.ask(&mut self.buffer)? } else { owed -= 1 }
            }
        }
        Ok(())
    }

    /// What there has been so far.
    fn forget(&mut self) {
        self.took.clear();
        self.clients.iter_mut().for_each(|client| client.answers = 0);
    }

    fn figures(&mut self, elapsed: Duration, cpu: Duration) -> String {
        self.took.sort_unstable();
        let queries = self.took.len();
        let a_second = queries as f64 / elapsed.as_secs_f64();
        let (middle, late) = (percentile(&self.took, 50), percentile(&self.took, 99));
        let own = cpu.as_secs_f64() * 1e6 / queries.max(1) as f64;
        let answers: Vec<_> = self.clients.iter().map(|client| client.answers).collect();
        let (least, most, jain) = fairness(&answers);
        format!("{queries} {a_second:.0} {middle:.2} {late:.2} {own:.1} {least:.2} {most:.2} {jain:.4}")
    }

    fn leave(mut self) -> anyhow::Result<()> {
        for line in self.clients.into_iter().filter_map(|client| client.line) {
            line.take_up(&mut self.buffer).quit()?;
        }
        Ok(())
    }
}

impl Client {
    fn ask(&mut self, buffer: &mut [u8]) -> anyhow::Result<()> {
        let mut wire = self.line.take().context("a client without a connection")?.take_up(buffer);
        self.asked = Instant::now();
        wire.ask(&self.sql)?;
        self.line = Some(wire.into_line());
        Ok(())
    }

    /// When it was heard. What has begun to come is waited for.
    fn hear(&mut self, buffer: &mut [u8]) -> anyhow::Result<Instant> {
        let mut wire = self.line.take().context("a client without a connection")?.take_up(buffer);
        wire.hear()?;
        self.line = Some(wire.into_line());
        self.answers += 1;
        Ok(Instant::now())
    }
}

/// The least and the most that anybody got, over the mean; and Jain's index, which is 1 where all got the same.
fn fairness(answers: &[u64]) -> (f64, f64, f64) {
    let all: u64 = answers.iter().sum();
    let mean = (all as f64 / answers.len().max(1) as f64).max(f64::MIN_POSITIVE);
    let over = |one: Option<&u64>| one.map_or(0.0, |one| *one as f64 / mean);
    let squares: f64 = answers.iter().map(|one| (*one as f64 / mean).powi(2)).sum();
    let jain = if all == 0 { 0.0 } else { answers.len() as f64 / squares };
    (over(answers.iter().min()), over(answers.iter().max()), jain)
}

/// What this process has used.
fn cpu() -> Timespec {
    clock_gettime(ClockId::ProcessCPUTime)
}

fn cpu_since(before: Timespec) -> Duration {
    (cpu() - before).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::fairness;

    #[test]
    fn what_is_shared_evenly_is_fair() {
        assert_eq!(fairness(&[7, 7, 7]), (1.0, 1.0, 1.0));
        assert_eq!(fairness(&[0, 4, 8, 4]), (0.0, 2.0, 4.0 / 6.0));
        assert_eq!(fairness(&[0, 0]), (0.0, 0.0, 0.0));
        assert_eq!(fairness(&[]), (0.0, 0.0, 0.0));
    }
}
