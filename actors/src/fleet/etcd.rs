//! What is asked of etcd, in the JSON of its gRPC gateway (etcd 3.4 and later: `/v3`). Bytes are in base64 there, and 64-bit
//! numbers are texts.
//!
//! Over HTTP and not gRPC: five calls are needed, for which a gRPC stack would be the largest part of the binary.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::http::{Fault, Link};
use crate::settings::{EtcdAddress, FleetSettings};

/// A client of one etcd cluster, by whichever of its members answers.
pub(super) struct Etcd {
    settings: Arc<FleetSettings>,
    /// Which of them is asked.
    at: usize,
    link: Option<Link>,
    token: Option<String>,
}

/// What is stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
}

/// All that is stored below a prefix, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) revision: i64,
    pub(super) stored: Vec<Stored>,
}

/// Something to be written.
#[derive(Debug, Clone)]
pub(super) enum Write {
    /// With the lease after whose end it is gone, if there is one.
    Put {
        key: String,
        value: Vec<u8>,
        lease: Option<String>,
    },
    Delete(String),
}

/// What must be so for anything to be written.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// Nothing below this prefix was written after this revision.
    Unchanged { prefix: String, revision: i64 },
    /// There is no such key.
    Absent(String),
}

/// Tells that something below a prefix was written.
pub(super) struct Bell {
    body: Incoming,
    /// The beginning of a message whose end has not come yet.
    begun: Vec<u8>,
    _link: Link,
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn decoded(value: &Value) -> Option<Vec<u8>> {
    // Nothing is left out where it would be empty.
    STANDARD.decode(value.as_str().unwrap_or_default()).ok()
}

/// A 64-bit number, which is left out where it is 0.
fn number(value: &Value) -> i64 {
    value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_i64()).unwrap_or(0)
}

/// The first key behind all that begin with this prefix.
fn behind(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    // No prefix here ends with the last byte that there is.
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

impl Write {
    fn json(&self) -> Value {
        match self {
            Self::Put { key, value, lease } => {
                let mut put = json!({ "key": encoded(key), "value": encoded(value) });
                if let Some(lease) = lease {
                    put["lease"] = json!(lease);
                }
                json!({ "request_put": put })
            }
            Self::Delete(key) => json!({ "request_delete_range": { "key": encoded(key) } }),
        }
    }
}

impl Condition {
    fn json(&self) -> Value {
        match self {
            Self::Unchanged { prefix, revision } => json!({
                "key": encoded(prefix), "range_end": encoded(behind(prefix)),
                "target": "MOD", "result": "LESS", "mod_revision": (revision + 1).to_string(),
            }),
            Self::Absent(key) => {
                json!({ "key": encoded(key), "target": "CREATE", "result": "EQUAL", "create_revision": "0" })
            }
        }
    }
}

impl Etcd {
    pub(super) fn new(settings: Arc<FleetSettings>) -> Self {
        Self { settings, at: 0, link: None, token: None }
    }

    fn address(&self) -> Result<EtcdAddress, Fault> {
        let all = &self.settings.etcd;
        let address = all.get(self.at % all.len().max(1));
        address.cloned().ok_or_else(|| Fault::Unreachable("no address is known".to_owned()))
    }

    /// Which of them is asked.
    pub(super) fn asked(&self) -> String {
        self.address().map(|address| address.authority()).unwrap_or_default()
    }

    /// Another of them is asked from now on.
    pub(super) fn turn(&mut self) {
        self.at = self.at.wrapping_add(1);
        (self.link, self.token) = (None, None);
    }

    async fn ask(&mut self, path: &str, question: &Value) -> Result<Value, Fault> {
        let told = self.ask_once(path, question).await;
        let Err(Fault::NoToken) = told else { return told };
        // Tokens end after minutes of silence, and with the etcd that gave them.
        self.token = None;
        self.ask_once(path, question).await
    }

    async fn ask_once(&mut self, path: &str, question: &Value) -> Result<Value, Fault> {
        if self.link.is_none() {
            self.link = Some(Link::open(&self.address()?).await?);
        }
        if self.token.is_none() {
            self.token = self.log_in().await?;
        }
        let Some(link) = &mut self.link else { return Err(Fault::Late) };
        let told = link.ask(path, self.token.as_deref(), question).await;
        // What was asked may still be answered: nobody must take that for the answer to something else.
        if matches!(told, Err(Fault::Unreachable(_) | Fault::Late)) {
            self.link = None;
        }
        told
    }

    async fn log_in(&mut self) -> Result<Option<String>, Fault> {
        let (Some(account), Some(link)) = (&self.settings.account, &mut self.link) else { return Ok(None) };
        let password = String::from_utf8_lossy(account.password.expose());
        let question = json!({ "name": account.user, "password": password });
        let told = link.ask("/v3/auth/authenticate", None, &question).await?;
        Ok(told["token"].as_str().map(str::to_owned))
    }

    /// A new lease, by its id.
    pub(super) async fn lease(&mut self) -> Result<String, Fault> {
        let told = self.ask("/v3/lease/grant", &json!({ "TTL": self.settings.ttl.as_secs().to_string() })).await?;
        told["ID"].as_str().map(str::to_owned).ok_or_else(|| Fault::Refused("there is no lease".to_owned()))
    }

    /// Lengthens a lease; says whether there still was one.
    pub(super) async fn keep_alive(&mut self, lease: &str) -> Result<bool, Fault> {
        let told = self.ask("/v3/lease/keepalive", &json!({ "ID": lease })).await?;
        Ok(number(&told["result"]["TTL"]) > 0)
    }

    /// Ends a lease, and all that was written with it.
    pub(super) async fn end(&mut self, lease: &str) -> Result<(), Fault> {
        self.ask("/v3/lease/revoke", &json!({ "ID": lease })).await.map(drop)
    }

    /// All below a prefix.
    pub(super) async fn read(&mut self, prefix: &str) -> Result<Snapshot, Fault> {
        let question = json!({ "key": encoded(prefix), "range_end": encoded(behind(prefix)) });
        let told = self.ask("/v3/kv/range", &question).await?;
        let stored = told["kvs"].as_array().into_iter().flatten().filter_map(|it| {
            let key = String::from_utf8(decoded(&it["key"])?).ok()?;
            Some(Stored { key, value: decoded(&it["value"])? })
        });
        Ok(Snapshot { revision: number(&told["header"]["revision"]), stored: stored.collect() })
    }

    /// Writes all of this, or where a condition is not met nothing; says which.
    pub(super) async fn write(&mut self, conditions: &[Condition], writes: &[Write]) -> Result<bool, Fault> {
        let conditions: Vec<_> = conditions.iter().map(Condition::json).collect();
        let writes: Vec<_> = writes.iter().map(Write::json).collect();
        let told = self.ask("/v3/kv/txn", &json!({ "compare": conditions, "success": writes })).await?;
        Ok(told["succeeded"].as_bool().unwrap_or(false))
    }

    /// Rings with everything that is written below a prefix after a revision.
    pub(super) async fn watch(&mut self, prefix: &str, revision: i64) -> Result<Bell, Fault> {
        let mut link = Link::open(&self.address()?).await?;
        let create = json!({
            "key": encoded(prefix), "range_end": encoded(behind(prefix)), "start_revision": (revision + 1).to_string(),
        });
        let body = link.follow("/v3/watch", self.token.as_deref(), &json!({ "create_request": create })).await?;
        Ok(Bell { body, begun: Vec::new(), _link: link })
    }
}

impl Bell {
    /// Waits for it. What was written is read anew: so nothing is lost where one watch has ended before the next.
    pub(super) async fn rung(&mut self) -> Result<(), Fault> {
        match self.body.frame().await {
            Some(Ok(frame)) => {
                self.begun.extend_from_slice(&frame.into_data().unwrap_or_default());
                heard(&mut self.begun)
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(Fault::Unreachable("it watches no more".to_owned())),
        }
    }
}

/// Takes the messages that have come whole, a line each. Those that tell of anything ring; one by which the watch ends is a fault.
fn heard(begun: &mut Vec<u8>) -> Result<(), Fault> {
    let Some(end) = begun.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
    for line in begun.drain(..=end).as_slice().split(|byte| *byte == b'\n') {
        let told: Value = serde_json::from_slice(line).unwrap_or_default();
        let reason = &told["result"]["cancel_reason"];
        if told["result"]["canceled"] == true || !told["error"].is_null() {
            return Err(Fault::Unreachable(format!(
                "it watches no more: {}",
                reason.as_str().unwrap_or("it says not why")
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Condition, Write, behind, heard, number};

    #[test]
    fn numbers_come_as_texts_or_not_at_all() {
        assert_eq!([json!("12"), json!(12), json!(null), json!("x")].map(|value| number(&value)), [12, 12, 0, 0]);
    }

    #[test]
    fn a_watch_that_is_cancelled_does_not_ring() {
        let mut begun = br#"{"result":{"header":{"revision":"7"},"created":true}}"#.to_vec();
        begun.extend(b"\n{\"result\":{\"events\":[{}]}}\n{\"result\":{\"canc");
        assert!(heard(&mut begun).is_ok());
        assert_eq!(begun, b"{\"result\":{\"canc");
        begun.extend(b"eled\":true,\"cancel_reason\":\"permission denied\"}}\n");
        assert!(heard(&mut begun).is_err_and(|fault| fault.to_string() == "it watches no more: permission denied"));
        assert!(heard(&mut b"{\"error\":{\"grpc_code\":14}}\n".to_vec()).is_err());
    }

    #[test]
    fn a_prefix_ends_before_its_neighbour() {
        assert_eq!(behind("greenroom/a/"), b"greenroom/a0");
        let condition = Condition::Unchanged { prefix: "a/".to_owned(), revision: 7 }.json();
        assert_eq!((condition["key"].as_str(), condition["range_end"].as_str()), (Some("YS8="), Some("YTA=")));
        assert_eq!(condition["mod_revision"], "8");
    }

    #[test]
    fn what_has_no_lease_stays() {
        let put = |lease| Write::Put { key: "a".into(), value: b"b".to_vec(), lease }.json()["request_put"].clone();
        assert_eq!(put(None), json!({ "key": "YQ==", "value": "Yg==" }));
        assert_eq!(put(Some("7".to_owned())), json!({ "key": "YQ==", "value": "Yg==", "lease": "7" }));
    }
}
