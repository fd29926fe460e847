//! Times every part, and what a pool takes to lend a connection and have it back.

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use greenroom_actors::bench::Pool;
use greenroom_parts::all;

/// In the pool that lends them.
const CONNECTIONS: usize = 50;

fn parts(criterion: &mut Criterion) {
    for mut part in all() {
        criterion.bench_function(part.name, |bencher| {
            bencher.iter_custom(|times| {
                let begun = Instant::now();
                assert!(part.run(times), "{} does not do its work", part.name);
                begun.elapsed()
            });
        });
    }
}

/// One session after the other: each in its last connection, and each in another's.
fn pool(criterion: &mut Criterion) {
    for (name, own) in [("pool/lease-own", true), ("pool/lease-equal", false)] {
        let pool = Pool::new(CONNECTIONS);
        assert!(pool.is_ok(), "{:?}", pool.err());
        let Ok(mut pool) = pool else { return };
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let begun = Instant::now();
                let done = pool.rounds(times, own);
                assert!(done.is_ok(), "{done:?}");
                begun.elapsed()
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(700));
    targets = parts, pool
}
criterion_main!(benches);
