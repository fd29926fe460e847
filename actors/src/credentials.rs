//! The users of the configuration, and what later logins need of those learned from the server.
//!
//! No actor: a login would go to its thread and back twice, which costs it more than all the rest of it (measured). It is
//! read by every login and written by few.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use greenroom_protocol::accounts::{Evidence, Verdict};
use greenroom_protocol::login::client::BackendSecret;
use greenroom_protocol::login::decoy::{Decoys, Kind};
use greenroom_protocol::login::rsa::RsaKey;
use greenroom_protocol::login::server::{Known, Proof};
use greenroom_protocol::login::signature::parsec::Salt;
use greenroom_protocol::secret::{Secret, SecretHash};
use rustc_hash::FxHashMap;

use crate::account::{Account, Proven};
use crate::quota::Quotas;
use crate::rosters::Rosters;
use crate::settings::{CredentialSource, UserSecret, UserSettings};

/// Users learned and accounts made that are remembered at most; the table is emptied when it is full,
/// and everybody's next login proves itself again.
const REMEMBERED: usize = 100_000;

/// A user as clients name it, and the client's address where the server is told it: it may know several of one name.
type User = (Box<[u8]>, Option<IpAddr>);

/// A user, and the name that the server knows.
type UserPair = (User, Box<[u8]>);

/// Passwords of one user that servers are yet to judge at most; beyond that the oldest goes.
const UNPROVEN: usize = 8;

/// Who may log in, and with what.
pub(crate) struct Credentials {
    book: RwLock<Book>,
    /// The servers' account tables, where logins are judged by them.
    pub(crate) rosters: Rosters,
    rsa: Arc<RsaKey>,
    decoys: Decoys,
}

struct Book {
    users: FxHashMap<Box<[u8]>, UserSettings>,
    /// What is known of each of them: who does not exist is one like them.
    kinds: Vec<Kind>,
    learned: FxHashMap<User, Learned>,
    /// By the client's name of the user and the server's: the proven account, if there is one yet, and after it
    /// those that a server is still to judge.
    accounts: FxHashMap<UserPair, Vec<Arc<Account>>>,
    made: u32,
}

/// A password that is remembered.
struct Learned {
    password: Secret,
    /// What a server stores of it, where it was held against that.
    stored: Option<Secret>,
}

/// What a login is judged by.
pub(crate) struct Terms {
    pub(crate) known: Known,
    /// The configuration says it, and not a server some time ago.
    pub(crate) configured: bool,
    /// Whose certificate the client must have shown, if that matters.
    pub(crate) subject: Option<Box<str>>,
    pub(crate) salt: Salt,
    pub(crate) rsa: Arc<RsaKey>,
}

/// A user, as administrators see him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: Box<[u8]>,
    /// From where he is known.
    pub(crate) source: &'static str,
    /// What is known of his password.
    pub(crate) known_by: &'static str,
    pub(crate) server_user: Box<[u8]>,
}

impl Credentials {
    /// Every user who is known now, in the order of their names.
    pub(crate) fn list(&self) -> Vec<Listed> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        let configured = book.users.iter().map(|(name, user)| Listed {
            name: name.clone(),
            source: "configured",
            known_by: match user.secret {
                UserSecret::Password(_) => "password",
                UserSecret::NativeDoubleSha1(_) => "mysql_native_password hash",
                UserSecret::Sha2Double(_) => "sha256 hash",
            },
            server_user: user.backend_user.as_ref().map_or_else(|| name.clone(), |user| user.as_bytes().into()),
        });
        let learned = book.learned.keys().filter(|(name, _)| !book.users.contains_key(name)).map(|(name, _)| Listed {
            name: name.clone(),
            source: "learned",
            known_by: "password",
            server_user: name.clone(),
        });
        let mut all: Vec<_> = configured.chain(learned).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        // One user may be known by several client addresses.
        all.dedup();
        all
    }

    pub(crate) fn new(users: Vec<UserSettings>, rsa: Arc<RsaKey>) -> Self {
        let (kinds, users) = (kinds(&users), by_name(users));
        let (learned, accounts) = (FxHashMap::default(), FxHashMap::default());
        // Without randomness no login is safe; a system that has none to give does not come this far.
        let decoys = Decoys::new().unwrap_or_else(|| std::process::abort());
        let book = RwLock::new(Book { users, kinds, learned, accounts, made: 0 });
        Self { book, rosters: Rosters::default(), rsa, decoys }
    }

    /// What the login of a user is judged by.
    pub(crate) fn terms(&self, user: &[u8], client: Option<IpAddr>, source: CredentialSource) -> Terms {
        // Made for everybody, so that nobody takes longer than somebody.
        let salt = self.decoys.salt(user);
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        let nobody = self.decoys.known(user, &book.kinds);
        let (known, settings) = (book.known(user, client, source), book.users.get(user));
        let subject = settings.and_then(|user| user.tls_subject.as_deref()).map(Box::from);
        Terms {
            known: known.unwrap_or(nobody),
            configured: settings.is_some(),
            subject,
            salt,
            rsa: Arc::clone(&self.rsa),
        }
    }

    /// The same terms for something else that is known of the user.
    pub(crate) fn like(&self, user: &[u8], known: Known) -> Terms {
        Terms { known, configured: false, subject: None, salt: self.decoys.salt(user), rsa: Arc::clone(&self.rsa) }
    }

    /// What a user is judged by of whom an account table says this; `None`: it does not have him.
    pub(crate) fn by_verdict(&self, user: &[u8], client: Option<IpAddr>, verdict: Option<&Verdict>) -> Known {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        let nobody = self.decoys.known(user, &book.kinds);
        let learned = book.learned.get(&(Box::from(user), client));
        let or_learn = |learned: Option<&Learned>| {
            learned.map_or(Known::Learn, |learned| Known::Remembered(learned.password.clone()))
        };
        match verdict.map(|verdict| &verdict.evidence) {
            None => nobody,
            Some(Evidence::Empty) => Known::Password(Secret::new([])),
            Some(Evidence::Native(hash)) => Known::Native(hash.clone()),
            Some(Evidence::Server) => or_learn(learned),
            // What was held against another text says nothing of this one.
            Some(Evidence::Sha2(texts)) => {
                or_learn(learned.filter(|it| it.stored.as_ref().is_some_and(|stored| texts.contains(stored))))
            }
        }
    }

    /// A password has been found to be what a server stores.
    pub(crate) fn keep(&self, user: &[u8], client: Option<IpAddr>, password: Secret, stored: Secret) {
        self.write(|book| book.keep((Box::from(user), client), Learned { password, stored: Some(stored) }));
    }

    /// The account of a user of the configuration who reads account tables.
    pub(crate) fn service(&self, user: &[u8]) -> Option<Arc<Account>> {
        let secret = self.book.read().unwrap_or_else(PoisonError::into_inner).users.get(user)?.secret.clone();
        let UserSecret::Password(password) = secret else { return None };
        Some(self.settle(user, None, Proof::Password(password)))
    }

    /// The account of a user who has proven himself.
    pub(crate) fn settle(&self, user: &[u8], client: Option<IpAddr>, proof: Proof) -> Arc<Account> {
        let proven = !matches!(proof, Proof::Learned(_));
        let (backend_user, secret) = self.book.read().unwrap_or_else(PoisonError::into_inner).on_server(user, proof);
        let names = ((Box::from(user), client), backend_user);
        if proven && let Some(account) = self.settled(&names, &secret) {
            return account;
        }
        self.write(|book| book.account(names, secret, proven))
    }

    /// The server has accepted an account whose password was learned.
    pub(crate) fn learn(&self, account: Arc<Account>) {
        self.write(|book| book.learn(account));
    }

    /// The server has refused an account: what was learned of the user, if it is this, is wrong by now.
    pub(crate) fn forget(&self, account: &Account) {
        self.write(|book| book.forget(account));
    }

    /// The configuration was read again.
    pub(crate) fn rewrite(&self, users: Vec<UserSettings>) {
        self.write(|book| {
            book.kinds = kinds(&users);
            book.users = by_name(users);
            book.learned.clear();
        });
        self.rosters.clear();
    }

    /// The account, where nothing has to be noted.
    fn settled(&self, names: &UserPair, secret: &BackendSecret) -> Option<Arc<Account>> {
        let book = self.book.read().unwrap_or_else(PoisonError::into_inner);
        match book.accounts.get(names)?.as_slice() {
            [only] if same_secret(&only.secret, secret) => Some(Arc::clone(only)),
            _ => None,
        }
    }

    fn write<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        change(&mut self.book.write().unwrap_or_else(PoisonError::into_inner))
    }
}

fn by_name(users: Vec<UserSettings>) -> FxHashMap<Box<[u8]>, UserSettings> {
    users.into_iter().map(|user| (Box::from(user.name.as_bytes()), user)).collect()
}

fn kinds(users: &[UserSettings]) -> Vec<Kind> {
    let kind = |user: &UserSettings| match user.secret {
        UserSecret::Password(_) => Kind::Password,
        UserSecret::NativeDoubleSha1(_) => Kind::Native,
        UserSecret::Sha2Double(_) => Kind::Sha2,
    };
    users.iter().map(kind).collect()
}

impl Book {
    /// What is known of a user; `None` of one who does not exist, or of whom only an account table could say that.
    fn known(&self, name: &[u8], client: Option<IpAddr>, source: CredentialSource) -> Option<Known> {
        if let Some(user) = self.users.get(name) {
            return Some(match &user.secret {
                UserSecret::Password(password) => Known::Password(password.clone()),
                UserSecret::NativeDoubleSha1(hash) => Known::Native(SecretHash::new(*hash)),
                UserSecret::Sha2Double(hash) => Known::Sha2(SecretHash::new(*hash)),
            });
        }
        match (source, self.learned.get(&(Box::from(name), client))) {
            (CredentialSource::Static | CredentialSource::Query, _) => None,
            (CredentialSource::Learned, Some(learned)) => Some(Known::Remembered(learned.password.clone())),
            (CredentialSource::Learned, None) => Some(Known::Learn),
        }
    }

    /// How the user logs in to the server.
    fn on_server(&self, name: &[u8], proof: Proof) -> (Box<[u8]>, BackendSecret) {
        let user = self.users.get(name);
        let backend_user = user.and_then(|user| user.backend_user.as_ref()).map_or(name, String::as_bytes);
        let mapped = user.and_then(|user| user.backend_password.clone()).map(BackendSecret::Password);
        let secret = mapped.unwrap_or(match proof {
            Proof::Password(password) | Proof::Learned(password) => BackendSecret::Password(password),
            Proof::NativeStage1(hash) => BackendSecret::NativeStage1(hash),
            Proof::Sha2Stage1(hash) => BackendSecret::Sha2Stage1(hash),
        });
        (Box::from(backend_user), secret)
    }

    /// The account of these. `proven`: a guess must not take the place of what a server has accepted,
    /// or every guess would part the user from his pooled connections.
    fn account(&mut self, names: UserPair, secret: BackendSecret, proven: bool) -> Arc<Account> {
        if self.accounts.len() >= REMEMBERED {
            self.accounts.clear();
        }
        let ((user, client), backend_user) = names.clone();
        let accounts = self.accounts.entry(names).or_default();
        let found = accounts.iter().find(|account| same_secret(&account.secret, &secret)).map(Arc::clone);
        let account = found.unwrap_or_else(|| {
            self.made = self.made.wrapping_add(1);
            Arc::new(Account {
                id: self.made,
                user,
                backend_user,
                client,
                secret,
                proven: Proven::default(),
                quotas: Quotas::default(),
            })
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

    fn learn(&mut self, account: Arc<Account>) {
        if let BackendSecret::Password(password) = &account.secret {
            let password = password.clone();
            self.keep((account.user.clone(), account.client), Learned { password, stored: None });
        }
        let names = ((account.user.clone(), account.client), account.backend_user.clone());
        self.accounts.insert(names, vec![account]);
    }

    fn keep(&mut self, user: User, learned: Learned) {
        if self.learned.len() >= REMEMBERED {
            self.learned.clear();
        }
        // Proven by a server, it is still what was held against the text that is stored there.
        let stored = self.learned.get(&user).filter(|known| known.password == learned.password);
        let stored = learned.stored.or_else(|| stored.and_then(|known| known.stored.clone()));
        self.learned.insert(user, Learned { password: learned.password, stored });
    }

    fn forget(&mut self, account: &Account) {
        let user = (account.user.clone(), account.client);
        // Somebody else's guess says nothing of the password that is remembered.
        if let BackendSecret::Password(refused) = &account.secret
            && self.learned.get(&user).is_some_and(|known| known.password == *refused)
        {
            self.learned.remove(&user);
        }
        if let Some(accounts) = self.accounts.get_mut(&(user, account.backend_user.clone())) {
            accounts.retain(|known| known.id != account.id);
        }
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
