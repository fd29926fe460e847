//! PROXY headers, as haproxy and Greenroom send them to a MariaDB that believes them, with the login behind them
//! (`protocol/tests/machines/proxy_header.rs`).

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
};

use greenroom::demo::server::{Flavor, Options, ROOT, Server, free_port};

use super::{
    seeds::Seeds,
    support::{
        observe::until,
        proxy::Setup,
        wire::{Login, Wire},
    },
    tap::{Side, Tap},
};

/// A PROXY header in binary begins so.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// What haproxy is told of a server: the seeds' names, and its own words.
const WAYS: [(&str, &str); 3] =
    [("v1", "send-proxy"), ("v2", "send-proxy-v2"), ("v2-more", "send-proxy-v2 proxy-v2-options crc32c,unique-id")];

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn record() {
    let mut seeds = Seeds::of("proxy_header");
    let extra_args = vec!["--proxy-protocol-networks=127.0.0.1".into()];
    let server = Server::start(Flavor::MariaDb, &Options { extra_args, binary_log: false }).unwrap();
    for (way, words) in WAYS {
        let (tap, directory) = (Tap::before(server.address()), tempfile::tempdir().unwrap());
        let listens = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(address);
        let _running = haproxy(directory.path(), listens, tap.address(), words);
        visit(listens, &directory.path().join("socket"));
        // For clients of a socket, and where it looks whether the server is there, it speaks for nobody.
        until("it has spoken for everybody", || firsts(&tap).len() == 3);
        keep(&mut seeds, &format!("haproxy-{way}"), &tap);
    }
    for version in ["v1", "v2"] {
        let (tap, directory) = (Tap::before(server.address()), tempfile::tempdir().unwrap());
        let listens = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()].map(address);
        let socket = directory.path().join("socket");
        let told = format!("proxy_protocol = \"{version}\"");
        let mut setup = Setup::new(tap.address()).first_node(tap.address(), &["max_connections = 10", &told]);
        for (at, listen) in
            [listens[0].to_string(), listens[1].to_string(), format!("unix:{}", socket.display())].iter().enumerate()
        {
            let head = format!("[[endpoints]]\nname = \"way{at}\"\nlisten = \"{listen}\"\n");
            setup = setup.extra(&format!("{head}pool = \"none\"\nnodes = [\"db1\"]\n"));
        }
        let _proxy = setup.user(ROOT.user, ROOT.password).start();
        visit(listens, &socket);
        keep(&mut seeds, &format!("greenroom-{version}"), &tap);
    }
    seeds.write();
}

fn address(ip: std::net::IpAddr) -> SocketAddr {
    SocketAddr::new(ip, free_port().unwrap())
}

fn haproxy(directory: &Path, listens: [SocketAddr; 2], server: SocketAddr, words: &str) -> Running {
    let config = directory.join("haproxy.cfg");
    let (socket, [four, six]) = (directory.join("socket"), listens);
    let text = format!(
        "defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n\
         listen all\n    bind {four}\n    bind {six}\n    bind unix@{}\n    unique-id-format %pid-%Ts\n    \
         server one {server} {words} check check-send-proxy inter 200ms\n",
        socket.display()
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new("haproxy");
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
    command.env("PATH", path).args(["-db", "-f"]).arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().expect("haproxy is there"))
}

/// Logs in and runs a statement in each way: by both kinds of addresses and by a socket.
fn visit(listens: [SocketAddr; 2], socket: &Path) {
    let login = Login::new(ROOT.user, ROOT.password);
    until("it listens", || listens.iter().all(|address| Wire::connect(*address, &login).is_ok()));
    for wire in
        [Wire::connect(listens[0], &login), Wire::connect(listens[1], &login), Wire::connect_unix(socket, &login)]
    {
        assert_eq!(wire.unwrap().scalar("SELECT 1").as_deref(), Some("1"));
    }
}

/// By kind of header, what a client said first: the header, and the login behind it where there is one.
fn firsts(tap: &Tap) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::<_, Vec<u8>>::new();
    for passed in tap.connections() {
        let said = passed.into_iter().filter(|(side, _)| *side == Side::Client).flat_map(|(_, bytes)| bytes);
        let said: Vec<u8> = said.collect();
        let Some((kind, end)) = header(&said) else { continue };
        let login =
            said.get(end..end + 4).map_or(0, |head| 4 + u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize);
        let first = said[..said.len().min(end + login)].to_vec();
        let longest = found.entry(kind).or_default();
        if first.len() > longest.len() {
            *longest = first;
        }
    }
    found
}

/// What a header speaks of, and where it ends.
fn header(said: &[u8]) -> Option<(String, usize)> {
    if let Some(rest) = said.strip_prefix(b"PROXY ") {
        let end = rest.windows(2).position(|part| part == b"\r\n")?;
        let word = rest[..end].split(|byte| *byte == b' ').next()?;
        return Some((String::from_utf8_lossy(word).to_lowercase(), 6 + end + 2));
    }
    let [command, family, high, low, ..] = *said.strip_prefix(SIGNATURE)? else { return None };
    let kind = match (command & 15, family >> 4) {
        (0, _) => "local",
        (_, 1) => "tcp4",
        (_, 2) => "tcp6",
        (_, 3) => "unix",
        _ => "unspecified",
    };
    Some((kind.to_owned(), SIGNATURE.len() + 4 + usize::from(u16::from_be_bytes([high, low]))))
}

fn keep(seeds: &mut Seeds, name: &str, tap: &Tap) {
    let firsts = firsts(tap);
    println!("{name}: {:?}", firsts.keys());
    for (kind, first) in firsts {
        seeds.add(&format!("{name}-{kind}"), first);
    }
}
