//! What a server says of the cluster that it belongs to: Galera, or MySQL's group replication.

use greenroom_protocol::answer::{Answer, Row};

use super::{named, rows};
use crate::cluster::Cluster;

/// Galera's word; no rows where a server knows nothing of it. A server that was built for it and does not use it has all but
/// `wsrep_on` (measured).
pub(super) const GALERA: &[u8] = b"SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status', \
    'wsrep_local_state', 'wsrep_cluster_state_uuid')";

/// Group replication's list of members, as this one sees it. An ordinary account may not ask (measured).
pub(super) const GROUP: &[u8] = b"SELECT MEMBER_ID = @@server_uuid, MEMBER_STATE, MEMBER_ROLE \
    FROM performance_schema.replication_group_members";

/// It has all that the cluster has.
const SYNCED: &str = "4";
/// It copies itself to a member that joins, or was desynchronised by hand.
const DONOR: &str = "2";

/// What a cluster makes of its member.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) cluster: Option<Cluster>,
    /// Why it should serve nobody.
    pub(super) unfit: Option<String>,
    /// That is because it has left its group, or never joined it.
    pub(super) outside: bool,
    /// It takes no writes, whatever its switches say.
    pub(super) secondary: bool,
    /// The account may not see what the cluster makes of it.
    pub(super) blind: bool,
}

impl Word {
    fn unfit(cluster: Cluster, why: String) -> Self {
        Self { cluster: Some(cluster), unfit: Some(why), ..Self::default() }
    }
}

/// Galera's, from its variables and its status.
pub(super) fn galera(variables: &[Row], status: Option<&Answer>) -> Option<Word> {
    named(variables, "wsrep_on").filter(|on| on == "ON")?;
    let status = rows(status).unwrap_or_default();
    let state = named(status, "wsrep_local_state");
    let cluster = Cluster {
        name: named(status, "wsrep_cluster_state_uuid").unwrap_or_default(),
        single: false,
        gtids: false,
        busy: state.as_deref() == Some(DONOR),
    };
    for (name, good) in [("wsrep_ready", "ON"), ("wsrep_cluster_status", "Primary")] {
        match named(status, name) {
            Some(said) if said == good => {}
            said => return Some(Word::unfit(cluster, format!("{name} is {}", said.as_deref().unwrap_or("not there")))),
        }
    }
    // By hand; it is ready all the same (measured).
    if let Some(rejected) = named(variables, "wsrep_reject_queries").filter(|rejected| rejected != "NONE") {
        return Some(Word::unfit(cluster, format!("wsrep_reject_queries is {rejected}")));
    }
    match state {
        Some(state) if state != SYNCED && state != DONOR => {
            Some(Word::unfit(cluster, format!("wsrep_local_state is {state}")))
        }
        _ => Some(Word { cluster: Some(cluster), ..Word::default() }),
    }
}

/// Group replication's, from its variables and its list of members. A server that has the plugin and no group is one like any
/// other.
pub(super) fn group(variables: &[Row], members: Option<&Answer>) -> Option<Word> {
    let name = named(variables, "group_replication_group_name").filter(|name| !name.is_empty())?;
    let single = named(variables, "group_replication_single_primary_mode").is_none_or(|single| single == "ON");
    let cluster = Cluster { name, single, gtids: true, busy: false };
    let Some(members) = rows(members) else {
        return Some(Word { cluster: Some(cluster), blind: true, ..Word::default() });
    };
    let cell = |row: &Row, at: usize| {
        row.get(at).and_then(Option::as_deref).map(String::from_utf8_lossy).unwrap_or_default().into_owned()
    };
    let own = members.iter().find(|row| cell(row, 0) == "1");
    // One whose group replication was never begun is not in its own list.
    let state = own.map_or_else(|| "OFFLINE".to_owned(), |own| cell(own, 1));
    if state != "ONLINE" {
        let outside = state == "OFFLINE";
        return Some(Word { outside, ..Word::unfit(cluster, format!("group replication: {state}")) });
    }
    let lost = members.iter().filter(|row| cell(row, 1) == "UNREACHABLE").count();
    if lost * 2 >= members.len() {
        let why = format!("group replication: {lost} of {} members cannot be reached", members.len());
        return Some(Word::unfit(cluster, why));
    }
    let secondary = own.is_some_and(|own| cell(own, 2) == "SECONDARY");
    Some(Word { cluster: Some(cluster), secondary, ..Word::default() })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{answer, row};
    use super::{Cluster, Word, galera, group};

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn galera_says(ready: &str, status: &str, state: &str) -> Option<Word> {
        let said = answer(&[
            &["wsrep_ready", ready],
            &["wsrep_cluster_status", status],
            &["wsrep_local_state", state],
            &["wsrep_cluster_state_uuid", UUID],
        ]);
        galera(&[row(&["wsrep_on", "ON"])], Some(&said))
    }

    fn cluster(single: bool, gtids: bool, busy: bool) -> Option<Cluster> {
        Some(Cluster { name: UUID.to_owned(), single, gtids, busy })
    }

    #[test]
    fn a_galera_member_serves_when_it_is_ready_and_in_the_primary_part() {
        assert_eq!(galera(&[row(&["wsrep_on", "OFF"])], Some(&answer(&[&["wsrep_ready", "OFF"]]))), None);
        assert_eq!(galera(&[], Some(&answer(&[]))), None);
        let fit = Word { cluster: cluster(false, false, false), ..Word::default() };
        assert_eq!(galera_says("ON", "Primary", "4"), Some(fit));
        let busy = Word { cluster: cluster(false, false, true), ..Word::default() };
        assert_eq!(galera_says("ON", "Primary", "2"), Some(busy));
        let why = |word: Option<Word>| word.and_then(|word| word.unfit).unwrap_or_default();
        assert_eq!(why(galera_says("OFF", "Primary", "4")), "wsrep_ready is OFF");
        assert_eq!(why(galera_says("ON", "non-Primary", "0")), "wsrep_cluster_status is non-Primary");
        assert_eq!(why(galera_says("ON", "Primary", "3")), "wsrep_local_state is 3");
        assert_eq!(why(galera(&[row(&["wsrep_on", "ON"])], None)), "wsrep_ready is not there");
        let closed = [row(&["wsrep_on", "ON"]), row(&["wsrep_reject_queries", "ALL"])];
        let ready = answer(&[&["wsrep_ready", "ON"], &["wsrep_cluster_status", "Primary"]]);
        assert_eq!(why(galera(&closed, Some(&ready))), "wsrep_reject_queries is ALL");
    }

    fn group_says(members: &[&[&str]]) -> Word {
        let variables = [row(&["group_replication_group_name", UUID])];
        group(&variables, Some(&answer(members))).unwrap_or_default()
    }

    #[test]
    fn a_group_member_serves_when_it_is_online_and_sees_most_of_the_others() {
        let fit = |secondary| Word { cluster: cluster(true, true, false), secondary, ..Word::default() };
        let others: [&[&str]; 2] = [&["0", "ONLINE", "SECONDARY"], &["0", "UNREACHABLE", "SECONDARY"]];
        assert_eq!(group_says(&[&["1", "ONLINE", "PRIMARY"], others[0], others[1]]), fit(false));
        assert_eq!(group_says(&[&["0", "ONLINE", "PRIMARY"], &["1", "ONLINE", "SECONDARY"]]), fit(true));
        let why = |members: &[&[&str]]| group_says(members).unfit.unwrap_or_default();
        let lost = why(&[&["1", "ONLINE", "PRIMARY"], others[1], others[1]]);
        assert_eq!(lost, "group replication: 2 of 3 members cannot be reached");
        assert!(why(&[&["1", "ONLINE", "PRIMARY"], others[1]]).contains("1 of 2"));
        for state in ["RECOVERING", "OFFLINE", "ERROR", "UNREACHABLE"] {
            let word = group_says(&[&["1", state, ""], others[0], others[0]]);
            assert_eq!(word.outside, state == "OFFLINE");
            assert_eq!(word.unfit, Some(format!("group replication: {state}")));
        }
        assert_eq!(why(&[&["0", "OFFLINE", ""]]), "group replication: OFFLINE");
    }

    #[test]
    fn a_server_without_a_group_is_like_any_other_and_one_that_may_not_be_looked_at_is_blind() {
        assert_eq!(group(&[], None), None);
        assert_eq!(group(&[row(&["group_replication_group_name", ""])], Some(&answer(&[&["0", "OFFLINE", ""]]))), None);
        let variables =
            [row(&["group_replication_group_name", UUID]), row(&["group_replication_single_primary_mode", "OFF"])];
        let blind = Word { cluster: cluster(false, true, false), blind: true, ..Word::default() };
        assert_eq!(group(&variables, None), Some(blind));
    }
}
