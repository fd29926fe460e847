//! Group replication: MySQL says itself who is the primary.

use std::{
    net::{Ipv4Addr, SocketAddr},
    thread::sleep,
    time::Duration,
};

use greenroom::demo::server::{Flavor, Options, ROOT, Server, free_port};

use super::members::{BLIND, CREW, Members, SEEING, WIDTH, app, goes_on, port};
use crate::support::{
    crew::{Crew, LOSSES},
    observe::{until, within},
    proxy::Proxy,
    servers::{Tenant, has_mysql, skipped},
    wire::Wire,
};

const NAME: &str = "aaaaaaaa-0000-4000-8000-000000000001";

/// What a write may be told by the group itself: it was rolled back, since the primary is another.
const ROLLED_BACK: [u16; 3] = [3100, 3101, 1290];

/// Members are taken for gone after five seconds, and who was goes about coming back as soon.
const A_MINUTE: Duration = Duration::from_secs(60);

/// Whatever a member says.
const STATES: &str = "SELECT MEMBER_PORT, MEMBER_STATE, MEMBER_ROLE FROM performance_schema.replication_group_members";

fn options(id: usize, own: SocketAddr, seeds: &str) -> Options {
    let arguments = [
        format!("--server-id={id}"),
        "--gtid-mode=ON".into(),
        "--enforce-gtid-consistency=ON".into(),
        "--report-host=127.0.0.1".into(),
        "--plugin-load-add=group_replication.so".into(),
        "--loose-group_replication_start_on_boot=OFF".into(),
        format!("--loose-group_replication_group_name={NAME}"),
        format!("--loose-group_replication_local_address={own}"),
        format!("--loose-group_replication_group_seeds={seeds}"),
        "--loose-group_replication_recovery_get_public_key=ON".into(),
        // As little of both as there may be: members that are gone are soon taken for gone.
        "--loose-group_replication_member_expel_timeout=0".into(),
        "--loose-group_replication_message_cache_size=134217728".into(),
    ];
    Options { extra_args: arguments.map(Into::into).to_vec(), binary_log: true }
}

/// Three members, of which the first is the primary; `None`, loudly, without a MySQL.
fn group() -> Option<Members> {
    if !has_mysql() {
        skipped();
        return None;
    }
    let own = [(); 3].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap())));
    let seeds = own.map(|address| address.to_string()).join(",");
    let start = |at: usize| Server::start(Flavor::MySql, &options(at + 1, own[at], &seeds)).unwrap();
    let members = Members { servers: (0..3).map(start).collect() };
    for at in 0..3 {
        members.root(at).ok("RESET BINARY LOGS AND GTIDS");
        join(&members, at, at == 0);
    }
    members.accounts();
    let mut root = members.root(0);
    for table in ["replication_group_members", "replication_group_member_stats", "replication_applier_status_by_worker"]
    {
        root.ok(&format!("GRANT SELECT ON performance_schema.{table} TO {SEEING}@'%'"));
    }
    Some(members)
}

fn join(members: &Members, at: usize, bootstrap: bool) {
    let mut root = members.root(at);
    if bootstrap {
        root.ok("SET GLOBAL group_replication_bootstrap_group = ON");
    }
    root.set_timeout(Duration::from_secs(60));
    root.ok(&format!("START GROUP_REPLICATION USER = '{}', PASSWORD = '{}'", ROOT.user, ROOT.password));
    if bootstrap {
        root.ok("SET GLOBAL group_replication_bootstrap_group = OFF");
    }
    until("it is a member", || state(members, at) == "ONLINE");
}

fn state(members: &Members, at: usize) -> String {
    let own = format!("{STATES} WHERE MEMBER_ID = @@server_uuid");
    members.root(at).rows(&own).first().and_then(|row| row[1].clone()).unwrap_or_default()
}

fn make_primary(members: &Members, at: usize) {
    let uuid = members.root(at).scalar("SELECT @@server_uuid").unwrap();
    let mut root = members.root(at);
    root.set_timeout(Duration::from_secs(60));
    root.rows(&format!("SELECT group_replication_set_as_primary('{uuid}')"));
}

fn tolerated() -> Vec<u16> {
    LOSSES.into_iter().chain(ROLLED_BACK).collect()
}

#[test]
fn the_groups_primary_is_followed_however_it_changes() {
    let Some(mut members) = group() else { return };
    let tenant = members.tenant("group");
    let wait = ["lease_timeout = \"30s\""];
    let proxy = members.before(&tenant, SEEING, &[], &wait);
    members.wait_for(&proxy, ["primary", "replica", "replica"]);
    let tolerated = tolerated();
    let crew = Crew::new(&tenant, &proxy, CREW, WIDTH, &tolerated).who_may_end();
    crew.work(|| {
        make_primary(&members, 1);
        members.wait_for(&proxy, ["replica", "primary", "replica"]);
        goes_on(&crew);
        // Leaves in an orderly way, and comes back as a secondary.
        members.root(1).ok("STOP GROUP_REPLICATION");
        until("one of the others is the primary", || members.roles(&proxy).contains(&"primary"));
        until("who has left is not used", || members.roles(&proxy)[1] == "down");
        goes_on(&crew);
        join(&members, 1, false);
        until("it is a replica", || members.roles(&proxy)[1] == "replica");
        make_primary(&members, 0);
        members.wait_for(&proxy, ["primary", "replica", "replica"]);
        members.servers[0].kill().unwrap();
        until("one of the others is the primary", || members.roles(&proxy)[1..].contains(&"primary"));
        assert_eq!(members.roles(&proxy)[0], "down");
        goes_on(&crew);
    });
    crew.leaves_nothing(WIDTH);
}

#[test]
fn a_session_that_has_written_at_two_primaries_reads_its_writes_on_a_replica() {
    let Some(members) = group() else { return };
    members.root(0).ok("CREATE TABLE app.w (id INT PRIMARY KEY, at INT)");
    let tenant = members.tenant("causal");
    let split = ["access = \"split\"", "causal_timeout = \"60s\""];
    let proxy = members.before(&tenant, SEEING, &["max_lag = \"5s\""], &split);
    members.wait_for(&proxy, ["primary", "replica", "replica"]);
    let mut session = app(&proxy);
    let count = "SELECT COUNT(*), @@port FROM w";
    // That names a system variable, which a replica is asked for only by the hint.
    let hinted = format!("/* greenroom: replica */ {count}");
    for written in 1..=6 {
        let at = (written - 1) % 2;
        if written > 1 {
            make_primary(&members, at);
            until("it is known", || members.roles(&proxy)[at] == "primary");
        }
        session.ok(&format!("INSERT INTO w VALUES ({written}, @@port)"));
        let rows = session.rows(&hinted);
        assert_eq!(rows[0][0], Some(written.to_string()));
        assert_ne!(rows[0][1], Some(members.address(at).port().to_string()), "read from the primary");
    }
    let executed = members.root(2).scalar("SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')").unwrap();
    assert!(executed.split(':').count() > 2, "no hole between the blocks of two primaries: {executed}");
    assert_eq!(proxy.metrics().sum("greenroom_routed_statements_total", &["reason=\"behind\""]), 0.0);
}

#[test]
fn what_a_group_says_of_its_members_counts_and_not_what_their_switches_say() {
    let Some(members) = group() else { return };
    let tenant = members.tenant("states");
    let lag = ["max_lag = \"1s\""];
    let reads = members.before(&tenant, SEEING, &lag, &["access = \"read_only\""]);
    let blind = members.before(&tenant, BLIND, &[], &[]);
    for proxy in [&reads, &blind] {
        members.wait_for(proxy, ["primary", "replica", "replica"]);
    }
    let said = "what its replication group makes of the node cannot be seen";
    until("it is said, once for each", || blind.log().matches(said).count() == 3);
    assert!(!reads.log().contains(said), "{}", reads.log());
    a_member_that_does_not_apply_is_behind(&members, &reads, &tenant);
    of_many_primaries_one_is_used(&members, &reads);
    who_is_cut_off_from_most_is_no_primary(&members, &reads);
    assert_eq!(blind.log().matches(said).count(), 3, "it is said once for each");
}

fn a_member_that_does_not_apply_is_behind(members: &Members, reads: &Proxy, tenant: &Tenant) {
    let lag = || reads.metrics().get("greenroom_node_lag_seconds{node=\"db2\"}").unwrap();
    until("it is not behind", || lag() == 0.0);
    let mut lock = members.root(1);
    lock.ok(&format!("LOCK TABLES {}.crew READ", tenant.name));
    tenant.connect(members.address(0)).ok("INSERT INTO crew (tag) VALUES ('late')");
    until("it is too far behind", || lag() > 1.0 && lag().is_finite());
    let mut session = Wire::connect(reads.address(), &tenant.login()).unwrap();
    for _ in 0..20 {
        assert_eq!(port(&mut session), members.address(2).port());
    }
    lock.ok("UNLOCK TABLES");
    until("it serves again", || port(&mut session) == members.address(1).port());
}

fn of_many_primaries_one_is_used(members: &Members, proxy: &Proxy) {
    members.root(0).rows("SELECT group_replication_switch_to_multi_primary_mode()");
    until("all take writes", || {
        (0..3).all(|at| members.root(at).scalar("SELECT @@super_read_only").as_deref() == Some("0"))
    });
    // Long enough for each to be asked several times.
    for _ in 0..20 {
        assert_eq!(members.roles(proxy), ["primary", "replica", "replica"]);
        sleep(Duration::from_millis(50));
    }
    let uuid = members.root(2).scalar("SELECT @@server_uuid").unwrap();
    members.root(0).rows(&format!("SELECT group_replication_switch_to_single_primary_mode('{uuid}')"));
    members.wait_for(proxy, ["replica", "replica", "primary"]);
}

fn who_is_cut_off_from_most_is_no_primary(members: &Members, proxy: &Proxy) {
    // The primary is cut off, and most go on without it.
    let first = members.freeze(2);
    within(A_MINUTE, "another is the primary", || {
        let roles = members.roles(proxy);
        roles[2] == "down" && roles.contains(&"primary")
    });
    // Of the two that are left the new primary is cut off from the other, and does not know that this is for long.
    let heir = members.primary(proxy).unwrap();
    let second = members.freeze(1 - heir);
    within(A_MINUTE, "nobody serves", || members.roles(proxy) == ["down"; 3]);
    assert_eq!(members.root(heir).scalar("SELECT @@super_read_only").as_deref(), Some("0"), "it believes in itself");
    assert!(proxy.log().contains("1 of 2 members cannot be reached"), "{}", proxy.log());
    drop((first, second));
    within(A_MINUTE, "the group has a primary again", || members.roles(proxy).contains(&"primary"));
}
