//! owns: the users of the configuration, and what later logins need of those learned from the server.
//! is told: `Verify`, `Settle`, `Learn`, `Forget`, `Rewrite`.
//! tells: nobody.
//! ends when: the process does.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, MessageResult};
use greenroom_protocol::login::client::BackendSecret;
use greenroom_protocol::login::rsa::RsaKey;
use greenroom_protocol::login::server::{Known, Proof};
use greenroom_protocol::secret::{Secret, SecretHash};
use rustc_hash::FxHashMap;

use crate::account::Account;
use crate::settings::{CredentialSource, UserSecret, UserSettings};

/// Users learned and accounts made that are remembered at most; the table is emptied when it is full,
/// and everybody's next login proves itself again.
const REMEMBERED: usize = 100_000;

/// A user as clients name it, and as the server does.
type UserPair = (Box<[u8]>, Box<[u8]>);

/// Passwords of one user that servers are yet to judge at most; beyond that the oldest goes.
const UNPROVEN: usize = 8;

/// Who may log in, and with what.
pub(crate) struct Credentials {
    users: Vec<UserSettings>,
    learned: FxHashMap<Box<[u8]>, Secret>,
    /// By the client's name of the user and the server's: the proven account, if there is one yet, and after it
    /// those that a server is still to judge.
    accounts: FxHashMap<UserPair, Vec<Arc<Account>>>,
    made: u32,
    rsa: Arc<RsaKey>,
}

/// What is known of a user who wants to log in?
#[derive(Message)]
#[rtype(result = "Terms")]
pub(crate) struct Verify {
    pub(crate) user: Box<[u8]>,
    pub(crate) source: CredentialSource,
}

/// What a login is judged by.
pub(crate) struct Terms {
    pub(crate) known: Known,
    pub(crate) rsa: Arc<RsaKey>,
}

/// The account of a user who has proven himself.
#[derive(Message)]
#[rtype(result = "Arc<Account>")]
pub(crate) struct Settle {
    pub(crate) user: Box<[u8]>,
    pub(crate) proof: Proof,
}

/// The server has accepted an account whose password was learned.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Learn {
    pub(crate) account: Arc<Account>,
}

/// The server has refused an account: what was learned of the user, if it is this, is wrong by now.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Forget {
    pub(crate) account: Arc<Account>,
}

/// The configuration was read again.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Rewrite {
    pub(crate) users: Vec<UserSettings>,
}

impl Credentials {
    pub(crate) fn new(users: Vec<UserSettings>, rsa: Arc<RsaKey>) -> Self {
        Self { users, learned: FxHashMap::default(), accounts: FxHashMap::default(), made: 0, rsa }
    }

    fn user(&self, name: &[u8]) -> Option<&UserSettings> {
        self.users.iter().find(|user| user.name.as_bytes() == name)
    }

    fn known(&self, user: &[u8], source: CredentialSource) -> Known {
        if let Some(user) = self.user(user) {
            return match &user.secret {
                UserSecret::Password(password) => Known::Password(password.clone()),
                UserSecret::NativeDoubleSha1(hash) => Known::Native(SecretHash::new(*hash)),
                UserSecret::Sha2Double(hash) => Known::Sha2(SecretHash::new(*hash)),
            };
        }
        match (source, self.learned.get(user)) {
            (CredentialSource::Static, _) => Known::Nobody,
            (CredentialSource::Learned, Some(password)) => Known::Remembered(password.clone()),
            (CredentialSource::Learned, None) => Known::Learn,
        }
    }

    /// The account of these. `proven`: a guess must not take the place of what a server has accepted,
    /// or every guess would part the user from his pooled connections.
    fn account(&mut self, user: &[u8], backend_user: &[u8], secret: BackendSecret, proven: bool) -> Arc<Account> {
        if self.accounts.len() >= REMEMBERED {
            self.accounts.clear();
        }
        let accounts = self.accounts.entry((Box::from(user), Box::from(backend_user))).or_default();
        let found = accounts.iter().find(|account| same_secret(&account.secret, &secret)).map(Arc::clone);
        let account = found.unwrap_or_else(|| {
            self.made = self.made.wrapping_add(1);
            let (user, backend_user) = (Box::from(user), Box::from(backend_user));
            Arc::new(Account { id: self.made, user, backend_user, secret })
        });
        if proven {
            // Only the newest is given out again: an older password's sessions keep what they have.
            *accounts = vec![Arc::clone(&account)];
        } else if !accounts.iter().any(|known| known.id == account.id) {
            accounts.push(Arc::clone(&account));
            if accounts.len() > UNPROVEN {
                accounts.remove(1);
            }
        }
        account
    }
}

fn same_secret(one: &BackendSecret, other: &BackendSecret) -> bool {
    match (one, other) {
        (BackendSecret::Password(one), BackendSecret::Password(other)) => one == other,
        (BackendSecret::NativeStage1(one), BackendSecret::NativeStage1(other)) => one == other,
        (BackendSecret::Sha2Stage1(one), BackendSecret::Sha2Stage1(other)) => one == other,
        _ => false,
    }
}

impl Actor for Credentials {
    type Context = Context<Self>;
}

impl Handler<Verify> for Credentials {
    type Result = MessageResult<Verify>;

    fn handle(&mut self, verify: Verify, _: &mut Context<Self>) -> Self::Result {
        MessageResult(Terms { known: self.known(&verify.user, verify.source), rsa: Arc::clone(&self.rsa) })
    }
}

impl Handler<Settle> for Credentials {
    type Result = MessageResult<Settle>;

    fn handle(&mut self, settle: Settle, _: &mut Context<Self>) -> Self::Result {
        let user = self.user(&settle.user);
        let backend_user = user.and_then(|user| user.backend_user.clone()).map(String::into_bytes);
        let mapped = user.and_then(|user| user.backend_password.clone()).map(BackendSecret::Password);
        let proven = !matches!(settle.proof, Proof::Learned(_));
        let secret = mapped.unwrap_or(match settle.proof {
            Proof::Password(password) | Proof::Learned(password) => BackendSecret::Password(password),
            Proof::NativeStage1(hash) => BackendSecret::NativeStage1(hash),
            Proof::Sha2Stage1(hash) => BackendSecret::Sha2Stage1(hash),
        });
        let backend_user = backend_user.as_deref().unwrap_or(&settle.user).to_vec();
        MessageResult(self.account(&settle.user, &backend_user, secret, proven))
    }
}

impl Handler<Learn> for Credentials {
    type Result = ();

    fn handle(&mut self, learn: Learn, _: &mut Context<Self>) {
        let account = learn.account;
        if self.learned.len() >= REMEMBERED {
            self.learned.clear();
        }
        if let BackendSecret::Password(password) = &account.secret {
            self.learned.insert(account.user.clone(), password.clone());
        }
        let names = (account.user.clone(), account.backend_user.clone());
        self.accounts.insert(names, vec![account]);
    }
}

impl Handler<Forget> for Credentials {
    type Result = ();

    fn handle(&mut self, forget: Forget, _: &mut Context<Self>) {
        let account = forget.account;
        // Somebody else's guess says nothing of the password that is remembered.
        if let BackendSecret::Password(refused) = &account.secret
            && self.learned.get(&account.user) == Some(refused)
        {
            self.learned.remove(&account.user);
        }
        if let Some(accounts) = self.accounts.get_mut(&(account.user.clone(), account.backend_user.clone())) {
            accounts.retain(|known| known.id != account.id);
        }
    }
}

impl Handler<Rewrite> for Credentials {
    type Result = ();

    fn handle(&mut self, rewrite: Rewrite, _: &mut Context<Self>) {
        self.users = rewrite.users;
        self.learned.clear();
    }
}
