//! Clients that want more connections than there are, and somebody who counts what the server has.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use greenroom::demo::server::Server;

use crate::{
    LIMIT,
    support::{
        observe::{Root, within},
        proxy::Proxy,
        servers::Tenant,
        wire::{Login, Wire},
    },
};

/// Clients of each instance.
const CLIENTS: usize = 16;

/// What goes on while a test does its part.
pub(crate) struct Load {
    login: Login,
    stop: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What is done through one instance.
#[derive(Clone, Default)]
pub(crate) struct Work {
    rounds: Arc<AtomicUsize>,
    /// Its instance may be killed.
    over: Arc<AtomicBool>,
}

impl Load {
    /// Counts the clients' connections at the server all the time that `play` takes, and fails if they are ever more than `whole`; or never as
    /// many, for then nothing was tried. What `play` gives is kept until nobody works any more.
    pub(crate) fn bounded<T>(server: &Server, tenant: &Tenant, whole: usize, play: impl FnOnce(&Self) -> T) {
        let load = Self { login: tenant.login(), stop: Arc::default(), threads: Mutex::default() };
        let (stop, mut root, most) = (Arc::clone(&load.stop), Root::on(server), Arc::new(AtomicUsize::new(0)));
        let (seen, user) = (Arc::clone(&most), tenant.name.clone());
        load.run(move || {
            while !stop.load(Ordering::Relaxed) {
                seen.fetch_max(root.all_connections(&user).len(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        let outcome = catch_unwind(AssertUnwindSafe(|| play(&load)));
        load.stop.store(true, Ordering::Relaxed);
        for thread in load.threads.into_inner().unwrap() {
            let ended = thread.join();
            assert!(ended.is_ok() || outcome.is_err(), "a client failed");
        }
        let _kept = outcome.unwrap_or_else(|panic| resume_unwind(panic));
        assert_eq!(most.load(Ordering::Relaxed), whole, "connections that the server had at most");
    }

    fn run(&self, what: impl FnOnce() + Send + 'static) {
        self.threads.lock().unwrap().push(thread::spawn(what));
    }

    /// Lets clients of an instance work until the end, or until they are told that it is over.
    pub(crate) fn through(&self, proxy: &Proxy) -> Work {
        let work = Work::default();
        for _ in 0..CLIENTS {
            let (address, login, stop, work) =
                (proxy.address(), self.login.clone(), Arc::clone(&self.stop), work.clone());
            self.run(move || {
                let mut wire = Wire::connect(address, &login).unwrap();
                let over = || work.over.load(Ordering::Relaxed);
                while !stop.load(Ordering::Relaxed) && !over() {
                    match wire.query("SELECT SLEEP(0.002)") {
                        Ok(replies) => assert!(format!("{replies:?}").contains("Some(\"0\")") || over(), "{replies:?}"),
                        Err(error) => {
                            assert!(over(), "{error:?}");
                            return;
                        }
                    }
                    work.rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        work
    }
}

impl Work {
    /// Its clients are to leave, and may be cut off.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Waits until more has been done than now.
    pub(crate) fn goes_on(&self) {
        let before = self.rounds.load(Ordering::Relaxed);
        within(LIMIT, "clients are served", || self.rounds.load(Ordering::Relaxed) > before + 3 * CLIENTS);
    }
}
