//! What instances ask of each other, through etcd: written under the other's number, where its bell rings, and answered under
//! this one's. Whoever may write there may ask: etcd's own accounts say who that is.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::oneshot;

use super::super::etcd::Write;
use super::super::http::Fault;
use super::super::record::{Board, Call, Keys, Reply};
use super::super::{Call as Demand, Wish, mark};
use super::{End, Membership};
use crate::session::{Bystanders, heed};

/// What is under way.
pub(super) struct Letters {
    /// What was asked of others, by name: whom, and who waits for the answer.
    asked: FxHashMap<String, (u8, oneshot::Sender<Reply>)>,
    /// What others have asked, and is being done.
    heeded: FxHashSet<String>,
    bystanders: Rc<Bystanders>,
    /// Tells this process's from those of another that has had its number.
    mark: String,
    count: u64,
    /// Which instances there are, with their marks.
    members: BTreeMap<u8, String>,
}

impl Letters {
    pub(super) fn new() -> Self {
        Self {
            asked: FxHashMap::default(),
            heeded: FxHashSet::default(),
            bystanders: Rc::default(),
            mark: mark(),
            count: 0,
            members: BTreeMap::new(),
        }
    }
}

impl Membership {
    /// Does something for somebody.
    pub(super) async fn grant(&mut self, wish: Wish) -> Result<(), End> {
        match wish {
            Wish::Call(call, answer) => Ok(self.call(call, answer).await?),
            Wish::Leave(done) => {
                if self.letters.members.keys().eq([&self.fleet.number()]) {
                    // Nobody is left to be waited for by the next one.
                    let _ = self.etcd.write(&[], &[Write::Delete(self.keys.last())]).await;
                }
                if let Some(lease) = self.kept.lease.take() {
                    // Where it cannot be said, the lease ends by itself.
                    let _ = self.etcd.end(&lease).await;
                }
                let _ = done.send(());
                Err(End::Left)
            }
        }
    }

    async fn call(&mut self, call: Demand, answer: oneshot::Sender<Reply>) -> Result<(), Fault> {
        let Demand { to, ask } = call;
        let Some(mark) = self.letters.members.get(&to).cloned() else {
            // Who asks may be gone.
            let _ = answer.send(Reply::Unknown);
            return Ok(());
        };
        self.letters.count += 1;
        let name = format!("{:03}-{}-{}", self.fleet.number(), self.letters.mark, self.letters.count);
        let value = serde_json::to_vec(&Call { mark, ask }).unwrap_or_default();
        let put = Write::Put { key: self.keys.call(to, &name), value, lease: self.kept.lease.clone() };
        self.letters.asked.insert(name, (to, answer));
        self.etcd.write(&[], &[put]).await.map(drop)
    }

    /// Takes back what nobody waits for any more.
    pub(super) async fn withdraw(&mut self) -> Result<(), Fault> {
        let late = self.letters.asked.extract_if(|_, (_, answer)| answer.is_closed());
        let keys = &self.keys;
        let deletes: Vec<_> = late.map(|(name, (to, _))| Write::Delete(keys.call(to, &name))).collect();
        match deletes.is_empty() {
            true => Ok(()),
            false => self.etcd.write(&[], &deletes).await.map(drop),
        }
    }

    /// Hands out answers, and sees to what is asked of this instance.
    pub(super) async fn deliver(&mut self, board: &Board) -> Result<(), Fault> {
        let number = self.fleet.number();
        self.letters.members = board.members.iter().map(|(number, record)| (*number, record.mark.clone())).collect();
        self.letters.heeded.retain(|name| board.calls.iter().any(|call| call.name == *name));
        for call in &board.calls {
            if call.text.mark != self.fleet.mark {
                // It is for a process that has had this number.
                let _ = self.answering.send((call.name.clone(), Reply::Unknown));
                continue;
            }
            if self.letters.heeded.insert(call.name.clone()) {
                let (stage, bystanders) = (Arc::clone(&self.stage), Rc::clone(&self.letters.bystanders));
                let (answering, name, ask) = (self.answering.clone(), call.name.clone(), call.text.ask.clone());
                actix_rt::spawn(async move {
                    let reply = heed(stage, bystanders, ask).await;
                    let _ = answering.send((name, reply));
                });
            }
        }
        let mut read = Vec::new();
        for answer in &board.answers {
            read.push(Write::Delete(self.keys.answer(number, &answer.name)));
            if let Some((_, asker)) = self.letters.asked.remove(&answer.name) {
                let _ = asker.send(answer.text.clone());
            }
        }
        match read.is_empty() {
            true => Ok(()),
            false => self.etcd.write(&[], &read).await.map(drop),
        }
    }

    /// Answers another instance.
    pub(super) async fn answer(&mut self, name: &str, reply: &Reply) -> Result<(), Fault> {
        let mut writes = vec![Write::Delete(self.keys.call(self.fleet.number(), name))];
        if let Some(asker) = Keys::asker(name).filter(|asker| self.letters.members.contains_key(asker)) {
            let value = serde_json::to_vec(reply).unwrap_or_default();
            writes.push(Write::Put { key: self.keys.answer(asker, name), value, lease: self.kept.lease.clone() });
        }
        self.etcd.write(&[], &writes).await.map(drop)
    }
}
