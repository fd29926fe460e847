//! Judging a login by the server's own account table, which a service account reads.

use std::sync::Arc;
use std::time::Instant;

use greenroom_protocol::accounts::{self, Accounts, Evidence, Verdict};
use greenroom_protocol::answer::Answer;
use greenroom_protocol::command::Command;
use greenroom_protocol::error::{GENERAL, SqlError};
use greenroom_protocol::login::plugin::Plugin;
use greenroom_protocol::login::server::Proof;
use greenroom_protocol::login::sha_crypt::Stored;
use greenroom_protocol::secret::Secret;

use super::conversation::Conversation;
use super::lease::{NoLease, first_state};
use super::login::Wish;
use crate::backend::UNABLE;
use crate::backend::exchange::Batch;
use crate::credentials;
use crate::grant::Condition;
use crate::settings::{CredentialSource, PoolMode};
use crate::stage::Main;

/// Errors of a server that is full or down, which say nothing of the service account.
const NOT_NOW: [u16; 2] = [1040, 1429];

/// What the table says of who wants to log in.
pub(super) struct Enquiry {
    verdict: Option<Verdict>,
    /// A table that was read later than this knows what was there when the login began.
    begun: Instant,
}

impl Enquiry {
    /// Whether a server has to be asked whatever was proven here; `due`: it was long ago that one let the account in.
    pub(super) fn doubts(&self, due: impl FnOnce() -> bool) -> bool {
        self.verdict
            .as_ref()
            .is_some_and(|verdict| verdict.barred || (verdict.ages || verdict.evidence == Evidence::Server) && due())
    }
}

impl Conversation {
    /// Looks the user up, where that is what the endpoint goes by, and puts what was found into the terms.
    pub(super) async fn enquire(
        &mut self,
        wish: &Wish,
        main: &Main,
        terms: &mut credentials::Terms,
    ) -> Result<Option<Enquiry>, NoLease> {
        if self.endpoint.settings.credentials != CredentialSource::Query || terms.configured {
            return Ok(None);
        }
        let begun = Instant::now();
        let due = self.endpoint.settings.credential_ttl.and_then(|ttl| begun.checked_sub(ttl));
        let verdict = self.accounts(main, due).await?.find(&wish.user, self.client.peer);
        terms.known = main.credentials.by_verdict(&wish.user, self.shown_client(), verdict.as_ref());
        Ok(Some(Enquiry { verdict, begun }))
    }

    /// What came of a login by the table: a password handed over is held against what is stored, and whoever is refused is
    /// judged once more by the table as it is now, as he may have changed his password just before.
    pub(super) async fn reconsider(
        &mut self,
        wish: &Wish,
        main: &Main,
        enquiry: &mut Enquiry,
        (judged, seq): (Judged, u8),
    ) -> Result<(Judged, u8), NoLease> {
        let judged = self.weigh(wish, main, enquiry, judged).await;
        let Judged::Refused { given, .. } = &judged else { return Ok((judged, seq)) };
        let verdict = self.accounts(main, Some(enquiry.begun)).await?.find(&wish.user, self.client.peer);
        if verdict == enquiry.verdict {
            return Ok((judged, seq));
        }
        enquiry.verdict = verdict;
        let known = main.credentials.by_verdict(&wish.user, self.shown_client(), enquiry.verdict.as_ref());
        match given {
            Given::Password(password) => match known.prove(password.clone()) {
                Some(proof) => Ok((self.weigh(wish, main, enquiry, Judged::Proven(proof)).await, seq)),
                None => Ok((judged, seq)),
            },
            Given::Answer(plugin, answer) => {
                let again = wish.answering(*plugin, answer.clone(), self.client.scramble);
                let (judged, seq) = self.authenticate(&again, main.credentials.like(&wish.user, known), seq).await?;
                Ok((self.weigh(wish, main, enquiry, judged).await, seq))
            }
            Given::Nothing => Ok((judged, seq)),
        }
    }

    /// Holds a password against what MySQL stores, which takes too long for this thread.
    async fn weigh(&self, wish: &Wish, main: &Main, enquiry: &Enquiry, judged: Judged) -> Judged {
        let (Judged::Proven(Proof::Learned(password)), Some(verdict)) = (&judged, &enquiry.verdict) else {
            return judged;
        };
        let Evidence::Sha2(texts) = verdict.evidence.clone() else { return judged };
        let held = password.clone();
        let found = actix_rt::task::spawn_blocking(move || {
            texts.into_iter().find(|text| Stored::parse(text.expose()).is_some_and(|stored| stored.is_of(&held)))
        });
        match found.await.ok().flatten() {
            Some(stored) => {
                main.credentials.keep(&wish.user, self.shown_client(), password.clone(), stored);
                Judged::Proven(Proof::Password(password.clone()))
            }
            None => Judged::Refused { using_password: !password.is_empty(), given: Given::Password(password.clone()) },
        }
    }

    /// The table, read at `due` or later; `None`: whenever.
    async fn accounts(&mut self, main: &Main, due: Option<Instant>) -> Result<Arc<Accounts>, NoLease> {
        let Some(node) = self.endpoint.choose() else {
            let error = SqlError::node_down(&self.endpoint.settings.name, "the endpoint has no node");
            return Err(NoLease::Refused(error));
        };
        let roster = main.credentials.rosters.of(node.index);
        if let Some(known) = roster.since(due) {
            return Ok(known);
        }
        let _turn = roster.turn().await;
        if let Some(known) = roster.since(due) {
            return Ok(known);
        }
        let asked = Instant::now();
        let accounts = Arc::new(self.read_accounts(main).await?);
        roster.put(asked, Arc::clone(&accounts));
        Ok(accounts)
    }

    /// Reads the table as the service account, over a connection from the pool like any other's.
    async fn read_accounts(&mut self, main: &Main) -> Result<Accounts, NoLease> {
        let name = self.endpoint.settings.query_user.clone().unwrap_or_default();
        let service = main.credentials.service(name.as_bytes());
        let kept = (self.account.take(), Arc::clone(&self.state), self.collation, self.last);
        (self.account, self.collation) = (service, 0);
        self.state = first_state(None, 0);
        let outcome = match self.acquire(false).await {
            Ok(()) => self.ask_accounts().await,
            Err(error) => Err(error),
        };
        let shared = self.mode() == PoolMode::Transaction && outcome.is_ok();
        self.release(if shared { Condition::Clean } else { Condition::Spoilt });
        (self.account, self.state, self.collation, self.last) = kept;
        match outcome {
            Err(NoLease::Refused(error)) if !NOT_NOW.contains(&error.code) => {
                slog::warn!(self.stage.log, "the server's accounts could not be read"; "query_user" => name, "reason" => %error);
                let text = "greenroom can not read the server's accounts; its log has the reason";
                Err(NoLease::Refused(SqlError::new(UNABLE, GENERAL, text)))
            }
            outcome => outcome,
        }
    }

    async fn ask_accounts(&mut self) -> Result<Accounts, NoLease> {
        let refused = |reason: &str| NoLease::Refused(SqlError::new(UNABLE, GENERAL, reason.to_owned()));
        let Some(wire) = self.grant.as_mut().and_then(crate::grant::Grant::wire) else {
            return Err(refused("there is no connection"));
        };
        let flavor = wire.card.permit.node().facts().map_or(self.flavor, |facts| facts.flavor);
        let mut batch = Batch::new(wire.card.capabilities).rows(accounts::LIMIT);
        batch.add(Command::Query, accounts::query(flavor).as_bytes());
        let outcome = batch.run(&mut wire.stream).await.map_err(|error| refused(&error.to_string()))?;
        match outcome.answers.into_iter().next() {
            Some(Answer::Rows(rows)) => {
                Accounts::read(&rows).ok_or_else(|| refused("the account table has other columns"))
            }
            Some(Answer::Failed(error)) => Err(NoLease::Refused(error)),
            _ => Err(refused("the account table gave no rows")),
        }
    }
}

/// What a client brought that was not right, as long as it may be judged once more.
pub(super) enum Given {
    /// An answer to the scramble.
    Answer(Plugin, Secret),
    /// The password itself.
    Password(Secret),
    /// Nothing of the kind.
    Nothing,
}

impl Given {
    /// The client's last payload; `asked`: the password was asked for with the packet before.
    pub(super) fn of(payload: Secret, asked: bool) -> Self {
        let bytes = payload.expose();
        match bytes.len() {
            _ if asked => Self::Password(Secret::new(bytes.strip_suffix(&[0]).unwrap_or(bytes))),
            20 => Self::Answer(Plugin::Native, payload),
            32 => Self::Answer(Plugin::CachingSha2, payload),
            _ => Self::Nothing,
        }
    }
}

/// How a login was judged.
pub(super) enum Judged {
    /// Something is proven, or brought.
    Proven(Proof),
    /// It was not right.
    Refused {
        /// Whether the client sent a password at all.
        using_password: bool,
        given: Given,
    },
}
