//! The administrators' console: started, moved and taken away as the configuration says.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix::{Addr, Arbiter};

use super::revive::Part;
use super::{StartError, Supervisor, watch};
use crate::console::{ConsoleListener, Office, Rewrite};
use crate::inherited::{self, Bound, Handed, Inherited};
use crate::listener;
use crate::settings::{Address, AdminSettings, Settings};

/// A console that is there.
pub(super) struct Console {
    listen: SocketAddr,
    listener: Addr<ConsoleListener>,
    /// Its socket once more, to hand it over.
    pub(super) socket: Handed,
    /// What it shows is put together here, beside the workers and the supervisor's clock.
    arbiter: Arbiter,
}

/// The name that the console's socket is handed over by.
const SOCKET: &str = "admin";

/// The console's socket, before its listener has it.
pub(super) struct Door {
    bound: TcpListener,
    again: Handed,
}

fn address(listen: SocketAddr) -> Address {
    Address::Tcp { host: listen.ip().to_string(), port: listen.port() }
}

/// Whether nobody else listens at the console's address, unless a socket was handed over for it. `own`: where this process
/// listens.
pub(super) fn is_free(listen: SocketAddr, inherited: &Inherited, own: &[SocketAddr]) -> Result<(), StartError> {
    let address = address(listen);
    if inherited.is_near(SOCKET, &address) {
        return Ok(());
    }
    inherited::probe(&address, own).map_err(|cause| StartError::Console { listen, cause })
}

/// Takes the console's address, with the socket that was handed over for it.
pub(super) fn bind(settings: &AdminSettings, inherited: &mut Inherited) -> Result<Door, StartError> {
    let listen = settings.listen;
    let failed = |cause| StartError::Console { listen, cause };
    let address = address(listen);
    let (found, by_name) = inherited.claim(SOCKET, &address);
    let found = match found.into_iter().next() {
        Some(found) => found,
        // Shared, so that this process can go from one address to another that is in its way.
        None => Bound::open(&address).map_err(failed)?,
    };
    let bound = match found {
        Bound::Tcp(bound) => bound,
        Bound::Unix(_) => {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "the console is for TCP alone")));
        }
    };
    let name = if by_name && bound.local_addr().is_ok_and(|at| at != listen) { SOCKET } else { "" };
    let again = bound.try_clone().map_err(failed)?;
    Ok(Door { bound, again: Handed { name: name.to_owned(), socket: again.into() } })
}

impl Console {
    #[cfg(feature = "faults")]
    pub(super) fn panic(&self, panic: super::faults::Panic) {
        self.listener.do_send(panic);
    }
}

impl Supervisor {
    /// Starts it on its socket, where there is somebody behind the process to answer for it.
    pub(super) fn open_console(&mut self, settings: AdminSettings, door: Door) {
        let Door { bound, again: socket } = door;
        let Some(office) = self.office.clone() else { return };
        let arbiter = Arbiter::new();
        let listen = settings.listen;
        let listener = self.console_listener(&arbiter, settings, bound, office);
        slog::info!(self.stage.log, "the console listens"; "address" => %listen);
        self.console = Some(Console { listen, listener, socket, arbiter });
    }

    fn console_listener(
        &self,
        arbiter: &Arbiter,
        settings: AdminSettings,
        bound: TcpListener,
        office: Arc<dyn Office>,
    ) -> Addr<ConsoleListener> {
        let (stage, settings) = (Arc::clone(&self.stage), Arc::new(settings));
        let make = move || ConsoleListener::new(bound, settings, stage, office);
        watch::start_in(arbiter, make, self.mourn(Part::Console))
    }

    /// Starts it on the same socket after its listener has failed. Whoever is logged in stays.
    pub(super) fn revive_console(&mut self) {
        let (Some(console), Some(settings), Some(office)) =
            (&self.console, self.settings.admin.clone(), self.office.clone())
        else {
            return;
        };
        // A reload may have made another meanwhile.
        if console.listener.connected() {
            return;
        }
        match console.socket.socket.try_clone() {
            Ok(socket) => {
                let listener = self.console_listener(&console.arbiter, settings, socket.into(), office);
                if let Some(console) = &mut self.console {
                    console.listener = listener;
                }
            }
            Err(error) => slog::error!(self.stage.log, "the console could not be started again"; "reason" => %error),
        }
    }

    /// The console that these settings have and that is not there yet.
    pub(super) fn console_to_open<'s>(&self, settings: &'s Settings) -> Option<&'s AdminSettings> {
        let stays = |listen| self.console.as_ref().is_some_and(|console| console.listen == listen);
        settings.admin.as_ref().filter(|admin| self.office.is_some() && !stays(admin.listen))
    }

    /// Where a console is that these settings do not have there, and its socket.
    pub(super) fn console_to_close(&self, settings: &Settings) -> Option<(SocketAddr, &Handed)> {
        let stays = |console: &&Console| settings.admin.as_ref().is_some_and(|admin| admin.listen == console.listen);
        self.console.as_ref().filter(|console| !stays(console)).map(|console| (console.listen, &console.socket))
    }

    /// Takes new settings over, with the socket where that is another one. Whoever is logged in stays where his console does.
    pub(super) fn apply_console(&mut self, settings: Option<AdminSettings>, door: Option<Door>) {
        match (&self.console, settings) {
            (Some(console), Some(settings)) if console.listen == settings.listen => {
                console.listener.do_send(Rewrite(Arc::new(settings)));
            }
            (_, settings) => {
                self.close_console();
                if let Some((settings, door)) = settings.zip(door) {
                    self.open_console(settings, door);
                }
            }
        }
    }

    /// Another process has taken over: it accepts administrators, and those who are here stay.
    pub(super) fn leave_console(&mut self) {
        if let Some(console) = self.console.take() {
            console.listener.do_send(listener::Drain);
            self.workers.push(console.arbiter);
        }
    }

    fn close_console(&mut self) {
        if let Some(console) = self.console.take() {
            slog::info!(self.stage.log, "the console no longer listens"; "address" => %console.listen);
            console.listener.do_send(listener::Drain);
            console.arbiter.stop();
        }
    }
}
