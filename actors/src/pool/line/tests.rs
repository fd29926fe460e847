use std::time::{Duration, Instant};

use super::{Line, PATIENCE, Shares, Turn, Waiter};

/// Each key is a user's.
fn line(waiters: &[(u32, u64)]) -> (Line<usize>, Instant) {
    line_of(&waiters.iter().map(|(key, millis)| (*key, *key, *millis)).collect::<Vec<_>>())
}

fn line_of(waiters: &[(u32, u32, u64)]) -> (Line<usize>, Instant) {
    let (mut line, now) = (Line::default(), Instant::now());
    for (request, (key, user, millis)) in waiters.iter().enumerate() {
        let since = now + Duration::from_millis(*millis);
        line.join(Waiter { key: *key, user: *user, since, deadline: since + Duration::from_secs(1), request });
    }
    (line, now)
}

/// So many connections for users 1 and 2, and so many on their way for keys 1 and 2.
struct Few([usize; 2], [usize; 2]);

impl Shares for Few {
    fn held(&self, user: u32) -> usize {
        self.0.get(user as usize - 1).copied().unwrap_or(0)
    }

    fn coming(&self, key: u32) -> usize {
        self.1.get(key as usize - 1).copied().unwrap_or(0)
    }
}

const EVEN: Few = Few([1, 1], [0, 0]);

#[test]
fn first_come_first_served() {
    let (mut line, now) = line(&[(1, 0), (1, 5), (2, 6), (1, 7)]);
    assert_eq!(line.turn(1, 1, now, &EVEN), Turn::Same);
    let order: Vec<_> = std::iter::from_fn(|| line.serve(1, now, |_| true)).map(|waiter| waiter.request).collect();
    assert_eq!(order, [0, 1, 3]);
    assert_eq!((line.len(), line.waiting_for(2), line.waiting_for(1)), (1, 1, 0));
}

#[test]
fn another_key_waits_for_patience_and_no_longer() {
    let patience = u64::try_from(PATIENCE.as_millis()).unwrap();
    // Of two users, and of one that needs two kinds of connections.
    for user in [2, 1] {
        let turn = |waiters: &[(u32, u32, u64)]| {
            let (line, now) = line_of(waiters);
            line.turn(1, 1, now + Duration::from_secs(1), &EVEN)
        };
        assert_eq!(turn(&[(2, user, 0), (1, 1, patience)]), Turn::Same);
        assert_eq!(turn(&[(2, user, 0), (1, 1, patience + 1)]), Turn::Other(2));
        assert_eq!(turn(&[(2, user, 0)]), Turn::Other(2));
        assert_eq!(turn(&[]), Turn::Nobody);
    }
}

#[test]
fn a_user_who_was_just_served_has_no_claim_on_others_connections() {
    let (mut line, begin) = line(&[(2, 0), (2, 0), (1, 900)]);
    let now = begin + Duration::from_secs(1);
    assert_eq!(line.turn(1, 1, now, &EVEN), Turn::Other(2), "never yet served");
    line.serve(2, now, |_| true);
    assert_eq!(line.turn(1, 1, now, &EVEN), Turn::Same, "though its next has waited for longest");
    line.serve(1, now + Duration::from_millis(20), |_| true);
    line.join(Waiter { key: 1, user: 1, since: now, deadline: now, request: 9 });
    assert_eq!(line.turn(1, 1, now, &EVEN), Turn::Same);
    line.serve(1, now + PATIENCE + Duration::from_millis(1), |_| true);
    line.join(Waiter { key: 1, user: 1, since: now, deadline: now, request: 10 });
    assert_eq!(line.turn(1, 1, now, &EVEN), Turn::Other(2), "in turns");
}

#[test]
fn a_user_with_fewer_connections_gets_one_after_patience() {
    let (mut line, begin) = line(&[(1, 0), (1, 0), (2, 100)]);
    line.serve(1, begin, |_| true);
    let (early, late) = (begin + Duration::from_millis(140), begin + Duration::from_millis(151));
    let rich = |others| Few([6, others], [0, 0]);
    assert_eq!(line.turn(1, 1, early, &rich(0)), Turn::Same);
    assert_eq!(line.turn(1, 1, late, &rich(4)), Turn::Other(2));
    assert_eq!(line.turn(1, 1, late, &rich(5)), Turn::Same, "one more would only turn it round");
    assert_eq!(line.turn(1, 1, late, &Few([6, 1], [0, 1])), Turn::Same, "one is on its way");
}

#[test]
fn when_users_were_served_is_forgotten_in_time() {
    let (mut line, now) = line(&[(1, 0), (2, 0), (2, 0)]);
    line.serve(1, now, |_| true);
    line.serve(2, now, |_| true);
    line.forget(now + PATIENCE);
    assert_eq!(line.served.len(), 2);
    line.forget(now + PATIENCE + PATIENCE);
    assert_eq!(line.served.keys().collect::<Vec<_>>(), [&2], "one of theirs waits");
}

#[test]
fn who_does_not_fit_is_passed_over_for_patience_only() {
    let (mut waiters, now) = line(&[(1, 0), (1, 5)]);
    assert!(waiters.serve(1, now + PATIENCE + PATIENCE, |request| *request == 1).is_none());
    assert_eq!(waiters.serve(1, now + PATIENCE, |request| *request == 1).map(|waiter| waiter.request), Some(1));
    assert!(waiters.serve(1, now, |request| *request == 1).is_none());
}

#[test]
fn who_is_unmet_is_the_first_beyond_what_is_coming() {
    let (line, _) = line(&[(1, 0), (2, 1), (1, 2)]);
    let unmet = |one, two| line.unmet(|key| if key == 1 { one } else { two }).map(|waiter| waiter.request);
    assert_eq!((unmet(0, 0), unmet(1, 0), unmet(1, 1), unmet(2, 1)), (Some(0), Some(1), Some(2), None));
}

#[test]
fn those_past_their_deadline_leave() {
    let (mut line, now) = line(&[(1, 0), (2, 100), (1, 200)]);
    let at = now + Duration::from_millis(1150);
    let mut gone: Vec<_> = line.remove(|waiter| waiter.deadline <= at).iter().map(|waiter| waiter.request).collect();
    gone.sort_unstable();
    assert_eq!(gone, [0, 1]);
    assert_eq!((line.len(), line.oldest()), (1, Some(now + Duration::from_millis(200))));
    assert_eq!(line.serve(1, at, |_| true).map(|waiter| waiter.request), Some(2));
    assert!(line.oldest().is_none() && line.serve(1, at, |_| true).is_none());
}
