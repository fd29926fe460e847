//! Greeting a client and finding out who it is.

use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use greenroom_protocol::capability::{self, Capabilities};
use greenroom_protocol::constants::{CapabilityFlags, StatusFlags};
use greenroom_protocol::error::SqlError;
use greenroom_protocol::flavor::Flavor;
use greenroom_protocol::login::PAYLOAD_LIMIT;
use greenroom_protocol::login::change_user::ChangeUser;
use greenroom_protocol::login::charset;
use greenroom_protocol::login::greeting::Greeting;
use greenroom_protocol::login::plugin::Plugin;
use greenroom_protocol::login::scramble::Scramble;
use greenroom_protocol::login::server::{Answer, ClientLogin, Known, Proof, Step, Terms};
use greenroom_protocol::login::voucher::voucher;
use greenroom_protocol::secret::Secret;
use greenroom_protocol::sql::PinSet;
use greenroom_protocol::state::Charset;
use greenroom_protocol::track;
use tokio::time::{sleep, timeout};

use super::conversation::{Conversation, client_failed};
use super::enquiry::{Given, Judged};
use super::insight::Insight;
use super::lease::{ACCOUNT_REFUSED, NoLease, first_state};
use crate::backend::UNABLE;
use crate::credentials;
use crate::end::SessionEnd;
use crate::grant::Condition;
use crate::monitor::Probe;
use crate::node::Facts;
use crate::packets::{Packets, PacketsError};
use crate::random::random_text;
use crate::settings::PoolMode;
use crate::stage::Main;
use crate::tally::LoginResult;
use crate::throttle::Suspect;

/// The packet of `caching_sha2_password` that asks for the password itself.
const PASSWORD_ASKED: [u8; 2] = [1, 4];

/// What a client wants to log in as, at connecting or later.
pub(super) struct Wish {
    pub(super) user: Box<[u8]>,
    auth: Secret,
    plugin: Option<Vec<u8>>,
    database: Option<Vec<u8>>,
    collation: u16,
    /// Challenge it anew, whatever it answered.
    renew: bool,
    offered: Plugin,
    scramble: Scramble,
}

impl Wish {
    /// The same, where the client has last answered this scramble so.
    pub(super) fn answering(&self, plugin: Plugin, answer: Secret, scramble: Scramble) -> Self {
        Self {
            user: self.user.clone(),
            auth: answer,
            plugin: Some(plugin.name().into()),
            database: None,
            collation: self.collation,
            renew: false,
            offered: plugin,
            scramble,
        }
    }
}

impl Conversation {
    /// The whole login: what the client does of it, within its time.
    pub(super) async fn login(&mut self) -> Result<(), SessionEnd> {
        let limit = self.stage.login_timeout();
        let control = Rc::clone(&self.control);
        let mut login = pin!(self.greet());
        match timeout(limit, &mut login).await {
            Ok(done) => done,
            // What is left is a connection's wait, which has a limit of its own, and tells what was full.
            Err(_) if control.is_known() => login.await,
            Err(_) => Err(SessionEnd::LoginTimeout),
        }
    }

    async fn greet(&mut self) -> Result<(), SessionEnd> {
        if self.endpoint.sluice.is_drained() {
            self.send_error(0, &SqlError::drained(&self.endpoint.settings.name)).await?;
            return Err(SessionEnd::Refused);
        }
        let facts = match self.facts().await {
            Ok(facts) => facts,
            Err(error) => {
                self.send_error(0, &error).await?;
                return Err(SessionEnd::Refused);
            }
        };
        (self.flavor, self.version) = (facts.flavor, facts.number);
        let offered = facts.plugin();
        let mut capabilities = self.offered(&facts);
        capabilities.flags.set(CapabilityFlags::CLIENT_SSL, self.endpoint.settings.tls.acceptor().is_some());
        let greeting = Greeting {
            version: facts.version.clone(),
            thread_id: self.id,
            scramble: random_text(),
            capabilities,
            charset: facts.charset,
            status: StatusFlags::SERVER_STATUS_AUTOCOMMIT,
            plugin: offered.name().to_owned(),
        };
        self.send(0, &greeting.encode()).await?;
        // Until a client says otherwise, errors have an SQLSTATE from here on (measured on both servers).
        self.client.capabilities = CapabilityFlags::CLIENT_PROTOCOL_41;
        self.introduce().await?;
        let (request, seq) = self.login_request().await?;
        let agreed = request.capabilities.common(greeting.capabilities);
        (self.client.capabilities, self.client.further) = (agreed.flags, agreed.further);
        self.client.attributes = (self.mode() == PoolMode::None).then(|| Arc::new(request.attributes));
        self.begin_tracking();
        let collation = u16::from(request.charset);
        let wish = Wish {
            user: request.user.into(),
            auth: request.auth,
            plugin: request.plugin,
            database: request.database,
            collation,
            renew: false,
            offered,
            scramble: greeting.scramble,
        };
        if let Some(error) = self.objection(&wish.user, !wish.auth.is_empty()) {
            self.deny(seq, &wish.user, &error).await?;
            return Err(SessionEnd::Refused);
        }
        self.admit(wish, seq).await?;
        self.count_encryption();
        Ok(())
    }

    /// What every node of the endpoint can do, as far as they are known: any of them may serve the session.
    fn offered(&self, facts: &Facts) -> Capabilities {
        let others = self.endpoint.nodes.iter().filter_map(|node| node.facts());
        let all = others.map(|facts| facts.capabilities).fold(facts.capabilities, Capabilities::common);
        let offered = capability::offered(all);
        if self.shares() { capability::offered_in_common(offered) } else { offered }
    }

    /// What the endpoint's node is; asked now if nobody has yet.
    async fn facts(&self) -> Result<Arc<Facts>, SqlError> {
        let Some(node) = self.endpoint.choose() else {
            return Err(SqlError::node_down(&self.endpoint.settings.name, "the endpoint has no node"));
        };
        if node.facts().is_none()
            && let Some(monitor) = node.monitor()
        {
            // Whatever it answers, what counts is whether the facts are there afterwards.
            let _ = monitor.send(Probe).await;
        }
        node.facts().ok_or_else(|| SqlError::node_down(&node.settings().name, &node.fault()))
    }

    /// `COM_CHANGE_USER`: the same again on a connection that is there. `payload` is the whole command.
    pub(super) async fn change_user(&mut self, payload: &[u8], seq: u8) -> Result<(), SessionEnd> {
        let Ok(wish) = ChangeUser::parse(payload, self.client.capabilities) else {
            self.send_error(seq, &SqlError::unknown_command()).await?;
            return Err(SessionEnd::Violation);
        };
        let offered = self.facts().await.map_or(Plugin::CachingSha2, |facts| facts.plugin());
        self.client.attributes = (self.mode() == PoolMode::None).then(|| Arc::new(wish.attributes));
        self.let_go().await;
        self.leave(SessionEnd::Quit);
        self.lose();
        self.statements.clear();
        self.sticky = PinSet::EMPTY;
        self.adrift = None;
        self.begin_anew();
        self.last_insert_id = 0;
        self.previous.reset();
        self.status = StatusFlags::SERVER_STATUS_AUTOCOMMIT;
        self.begin_tracking();
        let wish = Wish {
            user: wish.user.into(),
            auth: wish.auth,
            plugin: wish.plugin,
            database: wish.database,
            // Servers read 0 as "the default"; so does the login that a connection is opened with.
            collation: wish.charset,
            renew: true,
            offered,
            scramble: self.client.scramble,
        };
        self.admit(wish, seq).await
    }

    async fn admit(&mut self, wish: Wish, seq: u8) -> Result<(), SessionEnd> {
        if let Some(name) = charset::refused(wish.collation) {
            self.deny(seq, &wish.user, &SqlError::charset_refused(name)).await?;
            return Err(SessionEnd::Refused);
        }
        let stage = Arc::clone(&self.stage);
        let Some(main) = stage.main() else { return Err(SessionEnd::Drained) };
        let mut known = main.credentials.terms(&wish.user, self.shown_client(), self.endpoint.settings.credentials);
        let (configured, subject) = (known.configured, known.subject.take());
        let enquiry = self.enquire(&wish, main, &mut known).await;
        let mut enquiry = self.or_deny(&wish, seq, enquiry).await?;
        let mut judged = self.authenticate(&wish, known, seq).await?;
        if let Some(enquiry) = &mut enquiry {
            let reconsidered = self.reconsider(&wish, main, enquiry, judged).await;
            judged = self.or_deny(&wish, seq, reconsidered).await?;
        }
        // After the password, as servers do: who does not have that shall not hear of certificates.
        if let ((Judged::Proven(proof), _), Some(subject)) = (&judged, subject)
            && !self.shows(&subject)
        {
            let using_password = !matches!(proof, Proof::Password(password) if password.is_empty());
            judged.0 = Judged::Refused { using_password, given: Given::Nothing };
        }
        let (proof, seq) = match judged {
            (Judged::Proven(proof), seq) => (proof, seq),
            (Judged::Refused { using_password, .. }, seq) => {
                let suspect = self.suspect(&wish);
                self.stage.throttle.failed(suspect, Instant::now());
                self.hesitate(suspect).await;
                let error = self.denial(&wish, using_password);
                self.deny(seq, &wish.user, &error).await?;
                return Err(SessionEnd::Refused);
            }
        };
        let learned = matches!(proof, Proof::Learned(_));
        if !learned {
            self.stage.throttle.succeeded(self.suspect(&wish));
        }
        let counted = self.count_in(&wish.user, wish.database.as_deref()).map_err(NoLease::Refused);
        self.or_deny(&wish, seq, counted).await?;
        let voucher = self.voucher(&wish, &proof);
        let account = main.credentials.settle(&wish.user, self.shown_client(), proof);
        self.control.set_account(&account);
        self.account = Some(Arc::clone(&account));
        self.insight = Insight::default();
        self.collation = wish.collation;
        self.state = first_state(wish.database.as_deref(), wish.collation);
        // What is only remembered of a server may have changed there.
        let due = || account.proven.is_due(self.endpoint.settings.credential_ttl);
        let unproven = learned
            || match &enquiry {
                Some(enquiry) => enquiry.doubts(due),
                None => !configured && due(),
            };
        self.prove(&wish, unproven, main, seq).await?;
        self.tally.login(LoginResult::Ok);
        self.attend(wish.database.as_deref());
        self.welcome(wish.database.as_deref(), &voucher, seq).await
    }

    /// What the OK of a login in TLS says, where the client may take the server for a MariaDB that proves its certificate so.
    fn voucher(&self, wish: &Wish, proof: &Proof) -> Vec<u8> {
        let certificate = self.endpoint.settings.tls.acceptor().and_then(|acceptor| acceptor.fingerprint());
        let told = match certificate {
            Some(certificate)
                if self.flavor == Flavor::MariaDb && self.client.stream.agreed().is_some() && !wish.renew =>
            {
                voucher(self.client.plugin, proof, &wish.scramble, certificate)
            }
            _ => None,
        };
        told.unwrap_or_default()
    }

    /// The OK of a login, which names the database to those who want to hear of it, as both servers do (measured).
    async fn welcome(&mut self, database: Option<&[u8]>, voucher: &[u8], seq: u8) -> Result<(), SessionEnd> {
        let tracks = self.client.capabilities.contains(CapabilityFlags::CLIENT_SESSION_TRACK);
        self.learn_trackers();
        let Some(name) = database.filter(|_| tracks && self.client.trackers.schema) else {
            return self.send_ok_saying(seq, voucher).await;
        };
        let status = self.status | StatusFlags::SERVER_SESSION_STATE_CHANGED;
        self.send(seq, &track::schema_ok(status, name, voucher)).await
    }

    /// The client's address, where the servers are told it.
    pub(super) fn shown_client(&self) -> Option<IpAddr> {
        self.client.peer.filter(|_| self.endpoint.settings.shows_clients())
    }

    /// Ends the login where what it needs is not to be had.
    async fn or_deny<T>(&mut self, wish: &Wish, seq: u8, outcome: Result<T, NoLease>) -> Result<T, SessionEnd> {
        match outcome {
            Ok(value) => Ok(value),
            Err(NoLease::Ended(end)) => Err(end),
            Err(NoLease::Refused(error)) => {
                self.deny(seq, &wish.user, &error).await?;
                Err(SessionEnd::Refused)
            }
        }
    }

    /// Goes through the plugin's exchange. Gives how it was judged, and the sequence id for the OK or the error.
    pub(super) async fn authenticate(
        &mut self,
        wish: &Wish,
        known: credentials::Terms,
        seq: u8,
    ) -> Result<(Judged, u8), SessionEnd> {
        let suspect = self.suspect(wish);
        let learns = matches!(known.known, Known::Learn | Known::Remembered(_));
        let terms = Terms {
            known: known.known,
            secure: self.client.is_private() || learns && self.client.is_local(),
            offered: wish.offered,
            scramble: wish.scramble,
            fresh: random_text(),
            nonce: random_text(),
            salt: known.salt,
            rsa: Some(known.rsa),
            password_wanted: false,
            renew: wish.renew,
        };
        let answer = Answer { plugin: wish.plugin.as_deref(), auth: wish.auth.expose() };
        let (mut machine, mut step) = ClientLogin::begin(terms, answer);
        let (mut seq, mut last, mut asked) = (seq, wish.auth.clone(), false);
        loop {
            match step {
                Step::Send(payload) => {
                    self.send(seq, &payload).await?;
                    let (reply, next) = self.read_packet(seq.wrapping_add(1)).await?;
                    // It may be the password.
                    (seq, last, asked) = (next, Secret::new(reply), payload == PASSWORD_ASKED);
                    step = machine.step(last.expose());
                }
                Step::Accept { prelude, proof } => {
                    (self.client.scramble, self.client.plugin) = (*machine.scramble(), machine.plugin());
                    self.hesitate(suspect).await;
                    if let Some(prelude) = prelude {
                        self.send(seq, &prelude).await?;
                        seq = seq.wrapping_add(1);
                    }
                    return Ok((Judged::Proven(proof), seq));
                }
                Step::Refuse { using_password } => {
                    self.client.scramble = *machine.scramble();
                    return Ok((Judged::Refused { using_password, given: Given::of(last, asked) }, seq));
                }
                Step::Fail(error) => {
                    self.deny(seq, &wish.user, &error).await?;
                    return Err(SessionEnd::Refused);
                }
            }
        }
    }

    fn suspect(&self, wish: &Wish) -> Suspect {
        self.stage.throttle.suspect(self.client.peer, &wish.user)
    }

    /// Keeps the verdict back where wrong passwords came before.
    async fn hesitate(&self, suspect: Suspect) {
        if let Some(wait) = self.stage.throttle.wait(suspect, Instant::now()) {
            sleep(wait).await;
        }
    }

    fn denial(&self, wish: &Wish, using_password: bool) -> SqlError {
        self.denial_of(&wish.user, using_password)
    }

    pub(super) fn denial_of(&self, user: &[u8], using_password: bool) -> SqlError {
        SqlError::access_denied(user, &self.host(), using_password)
    }

    async fn deny(&mut self, seq: u8, user: &[u8], error: &SqlError) -> Result<(), SessionEnd> {
        self.deny_because(seq, user, error, &error.message).await
    }

    /// The same where the client must not hear the whole reason.
    async fn deny_because(&mut self, seq: u8, user: &[u8], error: &SqlError, reason: &str) -> Result<(), SessionEnd> {
        self.tally.login(LoginResult::Denied);
        let user = String::from_utf8_lossy(user).into_owned();
        let client = self.host();
        slog::info!(self.stage.log, "login refused";
            "session" => self.id, "user" => user, "client" => client, "code" => error.code, "reason" => reason);
        self.send_error(seq, error).await
    }

    /// Has the server confirm what only it knows: a learned password, a database, a long collation id. In the modes in
    /// which the session has a connection of its own anyway, this is the one.
    async fn prove(&mut self, wish: &Wish, unproven: bool, main: &Main, seq: u8) -> Result<(), SessionEnd> {
        if !unproven {
            self.control.set_known();
        }
        let own = self.mode() != PoolMode::Transaction;
        let account = self.account.as_ref().map_or(0, |account| account.id);
        let database = wish.database.as_deref();
        let unknown = database.is_some_and(|name| !self.local.knows_database(account, name));
        self.name_charset();
        let unnamed = wish.collation > u16::from(u8::MAX) && matches!(self.state.charset(), Charset::Handshake(_));
        if !own && !unknown && !unproven && !unnamed {
            return Ok(());
        }
        match self.acquire(unproven).await {
            Ok(()) => {}
            Err(NoLease::Ended(end)) => return Err(end),
            Err(NoLease::Refused(error)) => {
                if unproven && (error.code == UNABLE || ACCOUNT_REFUSED.contains(&error.code)) {
                    self.stage.throttle.failed(self.suspect(wish), Instant::now());
                }
                if let Some(account) = self.account.as_ref().filter(|_| unproven) {
                    account.proven.void();
                }
                // MySQL asks a user who does not exist for one plugin or another, among them those that nobody speaks
                // here: a stranger must not learn from us what the server hides. The log has the reason.
                let masked = if unproven && error.code == UNABLE { self.denial(wish, true) } else { error.clone() };
                self.deny_because(seq, &wish.user, &masked, &error.message).await?;
                return Err(SessionEnd::Refused);
            }
        }
        if let Some(account) = self.account.clone().filter(|_| unproven) {
            main.credentials.learn(account);
            self.stage.throttle.succeeded(self.suspect(wish));
        }
        if let Some(name) = database {
            self.local.note_database(account, name);
        }
        if !own {
            self.release(Condition::Clean);
        }
        Ok(())
    }

    /// Reads one packet of the login, and gives the sequence id of the one after it.
    pub(super) async fn read_packet(&mut self, seq: u8) -> Result<(Vec<u8>, u8), SessionEnd> {
        let inlet = self.client.inlet.take();
        let mut packets = Packets::resume(&mut self.client.stream, inlet, seq);
        let read = packets.read(PAYLOAD_LIMIT).await;
        // What came of one that is none is wiped.
        if read.is_ok() {
            self.client.inlet = packets.into_rest();
        }
        let error = match read {
            Ok(payload) => return Ok((payload, seq.wrapping_add(1))),
            Err(PacketsError::Closed) => return Err(SessionEnd::ClientClosed),
            Err(PacketsError::Io(error)) => return Err(client_failed(error)),
            Err(PacketsError::OutOfOrder) => SqlError::out_of_order(),
            Err(PacketsError::TooLong(_)) => SqlError::packet_too_large(),
        };
        self.tally.login(LoginResult::Failed);
        self.send_error(seq, &error).await?;
        Err(SessionEnd::Violation)
    }
}
